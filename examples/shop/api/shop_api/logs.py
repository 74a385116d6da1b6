"""Logs as one JSON object a line, with the request they belong to and without the secrets of the service."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from contextvars import ContextVar
from datetime import UTC, datetime

#: The id of the request that is being answered; it is in every line that is logged meanwhile.
request_id: ContextVar[str] = ContextVar("request_id", default="")

MASK = "***"


class JsonFormatter(logging.Formatter):
    """Fields of a line: time, level, logger, message, request_id, error, and those given as `extra={"fields": {…}}`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = sorted(set(secrets), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "time": when.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._masked(record.getMessage()),
        }
        if request_id.get():
            line["request_id"] = request_id.get()
        for name, value in getattr(record, "fields", {}).items():
            line[name] = self._masked(value) if isinstance(value, str) else value
        if record.exc_info:
            line["error"] = self._masked(self.formatException(record.exc_info))
        return json.dumps(line, default=lambda value: self._masked(str(value)), ensure_ascii=False)

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text


def configure(level: str = "INFO", secrets: Iterable[str] = ()) -> None:
    """Send everything that is logged to standard output. An unknown level counts as INFO."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(secrets))
    known = logging.getLevelNamesMapping()
    logging.basicConfig(level=known.get(level, logging.INFO), handlers=[handler], force=True)
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # the pool retries by itself; /ready says that it has to
