# SPDX-License-Identifier: GPL-2.0-only
"""Kernel interfaces that the corpus needs and that Python lacks: io_uring, bpf(), seccomp, Landlock."""

import contextlib
import ctypes
import errno
import mmap
import os
import resource
import socket
import struct

from porttrace_test import Skip, cgroup2_mount, libc

# System call numbers that are equal on all architectures (since 5.1), then those that differ.
SYS_URING_SETUP, SYS_URING_ENTER, SYS_URING_REGISTER = 425, 426, 427
SYS_LANDLOCK_CREATE, SYS_LANDLOCK_RESTRICT = 444, 446
NUMBERS = {"x86_64": (60, 321, 49, 42, 50), "aarch64": (93, 280, 200, 203, 201)}
SYS_EXIT, SYS_BPF, SYS_BIND, SYS_CONNECT, SYS_LISTEN = NUMBERS.get(os.uname().machine, [None] * 5)


def _must_be_known(number):
    if number is None:
        raise Skip(f"the number of this system call is not known for {os.uname().machine}")


def syscall(number, *args):
    """Makes a system call by number; returns its result or raises OSError."""
    _must_be_known(number)
    result = libc.syscall(ctypes.c_long(number), *[
        ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args])
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def sockaddr(where):
    """The bytes of a struct sockaddr_in."""
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", where[1],
                                                           socket.inet_aton(where[0]))


# --- io_uring -------------------------------------------------------------------------------------

OP_CONNECT, OP_BIND, OP_LISTEN = 16, 56, 57
SETUP_SQPOLL = 2
ENTER_GETEVENTS, ENTER_SQ_WAKEUP = 1, 2
REGISTER_FILES = 2


class Uring:
    """A ring of eight entries, used for one request at a time."""

    def __init__(self, flags=0):
        params = bytearray(120)
        struct.pack_into("III", params, 8, flags, 0, 50)
        where = (ctypes.c_char * len(params)).from_buffer(params)
        try:
            self.fd = syscall(SYS_URING_SETUP, 8, where)
        except OSError as error:
            raise Skip(f"io_uring_setup: {error.strerror}") from None
        self.flags = flags
        self.sq = struct.unpack_from("7I", params, 40)  # head, tail, mask, entries, flags, dropped, array
        self.cq = struct.unpack_from("6I", params, 80)  # head, tail, mask, entries, overflow, cqes
        entries = struct.unpack_from("II", params, 0)
        size = max(self.sq[6] + 4 * entries[0], self.cq[5] + 16 * entries[1])
        self.ring = mmap.mmap(self.fd, size, offset=0)
        self.entries = mmap.mmap(self.fd, 64 * entries[0], offset=0x10000000)

    def call(self, opcode, fd, addr=0, length=0, addr2=0):
        """Makes one request; returns its result or raises OSError."""
        tail = struct.unpack_from("I", self.ring, self.sq[1])[0]
        slot = tail & struct.unpack_from("I", self.ring, self.sq[2])[0]
        struct.pack_into("=BBHiQQI28x", self.entries, 64 * slot, opcode, 0, 0, fd, addr2, addr, length)
        struct.pack_into("I", self.ring, self.sq[6] + 4 * slot, slot)
        struct.pack_into("I", self.ring, self.sq[1], tail + 1)
        wake = ENTER_SQ_WAKEUP if self.flags & SETUP_SQPOLL else 0
        syscall(SYS_URING_ENTER, self.fd, 1, 1, ENTER_GETEVENTS | wake, 0, 0)
        head = struct.unpack_from("I", self.ring, self.cq[0])[0]
        slot = head & struct.unpack_from("I", self.ring, self.cq[2])[0]
        result = struct.unpack_from("i", self.ring, self.cq[5] + 16 * slot + 8)[0]
        struct.pack_into("I", self.ring, self.cq[0], head + 1)
        if result < 0:
            if opcode in (OP_BIND, OP_LISTEN) and -result == errno.EINVAL:
                raise Skip("this kernel's io_uring has no bind and listen")
            raise OSError(-result, os.strerror(-result))
        return result

    def _with_address(self, opcode, sock, where):
        data = sockaddr(where)
        buffer = ctypes.create_string_buffer(data, len(data))
        self.call(opcode, sock.fileno(), ctypes.addressof(buffer), 0, len(data))

    def bind(self, sock, where):
        self._with_address(OP_BIND, sock, where)

    def connect(self, sock, where):
        self._with_address(OP_CONNECT, sock, where)

    def listen(self, sock, backlog):
        self.call(OP_LISTEN, sock.fileno(), 0, backlog)

    def register(self, *socks):
        """Registers these files with the ring, which holds them from now on."""
        fds = (ctypes.c_int * len(socks))(*[sock.fileno() for sock in socks])
        syscall(SYS_URING_REGISTER, self.fd, REGISTER_FILES, fds, len(socks))


# --- BPF programs of a cgroup ---------------------------------------------------------------------

PROG_CGROUP_SOCK, PROG_CGROUP_SOCK_ADDR = 9, 18
INET4_BIND, INET6_BIND, INET4_CONNECT, INET6_CONNECT, INET4_POST_BIND = 8, 9, 10, 11, 12
EXIT = struct.pack("=BBhi", 0x95, 0, 0, 0)


def answer(value):
    """A program that returns this: 0 refuses, 1 allows."""
    return struct.pack("=BBhi", 0xb7, 0, 0, value) + EXIT


def rewrite_port(port):
    """A program that changes every requested port to this one: ctx->user_port = htons(port)."""
    return (struct.pack("=BBhi", 0xb7, 2, 0, socket.htons(port)) +
            struct.pack("=BBhi", 0x63, 0x21, 24, 0) + answer(1))


def rewrite_address(address):
    """A program that changes every requested address to this one: ctx->user_ip4."""
    return (struct.pack("=BBh4s", 0xb7, 2, 0, socket.inet_aton(address)) +
            struct.pack("=BBhi", 0x63, 0x21, 4, 0) + answer(1))


def bpf(command, attributes):
    return syscall(SYS_BPF, command, ctypes.create_string_buffer(attributes, len(attributes)),
                   len(attributes))


class Cgroup:
    """A cgroup of the test's own, with programs attached."""

    def __init__(self, name, above=None):
        self.path = os.path.join(above.path if above else cgroup2_mount(), f"porttrace-{name}-{os.getpid()}")
        os.mkdir(self.path)

    def attach(self, kind, where, code):
        # Until 5.11 a program's memory counts as locked. Where the test may not raise the limit, the kernel is newer.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        insns = ctypes.create_string_buffer(code, len(code))
        license_text = ctypes.create_string_buffer(b"GPL")
        prog = bpf(5, struct.pack("=IIQQIIQII16sII", kind, len(code) // 8, ctypes.addressof(insns),
                                  ctypes.addressof(license_text), 0, 0, 0, 0, 0, b"", 0, where))
        group = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        bpf(8, struct.pack("=IIII", group, prog, where, 2))
        os.close(group)
        os.close(prog)

    def enter(self):
        """Moves the calling process into the cgroup."""
        with open(os.path.join(self.path, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write(str(os.getpid()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _ in range(100):
            try:
                os.rmdir(self.path)
                return
            except OSError:
                with open(os.path.join(self.path, "cgroup.procs"), encoding="ascii") as file:
                    for pid in file.read().split():
                        with open(os.path.join(cgroup2_mount(), "cgroup.procs"), "w",
                                  encoding="ascii") as root:
                            root.write(pid)


# --- seccomp and Landlock -------------------------------------------------------------------------

def refuse_by_seccomp(number, error):
    """Installs a seccomp filter: from now on this system call of this process fails with this errno."""
    _must_be_known(number)
    code = (struct.pack("=HBBI", 0x20, 0, 0, 0) +  # A = nr
            struct.pack("=HBBI", 0x15, 0, 1, number) +
            struct.pack("=HBBI", 0x06, 0, 0, 0x00050000 | error) +
            struct.pack("=HBBI", 0x06, 0, 0, 0x7fff0000))
    insns = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("=H6xQ", 4, ctypes.addressof(insns)), 16)
    libc.prctl(38, 1, 0, 0, 0)
    if libc.prctl(22, 2, program, 0, 0):
        raise Skip("this kernel has no seccomp filters")


def restrict_by_landlock(bind=False, connect=False):
    """Restricts this process: from now on it may not bind, or not connect to, any TCP port."""
    rules = struct.pack("=QQ", 0, bind * 1 | connect * 2)
    try:
        ruleset = syscall(SYS_LANDLOCK_CREATE, ctypes.create_string_buffer(rules, 16), 16, 0)
    except OSError as error:
        raise Skip(f"Landlock: {error.strerror}") from None
    libc.prctl(38, 1, 0, 0, 0)
    syscall(SYS_LANDLOCK_RESTRICT, ruleset, 0)
    os.close(ruleset)
