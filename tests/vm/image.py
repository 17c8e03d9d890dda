# SPDX-License-Identifier: GPL-2.0-only
"""The initramfs of a guest: three archives that the kernel unpacks into one tree.

The cache keeps the system (shell, python, iproute2 of this machine, at the same paths) and the kernel's
modules; the program and its tests are packed for each boot.
"""

import compileall
import glob
import hashlib
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile

from kernels import Missing, cache

HERE = os.path.dirname(os.path.abspath(__file__))

# Programs of the system; they have the same paths in the guest as on this machine.
TOOLS = ["dash", "ip", "ss", "nstat", "sysctl"]
# Parts of Python's library that no test uses.
PYTHON_LEFT_OUT = {"test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3",
                   "pydoc_data", "site-packages", "dist-packages", "__pycache__", "sqlite3",
                   "distutils", "venv", "unittest", "xml", "xmlrpc", "wsgiref", "curses", "dbm"}
APPLETS = """mount umount mkdir cat ls mv cp rm ln sleep grep sed awk head tail dmesg modprobe insmod
lsmod poweroff reboot hostname id uname env tr sort wc stat seq date kill ps stty setsid true false
test pidof printf echo mktemp chmod chown touch find xargs cut tee df free mknod od which nproc
nsenter""".split()


def _which(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise Missing(f"no {name} on this machine")
    return path


def _libraries(paths):
    """The shared libraries of programs and libraries, with the loader: as ldd finds them."""
    done = subprocess.run(["ldd", *paths], capture_output=True, text=True, check=False)
    absent = re.findall(r"(\S+) => not found", done.stdout)
    if absent:
        raise Missing(f"no {absent[0]} on this machine")
    return set(re.findall(r"(?:=> )?(/\S+) \(0x", done.stdout))


def _put(root, path, where=None):
    """Copies a file into the guest's tree, to `where` or else the same path."""
    target = root + (where or path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if not os.path.exists(target):
        shutil.copy2(path, target)


def _put_program(root, path, where=None):
    _put(root, path, where)
    for library in _libraries([path]):
        _put(root, library)


def pack(root, archive):
    """Makes a cpio archive of root in the format that the kernel unpacks."""
    names = subprocess.run(["find", ".", "-mindepth", "1", "-print0"], cwd=root,
                           capture_output=True, check=True).stdout
    with open(f"{archive}.{os.getpid()}", "wb") as file:
        subprocess.run(["cpio", "-o", "-0", "-H", "newc", "--quiet", "-R", "0:0"], cwd=root,
                       input=names, stdout=file, check=True)
        file.write(bytes(-file.tell() % 512))
    os.rename(f"{archive}.{os.getpid()}", archive)
    return archive


def _python(root):
    """This Python, with the parts of its library that the tests use, compiled."""
    program = os.path.realpath(sys.executable)
    library = sysconfig.get_paths()["stdlib"]
    _put_program(root, program)
    shutil.copytree(library, root + library, symlinks=False,
                    ignore=lambda folder, names: [
                        n for n in names if n in PYTHON_LEFT_OUT or n.startswith("config-")])
    extensions = glob.glob(root + library + "/lib-dynload/*.so")
    for extension in list(extensions):
        # Leave out extension modules whose libraries no test uses.
        if re.search(r"_(tkinter|curses\w*|sqlite3|dbm|gdbm|test\w*|xx\w*|codecs_\w+)\.", extension):
            os.unlink(extension)
            extensions.remove(extension)
    for path in _libraries(extensions):
        _put(root, path)
    # Do not compare file times: they are not reliable in an initramfs.
    compileall.compile_dir(root + library, quiet=2, workers=2, stripdir=root,
                           invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    os.makedirs(root + "/usr/bin", exist_ok=True)
    if not os.path.lexists(root + "/usr/bin/python3"):
        os.symlink(program, root + "/usr/bin/python3")


def make_folders(root):
    """Makes the folders of a system, with Debian's merged /usr, so that paths are the same as on this machine."""
    for name in ("bin", "sbin", "lib", "lib64"):
        os.makedirs(f"{root}/usr/{name}")
        os.symlink(f"usr/{name}", f"{root}/{name}")
    for name in ("proc", "sys", "dev", "tmp", "run", "root", "etc", "var/tmp", "mnt"):
        os.makedirs(f"{root}/{name}")


def make_links(root):
    """Links names that the system has no program for to busybox and the shell, and makes init."""
    for applet in APPLETS:
        if not os.path.lexists(f"{root}/usr/bin/{applet}"):
            os.symlink("busybox", f"{root}/usr/bin/{applet}")
    os.symlink("../bin/busybox", f"{root}/usr/sbin/modprobe")  # the kernel calls it to load modules
    for name in ("sh", "bash"):
        if not os.path.lexists(f"{root}/usr/bin/{name}"):
            os.symlink("dash", f"{root}/usr/bin/{name}")
    with open(f"{root}/etc/hosts", "w", encoding="ascii") as file:
        file.write("127.0.0.1 localhost\n::1 localhost\n")
    shutil.copy(os.path.join(HERE, "init"), f"{root}/init")


def system():
    """The archive of the guest's system, made when the machine's programs have changed."""
    programs = [_which(name) for name in ("busybox", *TOOLS)] + [os.path.realpath(sys.executable)]
    with open(__file__, "rb") as file:
        key = hashlib.sha256(file.read())
    with open(os.path.join(HERE, "init"), "rb") as file:
        key.update(file.read())
    for path in sorted(set(programs) | _libraries(programs[1:])):
        status = os.stat(path)
        key.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    archive = cache("system", key.hexdigest()[:16] + ".cpio")
    if os.path.exists(archive):
        return archive
    with tempfile.TemporaryDirectory(dir=os.path.dirname(archive)) as root:
        make_folders(root)
        _put(root, programs[0], "/usr/bin/busybox")
        for path in programs[1:-1]:
            _put_program(root, os.path.realpath(path), "/usr/bin/" + os.path.basename(path))
        make_links(root)
        _python(root)
        for name in ("passwd", "group", "services", "protocols", "nsswitch.conf"):
            if os.path.exists(f"/etc/{name}"):
                _put(root, f"/etc/{name}")
        return pack(root, archive)


def modules(root, deb):
    """The archive of a kernel's modules."""
    archive = cache("modules", os.path.basename(deb)[: -len(".deb")] + ".cpio")
    if not os.path.exists(archive) or os.stat(archive).st_mtime < os.stat(root).st_mtime:
        with tempfile.TemporaryDirectory(dir=os.path.dirname(archive)) as work:
            os.mkdir(f"{work}/usr")
            shutil.copytree(f"{root}/lib", f"{work}/usr/lib")
            pack(work, archive)
    return archive


def program(build, tree, command, archive, libraries=True):
    """The archive under test: the programs of the build, the tests of the tree, the command.

    libraries: those that the programs are linked with, from this machine.
    """
    with tempfile.TemporaryDirectory() as root:
        programs = [os.path.join(build, "porttrace")]
        programs += [p for p in glob.glob(os.path.join(build, "tests/*"))
                     if os.access(p, os.X_OK) and os.path.isfile(p)]
        if not os.path.exists(programs[0]):
            raise Missing(f"no {programs[0]}: run make first")
        for path in programs:
            _put(root, path, "/porttrace/build/" + os.path.relpath(path, build))
        for path in _libraries(programs) if libraries else ():
            os.makedirs(f"{root}/usr", exist_ok=True)
            _put(root, path, path if path.startswith("/usr/") else "/usr" + path)
        for name in ("tests", "docs", "README.md"):
            path = os.path.join(tree, name)
            if os.path.isdir(path):
                shutil.copytree(path, f"{root}/porttrace/{name}",
                                ignore=shutil.ignore_patterns("__pycache__"))
            elif os.path.exists(path):
                shutil.copy(path, f"{root}/porttrace/{name}")
        compileall.compile_dir(f"{root}/porttrace/tests", quiet=2, stripdir=root,
                               invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        os.makedirs(f"{root}/run")
        with open(f"{root}/run/command", "w", encoding="utf-8") as file:
            file.write(command)
        return pack(root, archive)
