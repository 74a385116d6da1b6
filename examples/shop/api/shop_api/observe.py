"""What surrounds every request: its id, its latency in the metrics, its line in the log, and a JSON answer if it fails."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
import uuid
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shop_api.logs import request_id
from shop_api.metrics import Metrics

log = logging.getLogger("shop_api.request")

USABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
QUIET = frozenset(("/health", "/ready", "/metrics"))  # probes and scrapes: worth a line only when they fail
CLIENT_GONE = 499


class Observe:
    """ASGI middleware. A request is counted whether it succeeds, fails, raises, or its client goes away."""

    def __init__(self, app: ASGIApp, metrics: Metrics, pod: str = "") -> None:
        self._app, self._metrics = app, metrics
        self._served_by = [(b"x-served-by", pod.encode())] if pod else []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ident = _request_id(scope)
        request_id.set(ident)
        status = 0
        started = time.perf_counter()
        error: BaseException | None = None

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", ident.encode()), *self._served_by]
            await send(message)

        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, watched)
        except asyncio.CancelledError as cancelled:
            error, status = cancelled, CLIENT_GONE
            raise
        except Exception as failure:
            error = failure
            if status:  # too late for another answer: the server has to cut the connection
                status = 500
                raise
            await _fail(watched)
        finally:
            self._metrics.in_flight.dec()
            self._record(scope, status, time.perf_counter() - started, error)

    def _record(self, scope: Scope, status: int, seconds: float, error: BaseException | None) -> None:
        route = _template(scope)
        self._metrics.observe(scope["method"], route, status, seconds)
        if scope["path"] in QUIET and status < 500:
            return
        fields = {
            "method": scope["method"],
            "path": scope["path"],
            "route": route,
            "status": status,
            "milliseconds": round(seconds * 1000, 2),
        }
        level = logging.ERROR if status >= 500 else logging.INFO
        trace = error if isinstance(error, Exception) else None
        log.log(level, "%s %s %d", scope["method"], scope["path"], status, exc_info=trace, extra={"fields": fields})


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and (usable := USABLE_ID.match(value.decode("latin-1"))):
            return usable[0]
    return uuid.uuid4().hex


def _template(scope: Scope) -> str:
    route: Any = scope.get("route")
    return str(getattr(route, "path", "unmatched"))


async def _fail(send: Send) -> None:
    body = json.dumps({"error": "something went wrong on our side"}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
