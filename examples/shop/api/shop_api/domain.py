"""What the shop deals in, and what it needs of its two stores; nothing here knows HTTP, SQL or Redis."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

MAX_QUANTITY = 20  # of one product in one cart
MAX_LINES = 50

#: What is in a cart: sku -> quantity.
Cart = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Product:
    sku: str
    name: str
    description: str
    price: int  # cents
    stock: int


@dataclass(frozen=True, slots=True)
class Line:
    sku: str
    name: str
    quantity: int
    price: int  # cents, of one piece, on the day of the order


@dataclass(frozen=True, slots=True)
class Order:
    id: str
    placed: datetime
    lines: tuple[Line, ...]
    payment: str  # what the payment provider checks; see `sign`

    @property
    def total(self) -> int:
        """Cents."""
        return sum(line.quantity * line.price for line in self.lines)


class OutOfStock(Exception):  # noqa: N818 - the shop's own word
    """Fewer pieces are left than somebody wants."""

    def __init__(self, sku: str) -> None:
        super().__init__(f"not enough of {sku} is left")
        self.sku = sku


class Catalogue(Protocol):
    """Products and orders, which must not be lost: PostgreSQL."""

    async def products(self) -> Sequence[Product]: ...
    async def orders(self, session: str) -> Sequence[Order]: ...
    async def order(self, session: str, order_id: str) -> Order | None: ...

    async def order_of(self, session: str, key: str) -> Order | None:
        """The order that was placed under this idempotency key, if one was."""
        ...

    async def place(self, session: str, key: str, cart: Cart) -> tuple[Order, bool]:
        """Place an order once for a key: the order, and whether it is new. Raises OutOfStock."""
        ...

    async def check(self) -> None:
        """Return when the database answers and has its schema. Raises what is wrong."""
        ...

    def pool_stats(self) -> Mapping[str, int]: ...
    async def open(self) -> None: ...
    async def close(self) -> None: ...


class Carts(Protocol):
    """Carts, which may be lost and expire by themselves: Redis."""

    async def get(self, session: str) -> dict[str, int]: ...

    async def put(self, session: str, sku: str, quantity: int) -> None:
        """Set the quantity of a product; 0 takes it out."""
        ...

    async def take(self, session: str, cart: Cart) -> None:
        """Take out what was ordered, and leave what was put in or changed since."""
        ...

    async def check(self) -> None: ...
    async def close(self) -> None: ...


def sign(key: str, order_id: str, total: int) -> str:
    """The reference under which the payment provider knows an order: nobody without the key can make one up."""
    return hmac.new(key.encode(), f"{order_id}:{total}".encode(), hashlib.sha256).hexdigest()
