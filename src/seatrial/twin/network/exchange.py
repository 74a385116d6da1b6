"""One request and its answer on the way through the ingress: choose a pod, send, try another where that is safe, pass back.

The client's connection is `client`'s, the pod's is `upstream`'s; this decides.  A refused connection is tried elsewhere for
every request, since nothing was sent; one that broke before an answer only for requests that may be repeated and whose
body is still at hand.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import NamedTuple, Protocol

from seatrial.twin.network import http1, pages
from seatrial.twin.network.endpoints import Balancer, Endpoint
from seatrial.twin.network.http1 import Headers, Limits, Request
from seatrial.twin.network.pages import Page
from seatrial.twin.network.relay import Half, connect, join
from seatrial.twin.network.routing import Rule
from seatrial.twin.network.upstream import Upstream

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}\Z")


class Target(NamedTuple):
    """Where a request goes."""

    rule: Rule
    balancer: Balancer


class Site(Protocol):
    """What an exchange needs to know of the cluster."""

    limits: Limits
    port: int

    def route(self, request: Request) -> Target | Page: ...
    def nobody(self, rule: Rule) -> Page:
        """The page for a Service without a usable endpoint."""
        ...


class Requester(Protocol):
    """The client's connection, as an exchange uses it."""

    transport: asyncio.Transport
    address: str
    write_paused: bool
    rest: bytes  # what a client sent after a request for another protocol

    def hold(self, reason: str, held: bool) -> None:
        """Stop reading for a reason, or read again once there is none."""
        ...

    def finished(self, exchange: Exchange, keep: bool) -> None:
        """The answer is written; `keep`: another request may follow on this connection."""
        ...

    def gone(self) -> None: ...


class Exchange:
    """`refusal` is the answer to a request that cannot be passed on; there may be no `request` then."""

    def __init__(self, client: Requester, site: Site, request: Request | None, refusal: Page | None = None) -> None:
        self._client, self._site, self._refusal = client, site, refusal
        self._loop = asyncio.get_running_loop()
        self._upstream: Upstream | None = None
        self._done: asyncio.Future[str] = self._loop.create_future()
        self._kept: list[bytes] = []  # of the body, framed: what has yet to be sent, or could be sent again
        self._kept_size, self._replayable = 0, True
        self._chunked = self._bodiless = self._keep = self._continued = False
        self.head_sent = False
        self._switch: bytes = b""  # the head of a 101
        self._left = self._timed_out = self._tunnelled = False
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.request = request
        self.body_ended = refusal is not None or not (request and request.has_body)

    # what the client sends

    def body(self, data: bytes) -> None:
        assert self.request is not None
        self._send(http1.chunk(data) if self.request.chunked else data)

    def body_end(self) -> None:
        assert self.request is not None
        if self.request.chunked:
            self._send(http1.LAST_CHUNK)
        self.body_ended = True

    def _send(self, framed: bytes) -> None:
        self._last = self._loop.time()
        if self._upstream is not None and not self._upstream.transport.is_closing():
            self._upstream.transport.write(framed)
        if self._upstream is None or self._replayable:
            self._kept.append(framed)
            self._kept_size += len(framed)
            if self._kept_size > self._site.limits.replay:
                self._too_much_to_keep()

    def _too_much_to_keep(self) -> None:
        if self._upstream is None:
            self._client.hold("connecting", True)
        else:
            self._kept, self._replayable = [], False

    def abandon(self) -> None:
        """The client has gone."""
        self._left = True
        if self._upstream is not None:
            self._upstream.abandon()
        self._settle("")

    def pause_answer(self, paused: bool) -> None:
        """The client reads more slowly than the pod answers, or has caught up."""
        if self._upstream is not None and not self._upstream.transport.is_closing():
            if paused:
                self._upstream.transport.pause_reading()
            else:
                self._upstream.transport.resume_reading()

    # from the request to its answer

    async def run(self) -> None:
        """From the request to its answer. A client that has gone hears nothing, and one in a tunnel hears it there."""
        page = self._refusal or await self._pass_on()
        if self._left or self._tunnelled:
            return
        if page is not None:
            self._answer(page)
        self._client.finished(self, self._keep and self.body_ended)

    async def _pass_on(self) -> Page | None:
        """Have the request answered by a pod; the page to answer with where that was not possible."""
        assert self.request is not None
        target = self._site.route(self.request)
        if isinstance(target, Page):
            return target
        tried: list[tuple[str, int]] = []
        said: list[str] = []
        while len(tried) < self._site.limits.attempts:
            endpoint = target.balancer.pick(self._client.address, tried)
            if endpoint is None:
                break
            tried.append(endpoint.key)
            failure = await self._try(target.balancer, endpoint, self.request)
            if not failure or self._left:
                return None
            said.append(f"{_name(endpoint)} {failure}.")
            if self.head_sent:
                self._client.transport.abort()  # half an answer must not look whole
                self.abandon()
                return None
            if not self._may_repeat(failure):
                break
        return self._explain(target.rule, said)

    def _explain(self, rule: Rule, said: list[str]) -> Page:
        if not said:
            return self._site.nobody(rule)
        if self._timed_out:
            return pages.failed(504, rule, f"Service {rule.service} did not answer in time", said)
        return pages.failed(502, rule, f"Service {rule.service} did not answer", said)

    def _may_repeat(self, failure: str) -> bool:
        assert self.request is not None
        if failure == REFUSED:
            return True
        started = self._upstream is not None and self._upstream.started
        return self.request.method in http1.IDEMPOTENT and self._replayable and not started and not self._timed_out

    async def _try(self, balancer: Balancer, endpoint: Endpoint, request: Request) -> str:
        """One attempt: "" when it was answered, else what the pod did instead."""
        limits = self._site.limits
        self._upstream = None
        try:
            sock = await connect(endpoint.address, endpoint.port, limits.connect_seconds)
        except OSError:
            balancer.refused(endpoint)
            return REFUSED
        self._done = self._loop.create_future()
        upstream = Upstream(self, request.method == b"HEAD", limits)
        balancer.opened(endpoint)
        try:
            await self._loop.create_connection(lambda: upstream, sock=sock)
            if self._left:
                upstream.abandon()
                return ""
            self._begin(upstream, request)
            return await self._done
        finally:
            balancer.closed(endpoint)
            if self._timer is not None:
                self._timer.cancel()

    def _begin(self, upstream: Upstream, request: Request) -> None:
        self._upstream = upstream
        head = http1.upstream_head(request, self._client.address, self._site.port, _request_id(request))
        upstream.transport.write(b"".join([head, *self._kept]))
        if self._kept_size > self._site.limits.replay:
            self._too_much_to_keep()
        if request.expects_continue and not self.body_ended and not self._kept and not self._continued:
            self._continued = True
            self._client.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._client.hold("connecting", False)
        if self._client.write_paused:
            self.pause_answer(True)
        self._last = self._loop.time()
        self._timer = self._loop.call_later(self._site.limits.answer_seconds, self._watch)

    def _watch(self) -> None:
        """Give up on a pod that has been silent for too long; a client that is slow itself is no reason to."""
        if self._done.done() or self._tunnelled:
            return
        if self._client.write_paused or not self.body_ended:
            self._last = self._loop.time()
        left = self._last + self._site.limits.answer_seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._watch)
        elif self._upstream is not None:
            self._timed_out = True
            self._upstream.abandon()
            self._settle(f"was silent for {self._site.limits.answer_seconds:g} s")

    def _settle(self, outcome: str) -> None:
        if not self._done.done():
            self._done.set_result(outcome)

    # what the pod answers

    def answer_head(self, status: int, reason: bytes, headers: Headers) -> None:
        request, write = self.request, self._client.transport.write
        assert request is not None
        self._last = self._loop.time()
        passed = http1.response_headers(headers)
        if status == 101:
            if request.websocket:
                passed += [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
                self._switch = http1.response_head(status, reason, passed)
            return
        if status < 200:
            if request.version == "1.1" and status != 100:
                write(http1.response_head(status, reason, passed))
            return
        passed += self._frame(request, status, headers)
        self.head_sent = True
        write(http1.response_head(status, reason, passed))

    def _frame(self, request: Request, status: int, headers: Headers) -> Headers:
        """How the client learns where the answer ends, and whether it may ask again on this connection."""
        self._bodiless = http1.has_no_body(request.method, status)
        length = [(b"content-length", value) for name, value in headers if name.lower() == b"content-length"]
        self._chunked = not self._bodiless and not length and request.version == "1.1"
        until_close = not self._bodiless and not length and not self._chunked
        self._keep = request.keep_alive and self.body_ended and not until_close
        framing = length if status != 204 else []
        if self._chunked:
            framing = [(b"transfer-encoding", b"chunked")]
        if not self._keep:
            return [*framing, (b"connection", b"close")]
        return [*framing, (b"connection", b"keep-alive")] if request.version == "1.0" else framing

    def answer_body(self, data: bytes) -> None:
        self._last = self._loop.time()
        if not self._bodiless:
            self._client.transport.write(http1.chunk(data) if self._chunked else data)

    def answer_ended(self, failure: str) -> None:
        if not failure and self._chunked:
            self._client.transport.write(http1.LAST_CHUNK)
        self._settle(failure)

    def body_wanted(self, wanted: bool) -> None:
        self._client.hold("slow pod", not wanted)

    def answer_switched(self, rest: bytes) -> None:
        """Both sides speak another protocol from here on: their bytes are passed on as they are."""
        assert self._upstream is not None
        client, upstream = self._client.transport, self._upstream.transport
        if not self._switch:
            self._upstream.abandon()
            self._settle("switched to a protocol that nobody had asked for")
            return
        self._tunnelled = True
        client.write(self._switch + rest)
        front, back = Half(self._client.gone), Half(lambda: self._settle(""))
        for half, transport in ((front, client), (back, upstream)):
            half.connection_made(transport)
            transport.set_protocol(half)
        upstream.write(self._client.rest)
        join(front, back)
        client.resume_reading()

    # our own answers

    def _answer(self, page: Page) -> None:
        request = self.request
        headers = request.headers if request else []
        kind, body = page.render(next((value for name, value in headers if name == b"accept"), b""))
        self._keep = request is not None and self._refusal is None and request.keep_alive and self.body_ended
        head = [
            (b"content-type", kind),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            (b"connection", b"keep-alive" if self._keep else b"close"),
        ]
        if page.status == 503:
            head.append((b"retry-after", b"1"))
        bodiless = request is not None and request.method == b"HEAD"
        self._client.transport.write(http1.response_head(page.status, b"", head) + (b"" if bodiless else body))


REFUSED = "refused the connection"


def _name(endpoint: Endpoint) -> str:
    where = f"{endpoint.address}:{endpoint.port}"
    return f"Pod {endpoint.pod} ({where})" if endpoint.pod else f"The endpoint {where}"


def _request_id(request: Request) -> bytes:
    """The client's, where it can be used; it goes through logs and headers of others."""
    for name, value in request.headers:
        if name == b"x-request-id" and _REQUEST_ID.match(value):
            return value
    return uuid.uuid4().hex.encode()
