"""WebSockets as ASGI hands them over: accept with a subprotocol, refuse with a Status, binary messages both ways."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from seatrial.twin.api.http import JSON_TYPE, Receive, Scope, Send
from seatrial.twin.errors import ApiError

#: kubectl's name for port-forwarding is no HTTP token, which the WebSocket library insists on: it is told another (`disguised`).
_SLASHED, _PLAIN = "SPDY/3.1+", "SPDY-3.1+"


def disguised(handshake: bytes) -> bytes:
    """A handshake whose protocols are all tokens."""
    return handshake.replace(_SLASHED.encode(), _PLAIN.encode())


class WebSocket:
    """One connection, not yet accepted."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.subprotocol = ""

    def offers(self, known: Sequence[str]) -> str:
        """The first of the protocols we know that the client speaks; "" for none."""
        offered = [name.replace(_PLAIN, _SLASHED) for name in self.scope.get("subprotocols") or ()]
        return next((protocol for protocol in known if protocol in offered), "")

    async def accept(self, subprotocol: str) -> None:
        self.subprotocol = subprotocol
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol or None})

    async def refuse(self, error: ApiError) -> None:
        """Answer the handshake with a Status."""
        headers = [(b"content-type", JSON_TYPE)]
        await self._send({"type": "websocket.http.response.start", "status": error.code, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": orjson.dumps(error.status())})

    async def receive(self) -> bytes | None:
        """The next message; None when the client is gone."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return None
        data = message.get("bytes")
        return data if data is not None else (message.get("text") or "").encode()

    async def send(self, data: bytes) -> None:
        await self._send({"type": "websocket.send", "bytes": data})

    async def close(self, code: int = 1000) -> None:
        await self._send({"type": "websocket.close", "code": code})
