# SPDX-License-Identifier: GPL-2.0-only
"""Debian's kernels for the guests: apt fetches them into a cache, where they are unpacked.

The mirror is that of the machine's own apt (or PORTTRACE_VM_MIRROR). apt runs with state, lists and
sources in the cache, so the machine's own are not changed.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import urllib.parse

# The kernel's name, and the Debian suite that contains it.
SUITES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie", "7.2": "sid"}

# Modules that the tests need. The kernel loads them when needed.
MODULES = """af_packet unix_diag inet_diag tcp_diag udp_diag raw_diag sctp sctp_diag mptcp_diag dummy
veth vxlan wireguard vrf bridge tun ip6_tables nf_tables virtio_pci virtio_rng crc32c_generic dccp""".split()

# Packages that contain parts of the kernel: since 7.x the image is one of several.
PARTS = r"^\s*Depends: (linux-(?:binary|modules)-\S+)"


class Missing(Exception):
    """A kernel is not available; the message is the reason of a SKIP."""


def cache(*parts):
    """A path in the cache; its folder exists."""
    root = os.environ.get("PORTTRACE_VM_CACHE")
    if not root:
        root = "/var/cache" if os.geteuid() == 0 else \
            os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
        root = os.path.join(root, "porttrace-vm")
    path = os.path.join(root, *parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def _output(*command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        message = (result.stderr or result.stdout).strip().splitlines()
        raise Missing(f"{command[0]}: {message[-1] if message else result.returncode}")
    return result.stdout


def mirrors():
    """Addresses of mirrors to try, the machine's own first.

    A suite that the mirrors no longer have is in Debian's archive: on the host whose first label is
    "archive", or in a folder of the mirror.
    """
    given = os.environ.get("PORTTRACE_VM_MIRROR")
    sites = given.split() if given else []
    if not sites:
        if not shutil.which("apt-get"):
            raise Missing("no apt-get, and PORTTRACE_VM_MIRROR is not set")
        for line in _output("apt-get", "indextargets", "--format", "$(SITE)",
                            "Created-By: Packages").split():
            site = line.rstrip("/")
            if site.endswith("/debian") and site not in sites:
                sites.append(site)
    if not sites:
        raise Missing("this machine's apt has no mirror of Debian; set PORTTRACE_VM_MIRROR")
    for site in list(sites):
        url = urllib.parse.urlsplit(site)
        first, _, rest = url.netloc.partition(".")
        if first in ("deb", "ftp", "httpredir") and rest:
            sites.append(urllib.parse.urlunsplit(url._replace(netloc=f"archive.{rest}")))
        sites.append(site[: -len("/debian")] + "/debian-archive/debian")
    return sites


def _apt(folder, arch, *command):
    """Runs apt with its state under `folder`; the machine's proxy settings apply."""
    options = {
        "Dir::State": f"{folder}/state",
        "Dir::State::status": f"{folder}/status",
        "Dir::Cache": f"{folder}/cache",
        "Dir::Etc::SourceList": f"{folder}/sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "APT::Architecture": arch,
        "APT::Architectures": arch,
        "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
        "APT::Get::List-Cleanup": "false",
        "Acquire::Languages": "none",
        "Acquire::Check-Valid-Until": "false",
    }
    return _output(command[0], *(f"-o{k}={v}" for k, v in options.items() if v), *command[1:])


def _update(folder, arch, suite):
    """Fetches the package lists of the suite from the first mirror that has it."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("state/lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(folder, name))
    open(os.path.join(folder, "status"), "w", encoding="ascii").close()
    keys = sorted(glob.glob("/usr/share/keyrings/debian-archive-keyring.*"))
    signed = f"[signed-by={keys[-1]}] " if keys else ""
    reason = None
    for site in mirrors():
        with open(os.path.join(folder, "sources.list"), "w", encoding="ascii") as file:
            file.write(f"deb {signed}{site} {suite} main\n")
        try:
            _apt(folder, arch, "apt-get", "update", "-qq", "--error-on=any")
            return
        except Missing as missing:
            reason = reason or missing
    raise reason


def fetch(name, arch="amd64"):
    """The .deb of a kernel by the names of SUITES: from the cache, or fetched into it."""
    link = cache(arch, f"linux-{name}.deb")
    if os.path.exists(link):
        return os.path.realpath(link)
    suite = SUITES[name]
    folder = cache("apt", f"{suite}-{arch}")
    print(f"fetching the kernel of Debian {suite}", file=sys.stderr, flush=True)
    _update(folder, arch, suite)
    meta = f"linux-image-cloud-{arch}"
    known = _apt(folder, arch, "apt-cache", "depends", meta)
    found = re.search(rf"Depends: (linux-image-\S+-cloud-{arch})\b", known)
    if not found:
        raise Missing(f"Debian {suite} has no {meta}")
    here = os.getcwd()
    try:
        os.chdir(os.path.dirname(link))
        todo = [found.group(1)]
        for package in todo:
            known = _apt(folder, arch, "apt-cache", "depends", package)
            todo += re.findall(PARTS, known, re.M)
        _apt(folder, arch, "apt-get", "download", "-qq", *todo)
    finally:
        os.chdir(here)
    files = sorted(glob.glob(os.path.join(os.path.dirname(link), f"{todo[0]}_*.deb")),
                   key=os.path.getmtime)
    if os.path.lexists(link):
        os.unlink(link)
    os.symlink(os.path.basename(files[-1]), link)
    shutil.rmtree(folder, ignore_errors=True)
    return files[-1]


def _closure(folder, wanted):
    """The files of the modules and of their dependencies."""
    paths, needs = {}, {}
    with open(os.path.join(folder, "modules.dep"), encoding="utf-8") as file:
        for line in file:
            path, _, rest = line.strip().partition(":")
            name = os.path.basename(path).split(".")[0].replace("-", "_")
            paths[name], needs[path] = path, rest.split()
    keep, todo = set(), [paths[name] for name in wanted if name in paths]
    while todo:
        path = todo.pop()
        if path not in keep:
            keep.add(path)
            todo += needs[path]
    return keep


def _parts(deb):
    """The package and those in the same folder that contain the rest of the kernel."""
    needs = _output("dpkg-deb", "-f", deb, "Depends")
    parts = [deb]
    for name in re.findall(r"\b(linux-(?:binary|modules)-[^ ,]+)", needs):
        beside = glob.glob(os.path.join(os.path.dirname(deb), f"{name}_*.deb"))
        if not beside:
            raise Missing(f"{deb} needs {name}, which must be in the same folder")
        parts.append(beside[0])
    return parts


def unpack(deb):
    """(kernel image, folder with lib/modules) of a linux-image .deb, from the cache or into it."""
    name = os.path.basename(deb)[: -len(".deb")]
    wanted = "-".join(sorted(MODULES))
    folder = cache("unpacked", name)
    stamp = os.path.join(folder, "wanted")
    if os.path.exists(stamp):
        with open(stamp, encoding="ascii") as file:
            if file.read() == wanted:
                return os.path.join(folder, "vmlinuz"), os.path.join(folder, "root")
    work = f"{folder}.{os.getpid()}"
    raw = os.path.join(work, "raw")
    os.makedirs(raw)
    try:
        for part in _parts(deb):
            _output("dpkg-deb", "-x", part, raw)
        images = glob.glob(os.path.join(raw, "boot/vmlinu[zx]-*")) + \
            glob.glob(os.path.join(raw, "usr/lib/modules/*/vmlinu[zx]"))
        trees = [t for t in glob.glob(os.path.join(raw, "lib/modules/*")) +
                 glob.glob(os.path.join(raw, "usr/lib/modules/*"))]
        if not images or not trees:
            raise Missing(f"{deb} is not a kernel package")
        release = os.path.basename(trees[0])
        target = os.path.join(work, "root/lib/modules", release)
        os.makedirs(target)
        for index in glob.glob(os.path.join(trees[0], "modules.builtin*")) + \
                glob.glob(os.path.join(trees[0], "modules.order")):
            shutil.copy(index, target)
        # The package has no modules.dep, because its postinst makes that file.
        base = trees[0][: -len(f"/lib/modules/{release}")]
        _output(*_depmod(), "-b", base, release)
        for path in _closure(trees[0], MODULES):
            where = os.path.join(target, path)
            os.makedirs(os.path.dirname(where), exist_ok=True)
            shutil.copy(os.path.join(trees[0], path), where)
            if path.endswith(".xz"):
                _output("xz", "-d", where)
        _output(*_depmod(), "-b", os.path.join(work, "root"), release)
        shutil.move(images[0], os.path.join(work, "vmlinuz"))
        shutil.rmtree(raw)
        with open(os.path.join(work, "wanted"), "w", encoding="ascii") as file:
            file.write(wanted)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return os.path.join(folder, "vmlinuz"), os.path.join(folder, "root")


def _depmod():
    tool = shutil.which("depmod", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not tool:
        raise Missing("no depmod (package kmod)")
    return [tool]
