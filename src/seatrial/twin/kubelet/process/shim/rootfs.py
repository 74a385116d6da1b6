"""A container's view of the file system: the machine's own, under a layer that takes writes, with volumes at their mount paths.

Runs in the first process of the new namespaces, before anything of the container does.  Every folder at the top of `/`
becomes an overlay whose upper layer is in memory and ends with the container; a folder that other file systems
are mounted in cannot be overlaid in a user namespace, so its entries are taken one by one.  `/tmp`, `/run`, `/dev` and
`/proc` are the container's own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from seatrial.twin.kubelet.process.shim import linux
from seatrial.twin.kubelet.process.shim.plan import Plan

#: Made anew for every container instead of shown as the machine has them.
OWN = ("/dev", "/proc", "/run", "/sys", "/tmp")

#: Folders that images let their user write to. They get an upper folder of ours, so that this holds here for any user.
WRITABLE = ("/etc", "/opt", "/srv", "/home", "/root", "/usr/local", "/usr/share", "/var", "/var/cache", "/var/lib", "/var/log",
            "/var/spool", "/var/tmp")  # fmt: skip

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}

#: What runc makes read-only in /proc: it steers the machine, not the container.
PROC_READ_ONLY = ("bus", "fs", "irq", "sys", "sysrq-trigger")

SHM_SIZE = "64m"  # as the container runtimes have it
MANY = 256  # entries of a folder with mounts in it; past that it is shown read-only as it is
OLD = "/.machine"


def enter(plan: Plan) -> None:
    """Build the root of the container and make it this process's own. Raises OSError."""
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    sources = [os.open(mount["source"], os.O_PATH) for mount in plan["mounts"]]
    image = os.open(plan["image"]["source"], os.O_PATH) if plan["image"] else -1
    hosts = os.open(plan["hosts"], os.O_PATH) if plan["hosts"] else -1
    seen = [(path, os.open(path, os.O_PATH)) for path in plan["visible"] if _hidden(path) and os.path.exists(path)]
    root = Root(plan["folder"])
    root.seed(_files_of_etc(plan), _folders(plan), plan["folders"])
    root.populate()
    root.pivot()
    for folder in plan["folders"]:
        os.makedirs(folder, exist_ok=True)
    if plan["image"]:
        root.lay_over(plan["image"]["target"], image)
    if hosts >= 0:
        _bind(hosts, "/etc/hosts")
    for mount, fd in zip(plan["mounts"], sources, strict=True):
        _bind(fd, mount["target"], mount["read_only"])
    for path, fd in seen:  # last: a volume at /tmp would hide them
        _bind(fd, path, read_only=True)
    os.makedirs(plan["cwd"], exist_ok=True)
    root.finish(plan["read_only_root"])


def _hidden(path: str) -> bool:
    return any(path == own or path.startswith(own + "/") for own in OWN)


def _files_of_etc(plan: Plan) -> dict[str, str]:
    """Files that name the container and its user, by path."""
    uid, gid, user = plan["uid"], plan["gid"], plan["user"]
    home = plan["env"].get("HOME", "/")
    return {
        "/etc/hostname": plan["hostname"] + "\n",
        "/etc/hosts": "127.0.0.1\tlocalhost\n",
        "/etc/host.conf": "multi on\n",
        "/etc/passwd": _with_entry("/etc/passwd", user, uid, f"{user}:x:{uid}:{gid}:{user}:{home}:/bin/sh"),
        "/etc/group": _with_entry("/etc/group", user, gid, f"{user}:x:{gid}:"),
    }


def _with_entry(path: str, name: str, number: int, entry: str) -> str:
    """The machine's file of users or groups with one entry of ours in place of those of that name or number."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        lines = []
    kept = [line for line in lines if (parts := line.split(":"))[0] != name and parts[2:3] != [str(number)]]
    return "\n".join([entry, *kept]) + "\n"


class Root:
    """The new root while it is being built. `stage` is an empty folder to build on."""

    def __init__(self, stage: str) -> None:
        self._mounts = mount_points()
        self._layers = 0
        self._made: list[int] = []  # descriptors of the mounts that are the root, to make them read-only at the end
        linux.mount("tmpfs", stage, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=0755")
        self._stage, self._new = stage, f"{stage}/root"
        self._seeds, self._folders, self._empty = dict[str, str](), list[str](), set[str]()
        os.mkdir(self._new)
        linux.mount("tmpfs", self._new, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=0755")
        self._keep(self._new)

    def seed(self, files: dict[str, str], folders: Iterable[str], empty: Iterable[str]) -> None:
        """What to put in place of the machine's: files (path -> text), folders of our user's, and those that are to be empty."""
        self._seeds, self._folders, self._empty = files, list(folders), set(empty)

    def populate(self) -> None:
        for entry in os.scandir("/"):
            if entry.path not in OWN:
                self._show(entry.path, entry)
        os.mkdir(f"{self._new}/run", 0o755)
        os.mkdir(f"{self._new}/tmp")
        os.chmod(f"{self._new}/tmp", 0o1777)

    def _show(self, path: str, entry: os.DirEntry[str]) -> None:
        """Put an entry of the machine's file system at its place, as well as this user may see it."""
        target = self._new + path
        if path in self._seeds:
            _write(target, self._seeds[path])
        elif entry.is_symlink():
            os.symlink(os.readlink(path), target)
        elif entry.is_dir(follow_symlinks=False):
            os.mkdir(target, 0o755)
            if not any(point.startswith(path + "/") for point in self._mounts):
                self._overlay_or_bind(path, target)
            elif not self._show_entries(path):
                self._bind_read_only(path, target)
        elif entry.is_file(follow_symlinks=False) and path.count("/") > 1:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
            self._bind_read_only(path, target)

    def _show_entries(self, path: str) -> bool:
        """Take the entries of a folder one by one; False when there are too many or they cannot be read."""
        try:
            entries = list(os.scandir(path))
        except OSError:
            return True
        if len(entries) > MANY:
            return False
        for entry in entries:
            self._show(entry.path, entry)
        return True

    def _overlay_or_bind(self, path: str, target: str) -> None:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        try:
            self._overlay(path, fd, target)
        except OSError:
            self._bind_read_only(path, target)
        finally:
            os.close(fd)

    def _bind_read_only(self, path: str, target: str) -> None:
        try:
            linux.bind(path, target)
            linux.read_only(target, recursive=True)
        except OSError:
            return  # what this user may not see is empty in the container

    def _overlay(self, path: str, lower: int, target: str) -> None:
        """`path` under a layer that takes writes, with the folders and files in it that are ours to give."""
        self._layers += 1
        upper, work = f"{self._stage}/u{self._layers}", f"{self._stage}/w{self._layers}"
        os.mkdir(work)
        os.mkdir(upper)
        os.chmod(upper, stat.S_IMODE(os.stat(lower).st_mode))
        for folder in self._folders:
            if folder.startswith(path + "/"):
                _mirror(folder, upper + folder[len(path) :], folder in self._empty)
        for file, text in self._seeds.items():
            if os.path.dirname(file) == path:
                _write(upper + file[len(path) :], text)
        # The kernel reads ',' and ':' in the options as its own: a descriptor has neither.
        options = f"lowerdir=/proc/self/fd/{lower},upperdir={upper},workdir={work},userxattr"
        linux.mount("overlay", target, "overlay", linux.MS_NODEV, options)
        self._keep(target)

    def lay_over(self, target: str, lower: int) -> None:
        """Show a folder of the machine at a path of the container, under a layer of its own that takes writes."""
        os.makedirs(target, exist_ok=True)
        self._overlay(target, lower, target)

    def pivot(self) -> None:
        """Make the new root `/`; the old one stays at OLD until `finish`."""
        os.mkdir(self._new + OLD)
        linux.pivot_root(self._new, self._new + OLD)
        os.chdir("/")
        self._stage = OLD + self._stage
        _make_proc()
        _make_dev()
        _make_sys()
        _keep_resolver()

    def finish(self, read_only: bool) -> None:
        linux.umount(OLD, linux.MNT_DETACH)
        os.rmdir(OLD)
        for fd in self._made:
            if read_only:
                linux.read_only(fd)
            os.close(fd)

    def _keep(self, target: str) -> None:
        self._made.append(os.open(target, os.O_PATH | os.O_CLOEXEC))


def _folders(plan: Plan) -> list[str]:
    """Folders that have to be our user's, whoever the machine's belong to: where images write, and on the way to every mount."""
    wanted = [*WRITABLE, *plan["folders"]]
    for target in (plan["cwd"], *(mount["target"] for mount in plan["mounts"]), *plan["folders"]):
        parts = target.split("/")[1:-1]
        wanted += ["/" + "/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return sorted(set(wanted), key=lambda path: path.count("/"))


def _mirror(folder: str, upper: str, empty: bool) -> None:
    """A folder in the upper layer for one of the machine's, with its mode; links and files are left alone."""
    if not os.path.isdir(os.path.dirname(upper)):
        return  # the way leads over a link
    try:
        found = os.lstat(folder)
    except OSError:
        mode = 0o755
    else:
        if not stat.S_ISDIR(found.st_mode):
            return
        mode = stat.S_IMODE(found.st_mode)
        if empty:
            mode = 0o755
    os.mkdir(upper)
    os.chmod(upper, mode)
    if empty:
        try:
            os.setxattr(upper, "user.overlay.opaque", b"y")
        except OSError:
            return  # a kernel whose memory file system has no such attributes: what the machine has there shows through


def _make_proc() -> None:
    """The processes of this container alone; those of the machine where the kernel refuses (in a container engine's sandbox)."""
    os.mkdir("/proc", 0o555)
    flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    try:
        linux.mount("proc", "/proc", "proc", flags)
    except OSError:
        linux.bind(OLD + "/proc", "/proc")
    for name in PROC_READ_ONLY:
        if os.path.exists(f"/proc/{name}"):
            linux.bind(f"/proc/{name}", f"/proc/{name}")
            linux.read_only(f"/proc/{name}", recursive=True)


def _make_sys() -> None:
    os.mkdir("/sys", 0o555)
    try:
        linux.bind(OLD + "/sys", "/sys")
        linux.read_only("/sys", recursive=True)
    except OSError:
        return  # a program that looks there finds nothing, as on a machine without it


def _make_dev() -> None:
    os.mkdir("/dev", 0o755)
    linux.mount("tmpfs", "/dev", "tmpfs", linux.MS_NOSUID, "mode=0755")
    for name in DEVICES:
        _touch(f"/dev/{name}")
        linux.bind(f"{OLD}/dev/{name}", f"/dev/{name}", recursive=False)
    for name, target in DEVICE_LINKS.items():
        os.symlink(target, f"/dev/{name}")
    os.mkdir("/dev/shm", 0o1777)
    flags = linux.MS_NOSUID | linux.MS_NODEV
    linux.mount("shm", "/dev/shm", "tmpfs", flags | linux.MS_NOEXEC, f"mode=1777,size={SHM_SIZE}")
    os.mkdir("/dev/pts", 0o755)
    os.symlink("pts/ptmx", "/dev/ptmx")
    linux.mount("devpts", "/dev/pts", "devpts", linux.MS_NOSUID | linux.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")


def _keep_resolver() -> None:
    """Names resolve as on the machine, also where resolv.conf leads to a folder that is not shown (/run/systemd/resolve)."""
    file = os.path.realpath("/etc/resolv.conf")
    if not os.path.exists(file) and os.path.isfile(OLD + file):
        os.makedirs(os.path.dirname(file), exist_ok=True)
        _touch(file)
        linux.bind(OLD + file, file)


def _bind(fd: int, target: str, read_only: bool = False) -> None:
    """Show what a descriptor is open on at a path of the container, which is made where it is missing."""
    if stat.S_ISDIR(os.stat(fd).st_mode):
        os.makedirs(target, exist_ok=True)
    elif not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _touch(target)
    linux.bind(f"/proc/self/fd/{fd}", target)
    if read_only:
        linux.read_only(target, recursive=True)
    os.close(fd)


def mount_points() -> list[str]:
    """Every path of this mount namespace that something is mounted at."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return [_unescape(line.split(" ", 5)[4]) for line in file]


def _unescape(path: str) -> str:
    for octal, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(octal, char)
    return path


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666))


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    os.write(fd, text.encode())
    os.close(fd)
