"""uvicorn's HTTP/1.1, with the limits that Go's net/http has: bytes of headers, and time until they are complete.

What a client sends that is no HTTP is answered with a Status too, as far as there is somebody to be answered.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from seatrial.twin import errors

#: The most that the headers of a request may have, in bytes (net/http: DefaultMaxHeaderBytes).
MOST_HEADER_BYTES = 1 << 20
#: Seconds that a client has for the headers of a request (apiserver, secure_serving.go: ReadHeaderTimeout).
HEADER_SECONDS = 32.0

_REASONS = {400: b"Bad Request", 431: b"Request Header Fields Too Large"}


class Protocol(HttpToolsProtocol):
    """One connection."""

    _in_headers = False
    _size = 0  # of headers that are not complete yet, in bytes
    _requests = _seen = 0
    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch = self.loop.call_later(HEADER_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        """Close a connection whose headers are not complete since the last look, or that never asked anything."""
        if self._requests == 0 or (self._in_headers and self._requests == self._seen):
            self.transport.close()
            return
        self._seen = self._requests
        self._watch = self.loop.call_later(HEADER_SECONDS, self._look)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_headers:
            self._size += len(data)
            if self._size > MOST_HEADER_BYTES:
                self._refuse(431, "RequestHeaderFieldsTooLarge", "the request's headers are too large")

    def on_message_begin(self) -> None:
        self._in_headers, self._size = True, 0
        self._requests += 1
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_headers = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "BadRequest", "the request is no valid HTTP")

    def _refuse(self, code: int, reason: str, message: str) -> None:
        body = orjson.dumps(errors.ApiError(code, reason, message).status())
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\n" % (code, _REASONS[code])
        self.transport.write(head + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
        self.transport.close()
