"""Gives each pod its own address without a network of its own: what a program binds and connects is translated as it asks.

A filter (seccomp, user notification) has the kernel ask the shim about every `bind` and `connect` of a container.  A program that
listens on every address gets the pod's own instead; its 127.0.0.1 is one that no other pod has; and whoever
it talks to in the twin sees the pod's address.  So two pods can serve 0.0.0.0:8080 side by side, as on a cluster, and
where Seatrial is root, port 80 too.  A plain process, which has no /etc/hosts of its own, is handed its pod's when it opens
that file.  Everything else goes to the kernel as it was asked.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import ipaddress
import os
import platform
import select
import socket
import struct
from collections.abc import Callable

from seatrial.twin.kubelet.process.shim import linux

_ARCHITECTURES = {
    # AUDIT_ARCH of the kernel, numbers of bind and connect, numbers of open (which argument is the path)
    "x86_64": (0xC000003E, 49, 42, {2: 0, 257: 1}),
    "aarch64": (0xC00000B7, 200, 203, {56: 1}),
}
#: Sizes of an address that are looked at: of IPv4, of IPv6 without and with its scope, and of what holds any.
SIZES = (16, 24, 28, 128)

_SET_MODE_FILTER, _NEW_LISTENER, _WAIT_KILLABLE = 1, 0x8, 0x20
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
_RECEIVE, _SEND, _ADD_DESCRIPTOR = 0xC0502100, 0xC0182101, 0x40182103
_CONTINUE, _ADD_AND_SEND = 1, 2

_NOTIFICATION = struct.Struct("=QIIiIQ6Q")  # id, pid, flags; number, architecture, instruction, arguments
_RESPONSE = struct.Struct("=QqiI")
_DESCRIPTOR = struct.Struct("=QIIII")  # id, flags, ours, theirs, their flags

IP_BIND_ADDRESS_NO_PORT = 24
LOCAL, ANY = ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv4Address("0.0.0.0")  # noqa: S104
HOSTS = b"/etc/hosts\0"
TWIN = ipaddress.IPv4Network("127.96.0.0/14")  # Services, pods, and pods' own 127.0.0.1
RESERVED, SHIFT = 1024, 20_000  # as in low_ports, which the shim is too small to import
DNS = 53  # of the machine, which a pod may reach at 127.0.0.1 as resolv.conf says


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install(files: bool) -> int:
    """Put the filter on this process and all that will come from it; returns the descriptor that hears of them.

    `files`: hear of opened files too. Raises OSError.
    """
    architecture, bind, connect, opens = _ARCHITECTURES[platform.machine()]
    sizes = len(SIZES)
    watched = list(opens) if files else []
    code = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 0, len(watched) + sizes + 4, architecture),
        (_LOAD, 0, 0, 0),
        *((_EQUAL, len(watched) - at + sizes + 3, 0, number) for at, number in enumerate(watched)),
        (_EQUAL, 1, 0, bind),
        (_EQUAL, 0, sizes + 1, connect),
        (_LOAD, 0, 0, 32),
        *((_EQUAL, sizes - at, 0, size) for at, size in enumerate(SIZES)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _NOTIFY),
    ]
    packed = b"".join(struct.pack("=HBBI", *step) for step in code)
    program = _Program(len(code), packed)
    for flags in (_NEW_LISTENER | _WAIT_KILLABLE, _NEW_LISTENER):  # the second for Linux before 5.19
        try:
            return linux.syscall("seccomp", ctypes.c_uint(_SET_MODE_FILTER), ctypes.c_uint(flags), ctypes.byref(program))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
    raise OSError(errno.EINVAL, "the kernel does not notify of system calls", "seccomp")


class Ports:
    """What pods listen on, where it is not what they asked for. `tell(address, port, where)` hears of ports that are moved."""

    def __init__(self, tell: Callable[[str, int, int], object]) -> None:
        self.own: dict[str, set[int]] = {}  # by the address of the pod: what its containers have on its own 127.0.0.1
        self.moved: dict[tuple[str, int], int] = {}  # ports that are reserved for root, by address and port (see low_ports)
        self._tell = tell

    def note(self, address: str, port: int, where: int) -> None:
        if self.moved.get((address, port), port) != where:
            self.move(address, port, where)
            self._tell(address, port, where)

    def move(self, address: str, port: int, where: int) -> None:
        if where == port:
            self.moved.pop((address, port), None)
        else:
            self.moved[address, port] = where


class Listener:
    """Answers for one filter. `hosts` is what stands for /etc/hosts, "" to leave it."""

    def __init__(self, fd: int, address: str, loopback: str, ports: Ports, hosts: str) -> None:
        self.fd, self._ports, self._hosts = fd, ports, hosts
        self._address, self._loopback = ipaddress.IPv4Address(address), ipaddress.IPv4Address(loopback)
        self._own = ports.own.setdefault(address, set())
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        _, self._bind_number, _, self._opens = _ARCHITECTURES[platform.machine()]

    def answer(self) -> bool:
        """Answer a question if there is one; False when nobody is left to ask."""
        events = self._poll.poll(0)
        if not events:
            return True
        if not events[0][1] & select.POLLIN:
            return False
        buffer = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self.fd, _RECEIVE, buffer)
        except OSError:
            return True  # whoever asked is gone
        asked = _NOTIFICATION.unpack(buffer)
        identity, thread, number, arguments = asked[0], asked[1], asked[3], asked[6:]
        try:
            if number in self._opens:
                if self._open(identity, thread, arguments[self._opens[number]]):
                    return True
                error = None
            else:
                decide = self._bind if number == self._bind_number else self._connect
                error = decide(thread, arguments[0] & 0xFFFFFFFF, arguments[1], min(arguments[2], 28))
        except (OSError, ValueError, struct.error):
            error = None  # we cannot look: the kernel does as it was asked
        response = _RESPONSE.pack(identity, 0, -(error or 0), _CONTINUE if error is None else 0)
        try:
            fcntl.ioctl(self.fd, _SEND, response)
        except OSError:
            return True
        return True

    def _open(self, identity: int, thread: int, pointer: int) -> bool:
        """Hand the pod's hosts to whoever opens the machine's; False when something else is opened."""
        with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
            if os.pread(memory.fileno(), len(HOSTS), pointer) != HOSTS:
                return False
        fd = os.open(self._hosts, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(self.fd, _ADD_DESCRIPTOR, _DESCRIPTOR.pack(identity, _ADD_AND_SEND, fd, 0, os.O_CLOEXEC))
        finally:
            os.close(fd)
        return True

    def _bind(self, thread: int, fd: int, pointer: int, size: int) -> int | None:
        """The error that the program gets, 0 for none; None when the kernel is to do it."""
        with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
            asked = Address.parse(os.pread(memory.fileno(), size, pointer))
        if asked is None or asked.port == 0:
            return None
        own = asked.ip == LOCAL
        if own:
            target = self._loopback
        elif asked.ip == ANY or (asked.ip == self._address and asked.port < RESERVED):
            target = self._address
        else:
            return None
        with duplicate(thread, fd) as sock:
            if asked.six and sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
                # A pod of IPv4 alone: it may listen on its IPv6, and nobody will come.
                return _attempt(lambda: sock.bind(("::1", 0)))
            error = _attempt(lambda: sock.bind(asked.at(target)))
            where = asked.port
            if error == errno.EACCES and asked.port < RESERVED:
                where += SHIFT
                error = _attempt(lambda: sock.bind(asked.at(target, where)))
        if not error:
            self._ports.note(str(target), asked.port, where)
            (self._own.add if own else self._own.discard)(asked.port)
        return error

    def _connect(self, thread: int, fd: int, pointer: int, size: int) -> None:
        """Always the kernel does it, with the address changed where the program has it, and the pod's own as its source."""
        with open(f"/proc/{thread}/mem", "r+b", buffering=0) as memory:
            asked = Address.parse(os.pread(memory.fileno(), size, pointer))
            if asked is None:
                return
            target = asked.ip
            if asked.ip in (LOCAL, ANY) and (asked.port != DNS or asked.port in self._own):
                target = self._loopback if asked.port in self._own else self._address
            where = self._ports.moved.get((str(target), asked.port), asked.port)
            if (target, where) != (asked.ip, asked.port):
                os.pwrite(memory.fileno(), asked.packed(target, where), pointer)
        if target in TWIN:
            with duplicate(thread, fd) as sock:
                if sock.type == socket.SOCK_STREAM and sock.getsockname()[1] == 0:
                    sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
                    sock.bind(asked.at(self._address, 0))


class Address:
    """An address of a socket; IPv6's own forms of "every address", of 127.0.0.1 and of IPv4 are taken as what they mean."""

    def __init__(self, raw: bytes, six: bool, port: int, ip: ipaddress.IPv4Address) -> None:
        self._raw, self.six, self.port, self.ip = raw, six, port, ip

    @classmethod
    def parse(cls, raw: bytes) -> Address | None:
        """None for what is neither IPv4 nor means it."""
        (family,) = struct.unpack_from("=H", raw)
        (port,) = struct.unpack_from("!H", raw, 2)
        if family == socket.AF_INET:
            return cls(raw, False, port, ipaddress.IPv4Address(raw[4:8]))
        if family != socket.AF_INET6:
            return None
        full = ipaddress.IPv6Address(raw[8:24])
        if full.ipv4_mapped:
            return cls(raw, True, port, full.ipv4_mapped)
        known = {0: ANY, 1: LOCAL}.get(int(full))
        return cls(raw, True, port, known) if known is not None else None

    def at(self, ip: ipaddress.IPv4Address, port: int | None = None) -> tuple[str, int]:
        """The same kind of address elsewhere, as Python's sockets take it."""
        return (f"::ffff:{ip}" if self.six else str(ip)), self.port if port is None else port

    def packed(self, ip: ipaddress.IPv4Address, port: int) -> bytes:
        """The same bytes with another address and port."""
        head = self._raw[:2] + struct.pack("!H", port)
        if self.six:
            return head + self._raw[4:8] + bytes(10) + b"\xff\xff" + ip.packed + self._raw[24:]
        return head + ip.packed + self._raw[8:]


def duplicate(thread: int, fd: int) -> socket.socket:
    """A socket of another process, here. Raises OSError."""
    pidfd = os.pidfd_open(_process_of(thread))
    try:
        return socket.socket(fileno=linux.pidfd_getfd(pidfd, fd))
    finally:
        os.close(pidfd)


def _process_of(thread: int) -> int:
    with open(f"/proc/{thread}/status", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("Tgid:"):
                return int(line.split()[1])
    raise OSError(errno.ESRCH, "no such process")


def _attempt(act: Callable[[], object]) -> int:
    try:
        act()
    except OSError as error:
        return error.errno or errno.EIO
    return 0
