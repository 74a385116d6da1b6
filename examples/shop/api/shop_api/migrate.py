"""`python -m shop_api.migrate`: brings the schema up to date, once, however often and from however many places it is run.

Migrations are the numbered files in `migrations/`; one that has been applied is never edited, and a checksum holds that.
Each runs in its own transaction, all under one advisory lock.  A database that is still starting is waited for.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from shop_api import logs, settings

log = logging.getLogger("shop_api.migrate")

FOLDER = Path(__file__).with_name("migrations")
LOCK = 7_305_412_119  # any number that nobody else in this database locks
FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0  # seconds

VERSIONS = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationError(Exception):
    """The files and the database do not agree, or the database never came."""


@dataclass(frozen=True)
class Migration:
    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """The migrations in order. Raises MigrationError when they are not numbered 1, 2, 3, …"""
    found = []
    for path in sorted(folder.glob("*.sql")):
        number, _, name = path.stem.partition("_")
        found.append(Migration(int(number), name, path.read_text()))
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationError(f"migrations must be numbered from 1 without gaps: {[m.version for m in found]}")
    return found


#: The version that this code needs.
LATEST = len(migrations())


def pending(known: Sequence[Migration], applied: dict[int, str]) -> list[Migration]:
    """What has yet to run. Raises MigrationError where an applied migration is not the one in the file.

    Versions beyond the known ones are no error: a newer release has been here, and this one is its rollback.
    """
    for migration in known:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise MigrationError(f"migration {migration.version} ({migration.name}) was changed after it had been applied")
    return [migration for migration in known if migration.version not in applied]


def waits(timeout: float) -> Iterator[float]:
    """The pauses between attempts: doubling, none longer than five seconds, together no longer than `timeout` seconds."""
    pause, spent = FIRST_WAIT, 0.0
    while spent < timeout:
        pause = min(pause, LONGEST_WAIT, timeout - spent)
        yield pause
        spent += pause
        pause *= 2


def connect(url: str, timeout: float, sleep: Callable[[float], None] = time.sleep) -> psycopg.Connection[Any]:
    """A connection to a database that may still be starting. Raises MigrationError with the last reason after `timeout`."""
    for pause in waits(timeout):
        try:
            return psycopg.connect(url, connect_timeout=3, application_name="shop-migrate")
        except psycopg.OperationalError as error:
            reason = str(error).strip()
            log.info("waiting for the database", extra={"fields": {"reason": reason, "retry_in": round(pause, 1)}})
            sleep(pause)
    raise MigrationError(f"the database did not answer within {timeout:g} s: {reason}")


def run(connection: psycopg.Connection[Any], known: Sequence[Migration]) -> list[Migration]:
    """Apply what is pending and return it. The lock is the connection's, and goes when that closes, however it ends."""
    connection.autocommit = True
    connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    connection.execute(VERSIONS)
    applied = dict(connection.execute("SELECT version, checksum FROM schema_migrations").fetchall())
    todo = pending(known, applied)
    for migration in todo:
        with connection.transaction():
            connection.execute(migration.sql.encode())
            row = (migration.version, migration.name, migration.checksum)
            connection.execute("INSERT INTO schema_migrations (version, name, checksum) VALUES (%s, %s, %s)", row)
        log.info("applied", extra={"fields": {"version": migration.version, "name": migration.name}})
    return todo


def main() -> int:
    try:
        config = settings.load(os.environ, required=("db_url",))
    except settings.SettingsError as error:
        print(f"shop_api.migrate: {error}", file=sys.stderr)
        return 2
    logs.configure(config.log_level, config.secrets())
    try:
        with connect(config.db_url, config.migrate_timeout) as connection:
            done = run(connection, migrations())
    except (MigrationError, psycopg.Error) as error:
        log.error("migration failed", extra={"fields": {"reason": str(error).strip()}})
        return 1
    log.info("schema is up to date", extra={"fields": {"version": LATEST, "applied": len(done)}})
    return 0


if __name__ == "__main__":
    sys.exit(main())
