"""A client for ASGI apps without a server: one call, one answer."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Keeps cookies from one call to the next, as a browser does."""

    def __init__(self, app: Any) -> None:
        self.app, self.cookies = app, dict[str, str]()

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        return asyncio.run(self.call(method, path, body, **headers))

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        answer = Answer()
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        messages = [{"type": "http.request", "body": content, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                answer.body += message.get("body", b"")

        await self.app(self._scope(method, path, headers), receive, send)
        self._keep(answer.headers.get("set-cookie"))
        return answer

    def _scope(self, method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            named["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "scheme": "http",
            "server": ("127.0.0.1", 3000),
            "client": ("127.0.0.1", 50000),
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }

    def _keep(self, cookie: str | None) -> None:
        if cookie:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
