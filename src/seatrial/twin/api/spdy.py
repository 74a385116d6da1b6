"""SPDY/3.1 framing, the server's side: as much of it as `kubectl port-forward` speaks through its WebSocket.

Frames and the header compression are those of the SPDY protocol, draft 3.1; flow control windows are left out, as the
clients leave them out (moby/spdystream).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _GOAWAY, _HEADERS = 1, 2, 3, 6, 7, 8
_CONTROL, _VERSION, _FIN = 0x8000, 3, 0x01
_CANCEL = 5
#: Bytes of data in one frame.
_PIECE = 32 * 1024
#: A frame or a header block larger than this is no honest client's.
_LARGEST = 1024 * 1024

_NAMES = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow"
    " authorization cache-control connection content-base content-encoding content-language content-length"
    " content-location content-md5 content-range content-type date etag expect expires from host if-match"
    " if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma"
    " proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade"
    " user-agent vary via warning www-authenticate method get status"
)
_MORE_NAMES = "version HTTP/1.1 url public set-cookie keep-alive origin"
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
#: What both sides' header compression starts from.
DICTIONARY = (
    b"".join(len(word).to_bytes(4, "big") + word.encode() for word in (*_NAMES.split(), "200 OK", *_MORE_NAMES.split()))
    + _TEXT.encode()
)


class Stream:
    """One stream that the client opened. `on_data` gets what comes, `on_end` is called once, when no more will."""

    def __init__(self, connection: Connection, number: int, headers: dict[str, str]) -> None:
        self.number, self.headers = number, headers
        self.on_data: Callable[[bytes], None] = lambda data: None
        self.on_end: Callable[[], None] = lambda: None
        self._connection, self._ended, self._closed = connection, False, False

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            if not self._closed:
                self._connection.send_data(self.number, data[start : start + _PIECE])

    def close(self) -> None:
        """Nothing more will be written."""
        if not self._closed:
            self._closed = True
            self._connection.send_data(self.number, b"", fin=True)

    def reset(self) -> None:
        if not self._closed:
            self._closed = True
            self._connection.send_control(_RST_STREAM, struct.pack(">II", self.number, _CANCEL))
        self.ended()

    def ended(self) -> None:
        if not self._ended:
            self._ended = True
            self.on_end()


class Connection:
    """Frames out of bytes, and bytes out of frames. `write` sends to the client, `opened` hears of every new stream."""

    def __init__(self, write: Callable[[bytes], None], opened: Callable[[Stream], None]) -> None:
        self._write, self._opened = write, opened
        self._buffer = bytearray()
        self._streams: dict[int, Stream] = {}
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> None:
        """Take bytes from the client. Raises ValueError for what is not SPDY/3."""
        self._buffer += data
        while len(self._buffer) >= 8:
            length = int.from_bytes(self._buffer[5:8], "big")
            if length > _LARGEST:
                raise ValueError("a SPDY frame is too large")
            if len(self._buffer) < 8 + length:
                return
            head, payload = bytes(self._buffer[:8]), bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            self._frame(head, payload)

    def end(self) -> None:
        """The client is gone: every stream is at its end."""
        for stream in list(self._streams.values()):
            stream.ended()

    def send_data(self, number: int, data: bytes, fin: bool = False) -> None:
        self._write(struct.pack(">IB", number, _FIN if fin else 0) + len(data).to_bytes(3, "big") + data)

    def send_control(self, kind: int, payload: bytes, flags: int = 0) -> None:
        self._write(struct.pack(">HHB", _CONTROL | _VERSION, kind, flags) + len(payload).to_bytes(3, "big") + payload)

    # frames

    def _frame(self, head: bytes, payload: bytes) -> None:
        first, kind, flags = struct.unpack(">HHB", head[:5])
        if not first & _CONTROL:
            self._data(((first << 16) | kind) & 0x7FFFFFFF, payload, flags)
        elif first & 0x7FFF != _VERSION:
            raise ValueError("not SPDY/3")
        elif kind == _SYN_STREAM:
            self._syn_stream(payload, flags)
        elif kind == _HEADERS:
            self._headers(payload[4:])  # keeps the compression in step
        elif kind == _PING:
            self.send_control(_PING, payload)
        elif kind == _RST_STREAM and len(payload) >= 4:
            stream = self._streams.pop(int.from_bytes(payload[:4], "big") & 0x7FFFFFFF, None)
            if stream is not None:
                stream.ended()
        elif kind == _GOAWAY:
            self.end()

    def _data(self, number: int, payload: bytes, flags: int) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        if payload:
            stream.on_data(payload)
        if flags & _FIN:
            stream.ended()

    def _syn_stream(self, payload: bytes, flags: int) -> None:
        if len(payload) < 10:
            raise ValueError("a SYN_STREAM frame is cut short")
        number = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        stream = self._streams[number] = Stream(self, number, self._headers(payload[10:]))
        none = self._deflate.compress(bytes(4)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        self.send_control(_SYN_REPLY, struct.pack(">I", number) + none)
        self._opened(stream)
        if flags & _FIN:
            stream.ended()

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            raw = self._inflate.decompress(block, _LARGEST)
        except zlib.error as error:
            raise ValueError(f"a SPDY header block cannot be read: {error}") from None
        return _pairs(raw)


def _pairs(raw: bytes) -> dict[str, str]:
    """Names and values, each behind its length."""
    texts, position = list[str](), 4
    for _ in range(2 * int.from_bytes(raw[:4], "big")):
        length = int.from_bytes(raw[position : position + 4], "big")
        if position + 4 + length > len(raw):
            raise ValueError("a SPDY header block is cut short")
        texts.append(raw[position + 4 : position + 4 + length].decode("latin-1"))
        position += 4 + length
    return dict(zip(texts[::2], texts[1::2], strict=True))
