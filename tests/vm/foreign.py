# SPDX-License-Identifier: GPL-2.0-only
"""The system of a guest of another architecture, unpacked from Debian's packages.

tools/fetch-debs fetches them with their dependencies. No program of the guest runs on this machine.
"""

import compileall
import hashlib
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile

import image
from kernels import Missing, cache

HERE = os.path.dirname(os.path.abspath(__file__))
FETCH = os.path.join(HERE, "../../tools/fetch-debs")

# The programs under test are linked with the last three.
PACKAGES = """busybox-static dash iproute2 procps netbase python3-minimal libpython3-stdlib
libbpf1 libyajl2 libcmocka0""".split()
# Dependencies that only an installation needs, and packages that no test uses.
LEFT_OUT = {"perl", "perl5", "perl-base", "doc", "man", "locale", "bug", "lintian", "info", "dpkg",
            "debconf", "gconv", "audit", "engines-3", "ossl-modules", "terminfo", "pixmaps",
            "bash-completion", "systemd", "init.d"}
LIBRARIES_LEFT_OUT = ("libperl", "libsqlite3", "libasan")


def _unpacked(arch):
    done = subprocess.run([FETCH, f"--arch={arch}", f"guest-{arch}", *PACKAGES],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        message = done.stderr.strip().splitlines()
        raise Missing(message[-1] if message else f"fetch-debs: {done.returncode}")
    return done.stdout.strip()


def _left_out(folder, names):
    """The entries of a folder that are not copied."""
    python = os.path.basename(folder).startswith("python3")
    return [n for n in names
            if n in LEFT_OUT or n.startswith(LIBRARIES_LEFT_OUT)
            or (python and (n in image.PYTHON_LEFT_OUT or n.startswith("config-")))]


def _compile(root):
    """Compiles python's library, if this python and the guest's are of one kind."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    library = f"{root}/usr/lib/python{version}"
    if os.path.isdir(library):
        compileall.compile_dir(library, quiet=2, workers=2, stripdir=root,
                               invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def system(arch):
    """The archive of the guest's system, made when the packages have changed."""
    debs = _unpacked(arch)
    key = hashlib.sha256()
    for path in (__file__, image.__file__, os.path.join(HERE, "init"), f"{debs}/.debs"):
        with open(path, "rb") as file:
            key.update(file.read())
    archive = cache("system", f"{arch}-{key.hexdigest()[:16]}.cpio")
    if os.path.exists(archive):
        return archive
    with tempfile.TemporaryDirectory(dir=os.path.dirname(archive)) as root:
        image.make_folders(root)
        for name in ("usr", "bin", "sbin", "lib"):  # some packages still contain the unmerged paths
            if os.path.isdir(f"{debs}/{name}"):
                shutil.copytree(f"{debs}/{name}", f"{root}/{name}", symlinks=True,
                                dirs_exist_ok=True, ignore=_left_out)
        image.make_links(root)
        for name in ("services", "protocols"):
            shutil.copy(f"{debs}/etc/{name}", f"{root}/etc/{name}")
        with open(f"{root}/etc/passwd", "w", encoding="ascii") as file:
            file.write("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
        with open(f"{root}/etc/group", "w", encoding="ascii") as file:
            file.write("root:x:0:\nnogroup:x:65534:\n")
        _compile(root)
        return image.pack(root, archive)
