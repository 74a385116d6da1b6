"""Products and orders in PostgreSQL. A pool that opens in the background: the API starts while the database is still away."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from shop_api import migrate
from shop_api.domain import Cart, Line, Order, OutOfStock, Product, sign

Row = dict[str, Any]

ORDERS = """
SELECT o.id, o.placed, o.payment, l.sku, l.name, l.quantity, l.price
FROM (SELECT * FROM orders WHERE {where} ORDER BY placed DESC LIMIT 100) o
JOIN order_lines l ON l.order_id = o.id
ORDER BY o.placed DESC, o.id, l.sku
"""
OF_SESSION = ORDERS.format(where="session = %s")
BY_ID = ORDERS.format(where="session = %s AND id = %s")
BY_KEY = ORDERS.format(where="session = %s AND idempotency_key = %s")

# Nothing comes back when the key has been used: by another replica even, which this statement then waits for.
RESERVE = """
INSERT INTO orders (id, session, idempotency_key, payment) VALUES (%s, %s, %s, '')
ON CONFLICT (session, idempotency_key) DO NOTHING RETURNING id
"""
TAKE_STOCK = "UPDATE products SET stock = stock - %s WHERE sku = %s AND stock >= %s RETURNING name, price"
ADD_LINE = "INSERT INTO order_lines (order_id, sku, name, quantity, price) VALUES (%s, %s, %s, %s, %s)"


class SchemaMissing(Exception):  # noqa: N818
    """The migrations have not been here yet."""


class Database:
    def __init__(self, url: str, payments_key: str, pool_size: int = 5) -> None:
        self._payments_key = payments_key
        options = {
            "row_factory": dict_row,
            "connect_timeout": 2,
            "application_name": "shop-api",
            "options": "-c statement_timeout=3000 -c idle_in_transaction_session_timeout=10000",
        }
        self._pool: AsyncConnectionPool[AsyncConnection[Row]] = AsyncConnectionPool(
            url,
            kwargs=options,
            min_size=1,
            max_size=pool_size,
            timeout=2.0,
            max_waiting=pool_size * 20,
            check=AsyncConnectionPool.check_connection,  # a database that restarted costs nobody a request
            open=False,
        )

    async def open(self) -> None:
        await self._pool.open(wait=False)

    async def close(self) -> None:
        await self._pool.close()

    def pool_stats(self) -> Mapping[str, int]:
        return self._pool.get_stats()

    async def check(self) -> None:
        async with self._pool.connection() as connection:
            row = await (await connection.execute("SELECT to_regclass('schema_migrations') AS name")).fetchone()
            version = await _version(connection) if row and row["name"] else 0
        if version < migrate.LATEST:
            raise SchemaMissing(f"the schema is at version {version}, and {migrate.LATEST} is needed")

    async def products(self) -> Sequence[Product]:
        async with self._pool.connection() as connection:
            rows = await connection.execute("SELECT sku, name, description, price, stock FROM products ORDER BY name")
            return [Product(**row) for row in await rows.fetchall()]

    async def orders(self, session: str) -> Sequence[Order]:
        async with self._pool.connection() as connection:
            return await _orders(connection, OF_SESSION, session)

    async def order(self, session: str, order_id: str) -> Order | None:
        async with self._pool.connection() as connection:
            return next(iter(await _orders(connection, BY_ID, session, order_id)), None)

    async def order_of(self, session: str, key: str) -> Order | None:
        async with self._pool.connection() as connection:
            return next(iter(await _orders(connection, BY_KEY, session, key)), None)

    async def place(self, session: str, key: str, cart: Cart) -> tuple[Order, bool]:
        async with self._pool.connection() as connection:
            order_id = str(uuid.uuid4())
            reserved = await (await connection.execute(RESERVE, (order_id, session, key))).fetchone()
            if reserved:
                await self._fill(connection, order_id, cart)
            orders = await _orders(connection, BY_KEY, session, key)
        return orders[0], reserved is not None

    async def _fill(self, connection: AsyncConnection[Row], order_id: str, cart: Cart) -> None:
        total = 0
        for sku, quantity in sorted(cart.items()):  # everybody locks in the same order: no deadlock
            product = await (await connection.execute(TAKE_STOCK, (quantity, sku, quantity))).fetchone()
            if product is None:
                raise OutOfStock(sku)
            await connection.execute(ADD_LINE, (order_id, sku, product["name"], quantity, product["price"]))
            total += quantity * product["price"]
        payment = sign(self._payments_key, order_id, total)
        await connection.execute("UPDATE orders SET payment = %s WHERE id = %s", (payment, order_id))


async def _version(connection: AsyncConnection[Row]) -> int:
    row = await (await connection.execute("SELECT coalesce(max(version), 0) AS version FROM schema_migrations")).fetchone()
    return int(row["version"]) if row else 0


async def _orders(connection: AsyncConnection[Row], query: str, *parameters: str) -> list[Order]:
    lines: dict[str, list[Line]] = {}
    heads: dict[str, Row] = {}
    for row in await (await connection.execute(query, parameters)).fetchall():
        order_id = str(row["id"])
        heads.setdefault(order_id, row)
        lines.setdefault(order_id, []).append(Line(row["sku"], row["name"], row["quantity"], row["price"]))
    return [Order(i, head["placed"], tuple(lines[i]), head["payment"]) for i, head in heads.items()]
