"""The shop's settings, its migrations and its nightly report: the parts that decide, without a database."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import psycopg
import pytest
from shop_api import migrate, report, settings
from shop_api.migrate import Migration, MigrationError

ENVIRONMENT = {
    "DB_URL": "postgresql://shop:p%40ss@db:5432/shop",
    "CACHE_URL": "redis://:word@cache:6379/0",
    "PAYMENTS_KEY": "key",
}


def test_the_environment_is_read_with_its_defaults() -> None:
    found = settings.load({**ENVIRONMENT, "POD_IP": "127.97.0.3", "LOG_LEVEL": "debug", "READY_TIMEOUT": "0.5"})
    assert (found.host, found.port, found.log_level, found.ready_timeout) == ("127.97.0.3", 3000, "DEBUG", 0.5)


def test_everything_wrong_with_the_environment_is_said_at_once() -> None:
    with pytest.raises(settings.SettingsError) as error:
        settings.load({"PORT": "many", "CACHE_URL": "redis://cache"})
    assert str(error.value) == "DB_URL is not set; PAYMENTS_KEY is not set; PORT is 'many', which is no number"


def test_passwords_are_secrets_as_written_and_as_meant() -> None:
    assert set(settings.load(ENVIRONMENT).secrets()) == {"key", "p%40ss", "p@ss", "word"}


def first(text: str = "CREATE TABLE a ()") -> Migration:
    return Migration(1, "a", text)


SECOND = Migration(2, "b", "CREATE TABLE b ()")


def test_only_what_has_not_been_applied_is_pending() -> None:
    assert migrate.pending([first(), SECOND], {}) == [first(), SECOND]
    assert migrate.pending([first(), SECOND], {1: first().checksum}) == [SECOND]
    assert migrate.pending([first(), SECOND], {1: first().checksum, 2: SECOND.checksum}) == []


def test_an_applied_migration_that_was_edited_is_refused() -> None:
    with pytest.raises(MigrationError, match=r"migration 1 \(a\) was changed"):
        migrate.pending([first("CREATE TABLE a (x int)")], {1: first().checksum})


def test_a_rolled_back_release_accepts_the_schema_of_the_newer_one() -> None:
    assert migrate.pending([first()], {1: first().checksum, 2: SECOND.checksum}) == []


def test_migrations_are_numbered_without_gaps(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("SELECT 1")
    (tmp_path / "0003_c.sql").write_text("SELECT 1")
    with pytest.raises(MigrationError, match=r"\[1, 3\]"):
        migrate.migrations(tmp_path)


def test_the_shipped_migrations_are_in_order() -> None:
    shipped = migrate.migrations()
    assert [migration.name for migration in shipped] == ["products", "orders"]
    assert shipped[0].checksum == hashlib.sha256(shipped[0].sql.encode()).hexdigest()
    assert shipped[-1].version == migrate.LATEST


def test_pauses_double_up_to_five_seconds_and_end_with_the_timeout() -> None:
    pauses = list(migrate.waits(20.0))
    assert pauses[:5] == [0.2, 0.4, 0.8, 1.6, 3.2]
    assert max(pauses) == 5.0
    assert sum(pauses) == pytest.approx(20.0)


def test_a_database_that_is_still_starting_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[object] = [psycopg.OperationalError("refused"), psycopg.OperationalError("starting up"), "connection"]
    slept: list[float] = []

    def connect(*args: object, **options: object) -> object:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(psycopg, "connect", connect)
    assert migrate.connect("postgresql://db", 10.0, slept.append) == "connection"
    assert slept == [0.2, 0.4]


def test_a_database_that_never_comes_is_given_up_with_the_last_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*args: object, **options: object) -> object:
        raise psycopg.OperationalError("no such host\n")

    monkeypatch.setattr(psycopg, "connect", connect)
    with pytest.raises(MigrationError, match=r"within 3 s: no such host$"):
        migrate.connect("postgresql://db", 3.0, lambda seconds: None)


def test_a_job_without_its_database_says_so_and_ends_with_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DB_URL", raising=False)
    assert (migrate.main(), report.main()) == (2, 2)
    assert capsys.readouterr().err == "shop_api.migrate: DB_URL is not set\nshop_api.report: DB_URL is not set\n"


def test_the_report_is_about_the_whole_of_yesterday_in_utc() -> None:
    just_after_midnight_in_tokyo = datetime(2026, 3, 2, 0, 30, tzinfo=timezone(timedelta(hours=9)))
    since, until = report.day_before(just_after_midnight_in_tokyo)
    assert (since, until) == (datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))


def test_the_report_is_one_json_object_with_a_total_and_the_best_products() -> None:
    rows = [{"sku": None, "quantity": 21, "revenue": 2100, "orders": 4}]
    rows += [{"sku": f"p{n}", "quantity": n, "revenue": 100 * n, "orders": n} for n in (6, 5, 4, 3, 2, 1)]
    told = report.summary(datetime(2026, 2, 28, tzinfo=UTC), rows)
    assert json.loads(json.dumps(told)) == told
    assert (told["day"], told["orders"], told["pieces"], told["revenue"]) == ("2026-02-28", 4, 21, 2100)
    assert [line["sku"] for line in told["best"]] == ["p6", "p5", "p4", "p3", "p2"]


def test_a_day_without_orders_is_a_report_of_zeros() -> None:
    rows = [{"sku": None, "quantity": None, "revenue": None, "orders": 0}]
    told = report.summary(datetime(2026, 2, 28, tzinfo=UTC), rows)
    assert (told["orders"], told["pieces"], told["revenue"], told["best"]) == (0, 0, 0, [])
