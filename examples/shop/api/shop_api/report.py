"""`python -m shop_api.report`: what was sold yesterday (UTC), as one JSON line in the log."""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from shop_api import logs, settings

log = logging.getLogger("shop_api.report")

SOLD = """
SELECT l.sku, sum(l.quantity)::int AS quantity, sum(l.quantity * l.price)::bigint AS revenue,
       count(DISTINCT o.id)::int AS orders
FROM orders o JOIN order_lines l ON l.order_id = o.id
WHERE o.placed >= %s AND o.placed < %s
GROUP BY GROUPING SETS ((l.sku), ())
ORDER BY revenue DESC NULLS LAST, l.sku
"""
BEST = 5


def day_before(now: datetime) -> tuple[datetime, datetime]:
    """The beginning of yesterday and of today, UTC."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=1), today


def summary(day: datetime, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The report of a day: one row a product, and the row without a sku is the total. Revenue in cents."""
    total = next((row for row in rows if row["sku"] is None), None) or {}
    best = [{"sku": row["sku"], "quantity": row["quantity"], "revenue": row["revenue"]} for row in rows if row["sku"]]
    return {
        "day": day.date().isoformat(),
        "orders": total.get("orders") or 0,
        "pieces": total.get("quantity") or 0,
        "revenue": total.get("revenue") or 0,
        "best": best[:BEST],
    }


def main() -> int:
    try:
        config = settings.load(os.environ, required=("db_url",))
    except settings.SettingsError as error:
        print(f"shop_api.report: {error}", file=sys.stderr)
        return 2
    logs.configure(config.log_level, config.secrets())
    since, until = day_before(datetime.now(UTC))
    try:
        with psycopg.connect(config.db_url, connect_timeout=5, row_factory=dict_row) as connection:
            rows = connection.execute(SOLD, (since, until)).fetchall()
    except psycopg.Error as error:
        log.error("no report", extra={"fields": {"reason": str(error).strip()}})
        return 1
    log.info("nightly report", extra={"fields": summary(since, rows)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
