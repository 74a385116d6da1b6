"""The shop's API over two stores in memory: what it answers, refuses, counts and logs."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest
from asgi import Answer, Client
from psycopg import OperationalError
from shop_api import logs
from shop_api.app import build
from shop_api.domain import Cart, Line, Order, OutOfStock, Product, sign

ROPE = Product("rope", "Manila rope", "Tarred ends.", 2600, 10)
BELL = Product("bell", "Ship's bell", "Cast bronze.", 15500, 1)


class Shelf:
    """The catalogue in memory, with the promises of the one in PostgreSQL."""

    def __init__(self, *products: Product) -> None:
        self.stock = {product.sku: product for product in products}
        self.placed: dict[tuple[str, str], Order] = {}
        self.trouble: Exception | None = None
        self.life: list[str] = []

    async def products(self) -> Sequence[Product]:
        if self.trouble:
            raise self.trouble
        return list(self.stock.values())

    async def orders(self, session: str) -> Sequence[Order]:
        return [order for (owner, _), order in self.placed.items() if owner == session]

    async def order(self, session: str, order_id: str) -> Order | None:
        return next((order for order in await self.orders(session) if order.id == order_id), None)

    async def order_of(self, session: str, key: str) -> Order | None:
        return self.placed.get((session, key))

    async def place(self, session: str, key: str, cart: Cart) -> tuple[Order, bool]:
        for sku, quantity in cart.items():
            if self.stock[sku].stock < quantity:
                raise OutOfStock(sku)
        lines = tuple(Line(sku, self.stock[sku].name, quantity, self.stock[sku].price) for sku, quantity in cart.items())
        order_id = str(uuid.uuid4())
        order = Order(order_id, datetime(2026, 1, 1, tzinfo=UTC), lines, sign("key", order_id, 0))
        return self.placed.setdefault((session, key), order), True

    async def check(self) -> None:
        if self.trouble:
            raise self.trouble

    def pool_stats(self) -> Mapping[str, int]:
        return {"pool_size": 4, "pool_available": 3, "pool_max": 5}

    async def open(self) -> None:
        self.life.append("open")

    async def close(self) -> None:
        self.life.append("close")


class Baskets:
    def __init__(self) -> None:
        self.held: dict[str, dict[str, int]] = {}
        self.hangs = False

    async def get(self, session: str) -> dict[str, int]:
        return dict(self.held.get(session, {}))

    async def put(self, session: str, sku: str, quantity: int) -> None:
        self.held.setdefault(session, {})[sku] = quantity
        if quantity == 0:
            del self.held[session][sku]

    async def take(self, session: str, cart: Cart) -> None:
        held = self.held.get(session, {})
        for sku, quantity in cart.items():
            if held.get(sku) == quantity:
                del held[sku]

    async def check(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()

    async def close(self) -> None:
        pass


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(ROPE, BELL)


@pytest.fixture
def baskets() -> Baskets:
    return Baskets()


@pytest.fixture
def shop(shelf: Shelf, baskets: Baskets) -> Client:
    return Client(build(shelf, baskets, ready_timeout=0.01, pod="api-1"))


def checkout(shop: Client, key: str = "11111111-2222-4333-8444-555555555555") -> Answer:
    return shop("POST", "/api/orders", idempotency_key=key)


def test_the_shelf_is_shown(shop: Client) -> None:
    answer = shop("GET", "/api/products")
    assert [product["sku"] for product in answer.json()["products"]] == ["rope", "bell"]
    assert answer.headers["x-served-by"] == "api-1"


def test_a_cart_belongs_to_a_browser_and_knows_its_total(shop: Client) -> None:
    shop("PUT", "/api/cart/rope", {"quantity": 3})
    assert shop("GET", "/api/cart").json()["total"] == 7800
    assert Client(shop.app)("GET", "/api/cart").json() == {"lines": [], "total": 0}


def test_the_session_cookie_cannot_be_read_by_scripts_and_is_not_what_the_stores_hold(shop: Client, baskets: Baskets) -> None:
    cookie = shop("PUT", "/api/cart/rope", {"quantity": 1}).headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Secure" not in cookie
    assert not any(token in baskets.held for token in shop.cookies.values())


def test_behind_https_the_cookie_is_for_https_only(shop: Client) -> None:
    answer = shop("PUT", "/api/cart/rope", {"quantity": 1}, x_forwarded_proto="https")
    assert "Secure" in answer.headers["set-cookie"]


def test_reading_starts_no_session(shop: Client) -> None:
    assert "set-cookie" not in shop("GET", "/api/cart").headers
    assert "set-cookie" not in shop("GET", "/api/orders").headers


def test_quantity_zero_takes_a_product_out(shop: Client) -> None:
    shop("PUT", "/api/cart/rope", {"quantity": 3})
    assert shop("PUT", "/api/cart/rope", {"quantity": 0}).json()["lines"] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"quantity": -1}, 422),
        ({"quantity": 21}, 422),
        ({"quantity": True}, 422),
        ({"quantity": "2"}, 422),
        ({}, 422),
        ([], 422),
        (b"{", 400),
        (b" " * 5000, 413),
    ],
)
def test_a_wrong_quantity_is_refused_with_a_reason(shop: Client, body: object, status: int) -> None:
    answer = shop("PUT", "/api/cart/rope", body)
    assert (answer.status, list(answer.json())) == (status, ["error"])


@pytest.mark.parametrize("sku", ["anchor", "ROPE", "x" * 500])
def test_what_the_shop_does_not_sell_cannot_be_put_into_a_cart(shop: Client, sku: str) -> None:
    assert shop("PUT", f"/api/cart/{sku}", {"quantity": 1}).status == 404


def test_an_order_empties_the_cart_and_is_listed(shop: Client) -> None:
    shop("PUT", "/api/cart/rope", {"quantity": 2})
    placed = checkout(shop)
    assert (placed.status, placed.json()["total"]) == (201, 5200)
    assert shop("GET", "/api/cart").json()["lines"] == []
    assert [order["id"] for order in shop("GET", "/api/orders").json()["orders"]] == [placed.json()["id"]]
    assert shop("GET", f"/api/orders/{placed.json()['id']}").json() == placed.json()


def test_an_order_sent_twice_is_placed_once(shop: Client) -> None:
    shop("PUT", "/api/cart/rope", {"quantity": 2})
    first, second = checkout(shop), checkout(shop)
    assert (first.status, second.status) == (201, 200)
    assert first.json() == second.json()
    assert len(shop("GET", "/api/orders").json()["orders"]) == 1


def test_what_was_added_while_the_order_was_on_its_way_stays_in_the_cart(shop: Client) -> None:
    shop("PUT", "/api/cart/rope", {"quantity": 2})
    checkout(shop)
    shop("PUT", "/api/cart/bell", {"quantity": 1})
    checkout(shop)
    assert [line["sku"] for line in shop("GET", "/api/cart").json()["lines"]] == ["bell"]


def test_an_order_needs_a_key_and_something_in_the_cart(shop: Client) -> None:
    assert shop("POST", "/api/orders").status == 400
    assert checkout(shop, "not a uuid").status == 400
    assert checkout(shop).status == 409


def test_an_order_over_more_than_there_is_is_refused_and_the_cart_kept(shop: Client) -> None:
    shop("PUT", "/api/cart/bell", {"quantity": 2})
    answer = checkout(shop)
    assert (answer.status, answer.json()["error"]) == (409, "not enough of bell is left")
    assert len(shop("GET", "/api/cart").json()["lines"]) == 1


def test_nobody_reads_the_orders_of_another(shop: Client) -> None:
    shop("PUT", "/api/cart/rope", {"quantity": 1})
    order = checkout(shop).json()["id"]
    assert Client(shop.app)("GET", f"/api/orders/{order}").status == 404


def test_alive_does_not_depend_on_the_stores_and_ready_does(shop: Client, shelf: Shelf, baskets: Baskets) -> None:
    assert (shop("GET", "/health").status, shop("GET", "/ready").status) == (200, 200)
    shelf.trouble, baskets.hangs = OperationalError("connection refused\n\tmore"), True
    answer = shop("GET", "/ready")
    assert shop("GET", "/health").status == 200
    assert answer.status == 503
    assert answer.json()["checks"] == {
        "database": "OperationalError: connection refused",
        "cache": "no answer within 0.01 s",
    }


def test_a_store_that_is_away_is_a_503_that_asks_to_come_again(shop: Client, shelf: Shelf) -> None:
    shelf.trouble = OperationalError("gone")
    answer = shop("GET", "/api/products")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


def observed(shop: Client) -> dict[str, float]:
    lines = shop("GET", "/metrics").body.decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines) if not name.startswith("#")}


def latency_count(method: str, route: str, status: int) -> str:
    return f'http_request_duration_seconds_count{{method="{method}",route="{route}",status="{status}"}}'


def test_latency_is_observed_for_every_request_whatever_became_of_it(shop: Client, shelf: Shelf) -> None:
    shop("GET", "/api/products")
    shop("GET", f"/api/orders/{uuid.uuid4()}")
    shop("GET", "/nothing/here")
    shop("BREW", "/api/cart")
    shelf.trouble = RuntimeError("boom")
    assert shop("GET", "/api/products").status == 500
    counts = observed(shop)
    assert counts[latency_count("GET", "/api/products", 200)] == 1
    assert counts[latency_count("GET", "/api/products", 500)] == 1
    assert counts[latency_count("GET", "/api/orders/{id:uuid}", 404)] == 1
    assert counts[latency_count("GET", "unmatched", 404)] == 1
    assert counts[latency_count("OTHER", "/api/cart", 405)] == 1


def test_a_client_that_goes_away_is_observed_too(shop: Client, shelf: Shelf) -> None:
    shelf.trouble = None

    async def leave() -> None:
        started = asyncio.Event()

        async def hang() -> Sequence[Product]:
            started.set()
            await asyncio.Event().wait()
            return []

        shelf.products = hang  # type: ignore[method-assign]
        call = asyncio.create_task(shop.call("GET", "/api/products"))
        await started.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

    asyncio.run(leave())
    assert observed(shop)[latency_count("GET", "/api/products", 499)] == 1


def test_the_database_pool_is_measured(shop: Client) -> None:
    assert observed(shop)["shop_db_pool_idle"] == 3


def test_the_stores_open_and_close_with_the_app(shop: Client, shelf: Shelf) -> None:
    async def live() -> None:
        app = shop.app
        async with app.router.lifespan_context(app):
            assert shelf.life == ["open"]

    asyncio.run(live())
    assert shelf.life == ["open", "close"]


def test_a_request_id_is_kept_when_it_is_usable_and_made_when_it_is_not(shop: Client) -> None:
    assert shop("GET", "/health", x_request_id="from-the-ingress-1").headers["x-request-id"] == "from-the-ingress-1"
    assert shop("GET", "/health", x_request_id='"}{').headers["x-request-id"] != '"}{'


def test_a_log_line_is_json_with_its_request_and_without_secrets() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter(["hunter2"]))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    token = logs.request_id.set("r-1")
    try:
        raise ValueError("no route to shop:hunter2@db")
    except ValueError:
        logger.exception("using %s", "hunter2", extra={"fields": {"reason": "hunter2 is wrong", "status": 500}})
    finally:
        logs.request_id.reset(token)
    line = json.loads(stream.getvalue())
    assert "hunter2" not in stream.getvalue()
    assert (line["request_id"], line["message"], line["reason"], line["status"]) == ("r-1", "using ***", "*** is wrong", 500)
    assert "shop:***@db" in line["error"]


def test_a_payment_reference_depends_on_the_key_the_order_and_the_total() -> None:
    references = {sign(key, order, total) for key in ("a", "b") for order in ("1", "2") for total in (1, 2)}
    assert len(references) == 8
