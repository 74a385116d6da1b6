"""The service: /healthz, /readyz, /work and /metrics."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import random
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from greeter.settings import Settings

log = logging.getLogger("greeter")


class Latency:
    """ASGI middleware that observes how long every request took.

    Every one: a histogram that hears only of failures says nothing about how slow the service is, and an autoscaler or a
    service level that reads it decides on the wrong requests.
    """

    def __init__(self, app: ASGIApp, histogram: Histogram) -> None:
        self._app, self._histogram = app, histogram

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 500, time.perf_counter()

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            self._histogram.labels(route, str(status)).observe(time.perf_counter() - started)
            if route == "/work":
                log.info("%s", json.dumps({"path": route, "status": status}))


def build(
    settings: Settings, now: Callable[[], float] = time.monotonic, chance: Callable[[], float] = random.random
) -> Starlette:
    """The application; it counts its start from this call. `now` in seconds, `chance` from 0 to 1."""
    registry = CollectorRegistry()
    latency = Histogram("http_request_duration_seconds", "Time to answer a request.", ("route", "status"), registry=registry)
    started = now()

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        left = settings.readiness_delay - (now() - started)
        return PlainTextResponse("ok\n") if left <= 0 else PlainTextResponse(f"ready in {left:.0f} s\n", 503)

    async def work(request: Request) -> Response:
        """Costs CPU, so that an autoscaler has something to follow."""
        await asyncio.to_thread(hashlib.pbkdf2_hmac, "sha256", b"work", b"salt", max(1, settings.work))
        if chance() < settings.fail_rate:
            return JSONResponse({"error": "the work failed"}, 500)
        return JSONResponse({"greeting": settings.greeting})

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(registry), headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})

    routes = [
        Route("/", work),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/work", work),
        Route("/metrics", metrics),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Latency, histogram=latency)])
