"""`python -m garage.migrate`: where Flyway runs in the real one, this asks whether the database is there and says so."""

from __future__ import annotations

import os
import sys

from garage.server import reachable


def main() -> int:
    if not reachable(os.environ["DB_URL"], timeout=10):
        print("migrate: the database takes no connections", file=sys.stderr)
        return 1
    print("migrate: the schema is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
