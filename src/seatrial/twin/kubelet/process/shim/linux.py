"""The system calls of Linux that containers are made of and Python 3.11 has no functions for.

Each raises OSError with the path or operation it was about. Numbers of system calls are those of x86-64 and arm64.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000
NAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID

MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x2, 0x4, 0x8
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 0x2

AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000
MOUNT_ATTR_RDONLY = 0x1

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_CLEAR_ALL = 8, 47, 2, 4
CAP_DAC_OVERRIDE, CAP_NET_BIND_SERVICE = 1, 10
_CAPABILITY_VERSION = 0x20080522

_NUMBERS = {
    "x86_64": {"pivot_root": 155, "setns": 308, "seccomp": 317},
    "aarch64": {"pivot_root": 41, "setns": 268, "seccomp": 277},
}
_SAME = {"pidfd_getfd": 438, "mount_setattr": 442}  # since Linux 5.0 every machine has the same new numbers

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def supported() -> bool:
    """Whether this machine's system calls are known here."""
    return platform.machine() in _NUMBERS


def _checked(result: int, about: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), about)
    return int(result)


def syscall(name: str, *args: object, about: str = "") -> int:
    number = _SAME.get(name) or _NUMBERS[platform.machine()][name]
    return _checked(_libc.syscall(ctypes.c_long(number), *args), about or name)


def unshare(flags: int) -> None:
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def setns(fd: int, flags: int) -> None:
    syscall("setns", ctypes.c_int(fd), ctypes.c_int(flags))


def prctl(option: int, value: int = 0, second: int = 0) -> int:
    long = ctypes.c_ulong
    return _checked(_libc.prctl(ctypes.c_int(option), long(value), long(second), long(0), long(0)), f"prctl {option}")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    data = options.encode() if options else None
    result = _libc.mount(source.encode(), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags), data)
    _checked(result, f"mount {kind or source} on {target}")


def bind(source: str, target: str, recursive: bool = True) -> None:
    mount(source, target, flags=MS_BIND | (MS_REC if recursive else 0))


def umount(target: str, flags: int = 0) -> None:
    _checked(_libc.umount2(os.fsencode(target), ctypes.c_int(flags)), f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    syscall("pivot_root", ctypes.c_char_p(os.fsencode(new)), ctypes.c_char_p(os.fsencode(old)))


def read_only(target: str | int, recursive: bool = False) -> None:
    """Make a mount read-only: given by path, or by a descriptor that was opened on it."""
    attributes = struct.pack("=QQQQ", MOUNT_ATTR_RDONLY, 0, 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    fd, path = AT_FDCWD, b""
    if isinstance(target, int):
        fd, flags = target, flags | AT_EMPTY_PATH
    else:
        path = os.fsencode(target)
    syscall(
        "mount_setattr",
        ctypes.c_int(fd),
        ctypes.c_char_p(path),
        ctypes.c_uint(flags),
        ctypes.c_char_p(attributes),
        ctypes.c_size_t(len(attributes)),
        about=f"make {target} read-only",
    )


def pidfd_getfd(pidfd: int, fd: int) -> int:
    """A duplicate, here, of a descriptor of another process."""
    return syscall("pidfd_getfd", ctypes.c_int(pidfd), ctypes.c_int(fd), ctypes.c_uint(0))


def remove_shared_memory(identity: int) -> None:
    """Remove a System V segment; one that is not ours stays."""
    _libc.shmctl(ctypes.c_int(identity), ctypes.c_int(0), None)


def die_with_parent(signal: int) -> None:
    """Be sent a signal when the parent dies. Credentials that change afterwards forget this, so it is called last."""
    prctl(PR_SET_PDEATHSIG, signal)


def keep_capabilities(*capabilities: int) -> None:
    """Keep some capabilities, and none other, after root has become another user; also over an exec."""
    mask = sum(1 << capability for capability in capabilities)
    header, data = struct.pack("=Ii", _CAPABILITY_VERSION, 0), struct.pack("=IIIIII", mask, mask, mask, 0, 0, 0)
    _checked(_libc.capset(ctypes.c_char_p(header), ctypes.c_char_p(data)), "capset")
    for capability in capabilities:
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def drop_capabilities() -> None:
    """Give up every capability for good: the next exec starts without any, and no program can bring one back."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            return  # past the last one this kernel knows, or nothing to drop without privilege
