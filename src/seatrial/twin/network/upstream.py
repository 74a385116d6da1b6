"""One request to one pod: a connection that carries a single exchange, and the parsing of its answer.

What the answer is for, and whether a failed exchange is tried again, is for whoever sent it (`exchange`).
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

import httptools

from seatrial.twin.network.http1 import Headers, Limits
from seatrial.twin.network.relay import HIGH_WATER, reset


class Answered(Protocol):
    """Who hears of an answer, in this order: heads of 1xx, a head, pieces of the body, then `ended` once."""

    def answer_head(self, status: int, reason: bytes, headers: Headers) -> None: ...
    def answer_body(self, data: bytes) -> None: ...
    def answer_switched(self, rest: bytes) -> None:
        """The pod answered 101: from here on both sides send what they like, and `rest` is the beginning."""
        ...

    def answer_ended(self, failure: str) -> None:
        """`failure` is "" when the answer is whole, otherwise the end of a sentence about the pod."""
        ...

    def body_wanted(self, wanted: bool) -> None:
        """The pod reads more slowly than the client sends, or has caught up."""
        ...


class Upstream(asyncio.Protocol):
    """`bodiless`: the method is HEAD, whose answer ends with its head."""

    def __init__(self, answered: Answered, bodiless: bool, limits: Limits) -> None:
        self._answered, self._bodiless, self._limits = answered, bodiless, limits
        self._parser = httptools.HttpResponseParser(self)
        self._headers: Headers = []
        self._head_size = 0
        self._reason = b""
        self._status = 0
        self._in_head = True
        self._until_eof = False
        self._over = False
        self.started = False  # a byte of an answer has come
        self.transport: asyncio.Transport = None  # type: ignore[assignment]

    # the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        self.started = True
        self._head_size += len(data) if self._in_head else 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not self._over:
                self._over = True
                self._answered.answer_switched(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._end(f"sent what is not HTTP: {error.__context__ or error}")
        else:
            if self._in_head and self._head_size > self._limits.head:
                self._end(f"sent more than {self._limits.head} bytes of headers")

    def eof_received(self) -> bool:
        if self._until_eof:
            self._end("")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self._end("reset the connection")
        else:
            self._end(
                "closed the connection before its answer was whole" if self.started else "closed the connection without an answer"
            )

    def pause_writing(self) -> None:
        self._answered.body_wanted(False)

    def resume_writing(self) -> None:
        self._answered.body_wanted(True)

    def abandon(self) -> None:
        """Nobody waits for the answer any more."""
        self._over = True
        if not self.transport.is_closing():
            reset(self.transport)

    def _end(self, failure: str) -> None:
        if self._over:
            return
        self._over = True
        if failure:
            self.transport.abort()
        else:
            self.transport.close()
        self._answered.answer_ended(failure)

    # the parser

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # what comes after the body are trailers, which end here
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._status = status = self._parser.get_status_code()
        if self._over:
            return
        if 100 <= status < 200:
            return  # passed on when it is complete
        names = {name.lower() for name, _ in self._headers}
        framed = b"content-length" in names or b"transfer-encoding" in names
        self._until_eof = not framed and not self._bodiless and status not in (204, 304)
        self._answered.answer_head(status, self._reason, self._headers)
        if self._bodiless:
            self._end("")

    def on_body(self, data: bytes) -> None:
        if not self._over:
            self._answered.answer_body(data)

    def on_message_complete(self) -> None:
        if self._over:
            return
        if 100 <= self._status < 200:
            self._answered.answer_head(self._status, self._reason, self._headers)
            self._headers, self._reason, self._in_head, self._head_size = [], b"", True, 0
        else:
            self._end("")
