"""Ports below 1024 where the kernel reserves them for root: who asks for one gets another, and everybody in the twin knows which.

Services and pods are reached at the port they name: whoever connects to an address of the twin asks here first. A port that
can be had stays what it is: for root, and where sysctl net.ipv4.ip_unprivileged_port_start permits it, nothing is moved.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

#: What a reserved port becomes: 80 is served on 20080, so that it can be told in a list of sockets.
SHIFT = 20_000
RESERVED = 1024

#: Where addresses of twins begin: nobody else would know where to look for a port that was moved.
TWIN = ("127.96.", "127.97.", "127.98.")

#: Where ports are that were moved, by address and the port that was asked for.
_moved: dict[tuple[str, int], int] = {}
_followers: list[Callable[[str, int, int], object]] = []


def actual(address: str, port: int) -> int:
    """The port to connect to for one at an address of the twin."""
    return _moved.get((address, port), port)


def note(address: str, port: int, where: int) -> None:
    """A port is served at another; at itself, when they are the same."""
    if where == actual(address, port):
        return
    if where == port:
        del _moved[address, port]
    else:
        _moved[address, port] = where
    for follower in _followers:
        follower(address, port, where)


def forget(address: str) -> None:
    """Nobody has this address any more."""
    for key in [key for key in _moved if key[0] == address]:
        del _moved[key]


def follow(follower: Callable[[str, int, int], object]) -> Callable[[], None]:
    """Have `follower(address, port, where)` called for every port that is moved; returns the way out."""
    _followers.append(follower)
    for (address, port), where in _moved.items():
        follower(address, port, where)
    return lambda: _followers.remove(follower)


def bind(sock: socket.socket, address: str, port: int) -> None:
    """Bind a socket to an address of the twin, to another port where this one is reserved. Raises OSError."""
    try:
        sock.bind((address, port))
    except PermissionError:
        if port >= RESERVED or not address.startswith(TWIN):
            raise
        sock.bind((address, port + SHIFT))
        note(address, port, port + SHIFT)
    else:
        note(address, port, port)
