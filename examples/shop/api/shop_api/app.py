"""The HTTP side of the shop: routes, validation, the session cookie, and what Kubernetes and Prometheus ask."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
import secrets
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from psycopg import OperationalError
from psycopg_pool import PoolTimeout, TooManyRequests
from redis.exceptions import ConnectionError as CacheError
from redis.exceptions import TimeoutError as CacheTimeout
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shop_api.domain import MAX_LINES, MAX_QUANTITY, Carts, Catalogue, Order, OutOfStock
from shop_api.metrics import Metrics
from shop_api.observe import Observe

log = logging.getLogger("shop_api")

COOKIE = "shop_session"
COOKIE_AGE = 30 * 24 * 3600  # seconds
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}\Z")
SKU = re.compile(r"[a-z0-9-]{2,40}\Z")
BODY_LIMIT = 4096  # bytes
PRIVATE = {"cache-control": "no-store"}

#: What a store that is away raises: the answer is 503, come again, and not 500.
AWAY = (OperationalError, PoolTimeout, TooManyRequests, CacheError, CacheTimeout)


class Shop:
    """The handlers, over the two stores."""

    def __init__(self, catalogue: Catalogue, carts: Carts, metrics: Metrics, ready_timeout: float) -> None:
        self.catalogue, self.carts, self.metrics, self.ready_timeout = catalogue, carts, metrics, ready_timeout

    # what the platform asks

    async def health(self, request: Request) -> Response:
        """Alive: this process answers. It says nothing of the stores, whose outage no restart would mend."""
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        checks = {"database": self.catalogue.check, "cache": self.carts.check}
        results = dict(zip(checks, await asyncio.gather(*map(self._checked, checks.values())), strict=True))
        good = all(result == "ok" for result in results.values())
        return JSONResponse({"status": "ok" if good else "not ready", "checks": results}, 200 if good else 503)

    async def _checked(self, check: Callable[[], Awaitable[None]]) -> str:
        try:
            await asyncio.wait_for(check(), self.ready_timeout)
        except TimeoutError:
            return f"no answer within {self.ready_timeout:g} s"
        except Exception as error:
            return f"{type(error).__name__}: {error}".strip().splitlines()[0]
        return "ok"

    async def metrics_page(self, request: Request) -> Response:
        return Response(self.metrics.text(), media_type=None, headers={"content-type": self.metrics.content_type})

    # what the page asks

    async def products(self, request: Request) -> Response:
        found = await self.catalogue.products()
        body = [{"sku": p.sku, "name": p.name, "description": p.description, "price": p.price, "stock": p.stock} for p in found]
        return JSONResponse({"products": body})

    async def cart(self, request: Request) -> Response:
        session, _ = _session(request)
        return await self._cart_answer(session)

    async def put_item(self, request: Request) -> Response:
        """Idempotent: sets how many of a product are in the cart, and 0 takes it out."""
        session, token = _session(request)
        sku = request.path_params["sku"]
        quantity = (await _json(request)).get("quantity")
        if not isinstance(quantity, int) or isinstance(quantity, bool) or not 0 <= quantity <= MAX_QUANTITY:
            raise HTTPException(422, f"quantity must be a whole number from 0 to {MAX_QUANTITY}")
        if quantity:
            await self._may_add(session, sku)
        await self.carts.put(session, sku, quantity)
        return _with_cookie(await self._cart_answer(session), request, token)

    async def _may_add(self, session: str, sku: str) -> None:
        if not SKU.match(sku) or all(product.sku != sku for product in await self.catalogue.products()):
            raise HTTPException(404, f"there is no product {sku[:40]!r}")
        held = await self.carts.get(session)
        if sku not in held and len(held) >= MAX_LINES:
            raise HTTPException(409, f"a cart holds {MAX_LINES} products at most")

    async def _cart_answer(self, session: str) -> Response:
        held = await self.carts.get(session)
        products = {product.sku: product for product in await self.catalogue.products()} if held else {}
        lines = [
            {"sku": sku, "name": products[sku].name, "quantity": quantity, "price": products[sku].price}
            for sku, quantity in held.items()
            if sku in products
        ]
        total = sum(line["quantity"] * line["price"] for line in lines)  # type: ignore[operator]
        return JSONResponse({"lines": lines, "total": total}, headers=PRIVATE)

    async def place_order(self, request: Request) -> Response:
        """Checkout. The Idempotency-Key makes a repeated request, after a lost answer say, find the order it has placed."""
        session, token = _session(request)
        key = _idempotency_key(request)
        order = await self.catalogue.order_of(session, key)
        new = False
        if order is None:
            cart = await self.carts.get(session)
            if not cart:
                raise HTTPException(409, "the cart is empty")
            try:
                order, new = await self.catalogue.place(session, key, cart)
            except OutOfStock as error:
                raise HTTPException(409, str(error)) from None
        await self.carts.take(session, {line.sku: line.quantity for line in order.lines})
        if new:
            log.info("order placed", extra={"fields": {"order": order.id, "total": order.total}})
        return _with_cookie(JSONResponse(_order(order), 201 if new else 200, PRIVATE), request, token)

    async def orders(self, request: Request) -> Response:
        session, _ = _session(request)
        found = await self.catalogue.orders(session)
        return JSONResponse({"orders": [_order(order) for order in found]}, headers=PRIVATE)

    async def order(self, request: Request) -> Response:
        session, _ = _session(request)
        found = await self.catalogue.order(session, str(request.path_params["id"]))
        if found is None:
            raise HTTPException(404, "there is no such order")
        return JSONResponse(_order(found), headers=PRIVATE)


def build(catalogue: Catalogue, carts: Carts, *, ready_timeout: float = 0.8, pod: str = "") -> Starlette:
    """The application. It opens and closes the stores with its own life."""
    metrics = Metrics()
    metrics.watch_pool(catalogue.pool_stats)
    shop = Shop(catalogue, carts, metrics, ready_timeout)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        await catalogue.open()
        try:
            yield
        finally:
            await carts.close()
            await catalogue.close()

    routes = [
        Route("/health", shop.health),
        Route("/ready", shop.ready),
        Route("/metrics", shop.metrics_page),
        Route("/api/products", shop.products),
        Route("/api/cart", shop.cart),
        Route("/api/cart/{sku}", shop.put_item, methods=["PUT"]),
        Route("/api/orders", shop.orders),
        Route("/api/orders", shop.place_order, methods=["POST"]),
        Route("/api/orders/{id:uuid}", shop.order),
    ]
    app = Starlette(
        routes=routes,
        lifespan=life,
        exception_handlers={HTTPException: _refused, **dict.fromkeys(AWAY, _away)},
        middleware=[Middleware(Observe, metrics=metrics, pod=pod)],
    )
    app.router.redirect_slashes = False
    return app


def _order(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "placed": order.placed.isoformat(),
        "lines": [{"sku": x.sku, "name": x.name, "quantity": x.quantity, "price": x.price} for x in order.lines],
        "total": order.total,
        "payment": order.payment,
    }


def _session(request: Request) -> tuple[str, str]:
    """Under which name the stores know this browser, and the token in its cookie, which only the browser keeps."""
    token = request.cookies.get(COOKIE, "")
    if not TOKEN.match(token):
        token = secrets.token_urlsafe(32)
    return hashlib.sha256(token.encode()).hexdigest()[:32], token


def _with_cookie(response: Response, request: Request, token: str) -> Response:
    """Only what changes something starts a session: two reads at once would start two."""
    if request.cookies.get(COOKIE) != token:
        secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
        response.set_cookie(COOKIE, token, max_age=COOKIE_AGE, httponly=True, samesite="lax", secure=secure)
    return response


def _idempotency_key(request: Request) -> str:
    try:
        return str(uuid.UUID(request.headers["idempotency-key"]))
    except (KeyError, ValueError):
        raise HTTPException(400, "send an Idempotency-Key header with a UUID, the same one when you try again") from None


async def _json(request: Request) -> dict[str, Any]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_LIMIT:
            raise HTTPException(413, f"the body is larger than {BODY_LIMIT} bytes")
    try:
        value = json.loads(body)
    except ValueError:
        raise HTTPException(400, "the body is not JSON") from None
    if not isinstance(value, dict):
        raise HTTPException(422, "the body must be a JSON object")
    return value


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _away(request: Request, error: Exception) -> Response:
    log.warning("a store is away", extra={"fields": {"reason": f"{type(error).__name__}: {error}".strip()}})
    return JSONResponse({"error": "the shop is catching its breath; try again in a moment"}, 503, headers={"retry-after": "1"})
