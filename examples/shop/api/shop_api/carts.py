"""Carts in Redis: one hash a session, which expires when nobody has touched it for a week."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from shop_api.domain import Cart

KEPT = 7 * 24 * 3600  # seconds

# Compares and deletes in one step, so that a second tab that changes the cart meanwhile loses nothing.
TAKE = """
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
"""


class RedisCarts:
    def __init__(self, url: str, timeout: float = 1.0) -> None:
        self._redis: Any = Redis.from_url(
            url,
            decode_responses=True,
            protocol=2,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            health_check_interval=15,
            retry=Retry(ConstantBackoff(0.05), 1),  # a connection that died while it lay idle, not a server that is away
        )

    async def get(self, session: str) -> dict[str, int]:
        return {sku: int(quantity) for sku, quantity in sorted((await self._redis.hgetall(_key(session))).items())}

    async def put(self, session: str, sku: str, quantity: int) -> None:
        key = _key(session)
        if quantity == 0:
            await self._redis.hdel(key, sku)
            return
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(key, sku, quantity)
            pipeline.expire(key, KEPT)
            await pipeline.execute()

    async def take(self, session: str, cart: Cart) -> None:
        pairs = [item for sku, quantity in cart.items() for item in (sku, quantity)]
        await self._redis.eval(TAKE, 1, _key(session), *pairs)

    async def check(self) -> None:
        await self._redis.ping()

    async def close(self) -> None:
        await self._redis.aclose()


def _key(session: str) -> str:
    return f"cart:{session}"
