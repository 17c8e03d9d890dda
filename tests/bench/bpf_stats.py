# SPDX-License-Identifier: GPL-2.0-only
"""The run time of each BPF program of a process, as the kernel counts it (BPF_STATS_RUN_TIME, 5.8).

Does not use bpftool, which a guest lacks. Program names of more than 15 letters come from the program's BTF.
"""

import ctypes
import os
import re
import struct

SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
PROG_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD, BTF_GET_FD_BY_ID, ENABLE_STATS = 13, 15, 19, 32
INFO_SIZE = 232  # struct bpf_prog_info of 6.x; an older kernel fills the fields that it has

libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, max(len(attributes), 16))
    result = libc.syscall(SYS_BPF, command, buffer, len(buffer))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"bpf({command}): {os.strerror(number)}")
    return result


def enable():
    """Returns a descriptor; while it is open, the kernel counts."""
    return _bpf(ENABLE_STATS, struct.pack("<I", 0))


def _info(fd, info):
    _bpf(OBJ_GET_INFO_BY_FD, struct.pack("<IIQ", fd, len(info), ctypes.addressof(info)))
    return info.raw


def _functions(btf_id):
    """Names of the functions of a BTF object, by type."""
    fd = _bpf(BTF_GET_FD_BY_ID, struct.pack("<I", btf_id))
    try:
        size = struct.unpack_from("<QI", _info(fd, ctypes.create_string_buffer(32)))[1]
        data = ctypes.create_string_buffer(size)
        info = ctypes.create_string_buffer(struct.pack("<QI", ctypes.addressof(data), size), 32)
        _info(fd, info)
    finally:
        os.close(fd)
    raw = data.raw
    header, types, length, strings = struct.unpack_from("<IIII", raw, 4)
    at, end, strings = header + types, header + types + length, header + strings
    # Bytes after the first twelve of a type, by kind: (fixed, for each member).
    more = {1: (4, 0), 3: (12, 0), 4: (0, 12), 5: (0, 12), 6: (0, 8), 13: (0, 8), 14: (4, 0),
            15: (0, 12), 17: (4, 0), 19: (0, 12)}
    names, number = {}, 1
    while at < end:
        name, kind = struct.unpack_from("<II", raw, at)
        if kind >> 24 & 31 == 12:  # BTF_KIND_FUNC
            names[number] = raw[strings + name : raw.index(b"\0", strings + name)].decode()
        fixed, each = more.get(kind >> 24 & 31, (0, 0))
        at += 12 + fixed + each * (kind & 0xFFFF)
        number += 1
    return names


class Programs:
    """The BPF programs that a process has open."""

    def __init__(self, pid):
        self.fds, functions = {}, {}
        for fd in os.listdir(f"/proc/{pid}/fdinfo"):
            try:
                with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as file:
                    text = file.read()
            except FileNotFoundError:
                continue
            # A link has a prog_id too.
            if found := re.search(r"^prog_id:\s*(\d+)$", text, re.M):
                self._open(int(found.group(1)), functions)

    def _open(self, number, functions):
        fd = _bpf(PROG_GET_FD_BY_ID, struct.pack("<I", number))
        first = ctypes.create_string_buffer(8)  # struct bpf_func_info
        info = ctypes.create_string_buffer(INFO_SIZE)
        struct.pack_into("<IQI", info, 132, 8, ctypes.addressof(first), 1)
        raw = _info(fd, info)
        name = raw[64:80].split(b"\0")[0].decode()
        btf_id = struct.unpack_from("<I", raw, 128)[0]
        if btf_id:
            if btf_id not in functions:
                functions[btf_id] = _functions(btf_id)
            name = functions[btf_id].get(struct.unpack("<II", first.raw)[1], name)
        if name in self.fds:
            os.close(fd)
        else:
            self.fds[name] = fd

    def read(self):
        """(nanoseconds, runs) of each program so far."""
        return {name: struct.unpack_from("<QQ", _info(fd, ctypes.create_string_buffer(INFO_SIZE)), 192)
                for name, fd in self.fds.items()}

    def close(self):
        for fd in self.fds.values():
            os.close(fd)
        self.fds = {}
