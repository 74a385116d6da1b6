"""A client's connection to the ingress: its requests one after the other, its patience, and its end.

Requests are parsed as they come and answered in their order; while one is answered, at most a read's worth of others waits.
Where a request goes is for `exchange`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools

from seatrial.twin.network import http1, pages
from seatrial.twin.network.exchange import Exchange, Site
from seatrial.twin.network.http1 import Headers, Refusal
from seatrial.twin.network.relay import HIGH_WATER


class Client(asyncio.Protocol):
    def __init__(
        self, site: Site, address: str, start: Callable[[Client, Exchange], object], gone: Callable[[Client], object]
    ) -> None:
        """`start` runs an exchange; `gone` is called when the connection is closed."""
        self._site, self._start, self._on_gone = site, start, gone
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._exchanges: deque[Exchange] = deque()
        self._receiving: Exchange | None = None  # whose body is coming
        self._held: set[str] = set()
        self._target = b""
        self._headers: Headers = []
        self._in_head, self._head_size = False, 0
        self._deaf = False  # nothing more is taken from this client
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.address, self.rest, self.write_paused = address, b"", False
        self.transport: asyncio.Transport = None  # type: ignore[assignment]

    # the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(HIGH_WATER)
        self._expect_by(self._site.limits.idle_seconds)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            self.rest += data if self._upgrading else b""
            return
        self._head_size += len(data) if self._in_head else 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._deaf = True
            self.rest = data[upgrade.args[0] :]
            self.hold("upgrade", self._upgrading)
        except httptools.HttpParserError as error:
            self._refuse(error)
        else:
            if self._in_head and self._head_size > self._site.limits.head:
                self._refuse(Refusal(431, f"The request has more than {self._site.limits.head} bytes of headers."))

    @property
    def _upgrading(self) -> bool:
        request = self._exchanges[-1].request if self._exchanges else None
        return request is not None and request.websocket

    def eof_received(self) -> bool:
        """The client has hung up. It might read on, but one that has gone looks the same, and its requests cost a pod work."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        for exchange in self._exchanges:
            exchange.abandon()
        self.gone()

    def gone(self) -> None:
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
        self._exchanges.clear()
        self._on_gone(self)

    def pause_writing(self) -> None:
        self._pause_answer(True)

    def resume_writing(self) -> None:
        self._pause_answer(False)

    def _pause_answer(self, paused: bool) -> None:
        self.write_paused = paused
        if self._exchanges:
            self._exchanges[0].pause_answer(paused)

    def hold(self, reason: str, held: bool) -> None:
        before = bool(self._held)
        (self._held.add if held else self._held.discard)(reason)
        if self.transport.is_closing() or before == bool(self._held):
            return
        if self._held:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    # the parser

    def on_message_begin(self) -> None:
        self._target, self._headers = b"", []
        self._in_head, self._head_size = True, 0
        self._expect_by(self._site.limits.head_seconds)

    def on_url(self, piece: bytes) -> None:
        self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers are dropped: nothing here could vouch for them
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        limits, headers = self._site.limits, self._headers
        parser = self._parser
        if len(self._exchanges) >= limits.pipelined:
            raise Refusal(429, f"More than {limits.pipelined} requests wait for their answers on this connection.")
        request = http1.check_request(parser.get_method(), self._target, parser.get_http_version(), headers, limits)
        if parser.should_upgrade():
            request.keep_alive = False  # what follows the head is not for this parser
        self._receiving = Exchange(self, self._site, request)
        self._expect_by(limits.body_seconds)
        self._enqueue(self._receiving)

    def on_body(self, data: bytes) -> None:
        self._expect_by(self._site.limits.body_seconds)
        if self._receiving is not None:
            self._receiving.body(data)

    def on_message_complete(self) -> None:
        self._expect_by(None)
        if self._receiving is not None:
            if not self._receiving.body_ended:
                self._receiving.body_end()
            self._receiving = None

    # the queue

    def _enqueue(self, exchange: Exchange) -> None:
        self._exchanges.append(exchange)
        if len(self._exchanges) == 1:
            self._start(self, exchange)
        else:
            self.hold("pipeline", True)

    def _refuse(self, error: Exception) -> None:
        """Answer what cannot be understood, after what came before it, and hear nothing more."""
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, Refusal):
            cause = cause.__context__
        refusal = cause if isinstance(cause, Refusal) else Refusal(400, f"This is not HTTP/1.1: {error}.")
        self._deaf = True
        self._expect_by(None)
        broken = self._receiving
        if broken is not None:  # its body turned out to be wrong: nobody can finish it
            self._receiving = None
            broken.abandon()
            self._exchanges.remove(broken)
            if broken.head_sent:
                self.transport.abort()
                return
        self._enqueue(Exchange(self, self._site, None, pages.refused(refusal.status, refusal.why)))

    def finished(self, exchange: Exchange, keep: bool) -> None:
        if self._exchanges and self._exchanges[0] is exchange:
            self._exchanges.popleft()
        if self.transport.is_closing():
            return
        if not keep:
            self._close_gently()
            return
        if len(self._exchanges) < 2:
            self.hold("pipeline", False)
        if self._exchanges:
            self._start(self, self._exchanges[0])
        elif not self._in_head:
            self._expect_by(self._site.limits.idle_seconds)

    def _close_gently(self) -> None:
        """End our half, and let the client read it before the rest of what it sends is met with a reset."""
        self._deaf = True
        for exchange in self._exchanges:
            exchange.abandon()
        self._exchanges.clear()
        self._receiving = None
        self.transport.write_eof()
        self._held.clear()
        self.transport.resume_reading()
        self._expect_by(self._site.limits.linger_seconds)

    # patience

    def _expect_by(self, seconds: float | None) -> None:
        """Something is to be heard from the client within `seconds`; None: it is our turn."""
        if seconds is None:
            self._deadline = None
            return
        self._deadline = self._loop.time() + seconds
        if self._timer is not None and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_later(seconds, self._check)

    def _check(self) -> None:
        self._timer = None
        if self._deadline is None or self.transport.is_closing():
            return
        left = self._deadline - self._loop.time()
        if self._held and not self._deaf:
            left = max(left, 1.0)  # it is we who do not read
        if left > 0.001:
            self._timer = self._loop.call_later(left, self._check)
        elif not self._deaf and (self._in_head or self._receiving is not None):
            self._in_head = False
            self._refuse(Refusal(408, "The request did not arrive in time."))
        else:
            self.transport.close()
