"""Bytes between two connections: each direction ends by itself, a slow reader holds back its writer, a reset goes through.

Knows neither Services nor HTTP.  Protocols rather than streams: a byte is touched once, and memory stays within the
write buffers of the two sockets.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable
from typing import cast

from seatrial.twin.network import low_ports

#: Bytes that may wait for a slow reader before its writer is held back.
HIGH_WATER = 512 * 1024

_RESET = struct.pack("ii", 1, 0)
_CONNECTED = (0, errno.EISCONN)
_PENDING = (errno.EINPROGRESS, errno.EALREADY, errno.EWOULDBLOCK)


class Half(asyncio.Protocol):
    """One of two connections that are joined: what it receives, its peer sends."""

    __slots__ = ("_done", "_early", "_eof", "peer", "transport")

    def __init__(self, done: Callable[[], object] | None = None) -> None:
        """`done` is called once the connection is closed."""
        self._done, self._eof = done, False
        self._early: list[bytes] = []  # came before there was a peer
        self.peer: Half | None = None
        self.transport: asyncio.Transport = None  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self.transport.set_write_buffer_limits(HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            self._early.append(data)
            self.transport.pause_reading()
        else:
            self.peer.transport.write(data)

    def eof_received(self) -> bool:
        self._eof = True
        if self.peer is not None:
            self._pass_on_eof(self.peer)
        return True  # the other direction goes on

    def _pass_on_eof(self, peer: Half) -> None:
        if peer._eof:
            self.transport.close()
            peer.transport.close()
        elif not peer.transport.is_closing():
            peer.transport.write_eof()

    def pause_writing(self) -> None:
        if self.peer is not None and not self.peer.transport.is_closing():
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and not self.peer.transport.is_closing():
            self.peer.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        peer, self.peer = self.peer, None
        if peer is not None and not peer.transport.is_closing():
            reset(peer.transport)  # it has more to say, and nobody to say it to
        if self._done is not None:
            self._done()

    def join(self, peer: Half) -> None:
        """Take `peer` for a peer; `join` does it for both."""
        self.peer = peer
        if peer.transport.is_closing():
            reset(self.transport)
            return
        for data in self._early:
            peer.transport.write(data)
        if self._early and not self.transport.is_closing():
            self.transport.resume_reading()
        self._early = []
        if self._eof:
            self._pass_on_eof(peer)


def join(one: Half, other: Half) -> None:
    """Let two open connections speak to one another."""
    one.join(other)
    other.join(one)


def reset(transport: asyncio.Transport) -> None:
    """Close so that the other end learns that something went wrong: what was cut off must not look complete."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        _linger_none(sock)
    transport.abort()


def refuse(sock: socket.socket) -> None:
    """Close a connection that nobody has read from or written to, with a reset."""
    _linger_none(sock)
    sock.close()


def _linger_none(sock: socket.socket) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    except OSError:
        pass  # it is closed already


async def connect(address: str, port: int, timeout: float) -> socket.socket:
    """A connection to another process of this machine. Raises OSError, and TimeoutError after `timeout` seconds.

    Over the loopback interface the kernel has the answer, good or bad, by the time of the second call, so that neither
    a connection nor a refusal costs a turn of the loop.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        where = address, low_ports.actual(address, port)
        code = sock.connect_ex(where)
        if code in _PENDING:
            code = sock.connect_ex(where)
        if code in _PENDING:
            async with asyncio.timeout(timeout):
                await _writable(sock)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code not in _CONNECTED:
            raise OSError(code, f"{address}:{port}: {errno.errorcode.get(code, code)}")
    except BaseException:
        sock.close()
        raise
    return sock


async def _writable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(sock, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(sock)


def listening(address: str, port: int, backlog: int = 1024) -> socket.socket:
    """A listening socket that does not block. Raises OSError."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        low_ports.bind(sock, address, port)
        sock.listen(backlog)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


class Acceptor:
    """Hands every connection that a listening socket accepts to `accepted`; closing it frees the port at once."""

    #: Connections taken in one turn of the loop, so that a flood does not keep those that are open from being served.
    BATCH = 64

    def __init__(self, sock: socket.socket, accepted: Callable[[socket.socket, str], object]) -> None:
        """`accepted` is given the connection and the client's address."""
        self._sock, self._accepted = sock, accepted
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock, self._accept)
        self._pause: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        return int(self._sock.getsockname()[1])

    def _accept(self) -> None:
        for _ in range(self.BATCH):
            try:
                connection, client = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._rest()
                return
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._accepted(connection, client[0])

    def _rest(self) -> None:
        """Out of file descriptors: the waiting connections wait a little more, rather than the loop spinning on them."""
        self._loop.remove_reader(self._sock)
        self._pause = self._loop.call_later(0.1, lambda: self._loop.add_reader(self._sock, self._accept))

    def close(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._sock)
        self._sock.close()
