"""What the service is told by its environment, read once and checked before anything starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit


class SettingsError(Exception):
    """The environment lacks something, or holds something that cannot be used."""


@dataclass(frozen=True)
class Settings:
    """All times are in seconds."""

    db_url: str
    cache_url: str = ""
    payments_key: str = ""
    host: str = "0.0.0.0"  # noqa: S104 - a pod answers on its own address only
    port: int = 3000
    log_level: str = "INFO"
    pod: str = ""
    db_pool_size: int = 5
    ready_timeout: float = 0.8  # below the one second that a probe waits
    shutdown_timeout: int = 20  # below the grace period of the pod
    migrate_timeout: float = 120.0

    def secrets(self) -> Iterator[str]:
        """The values that no log line may show."""
        if self.payments_key:
            yield self.payments_key
        for url in (self.db_url, self.cache_url):
            password = urlsplit(url).password
            if password:
                yield password
                yield unquote(password)


#: Setting -> the variable it comes from.
VARIABLES = {
    "db_url": "DB_URL",
    "cache_url": "CACHE_URL",
    "payments_key": "PAYMENTS_KEY",
    "host": "POD_IP",
    "port": "PORT",
    "log_level": "LOG_LEVEL",
    "pod": "HOSTNAME",
    "db_pool_size": "DB_POOL_SIZE",
    "ready_timeout": "READY_TIMEOUT",
    "shutdown_timeout": "SHUTDOWN_TIMEOUT",
    "migrate_timeout": "MIGRATE_TIMEOUT",
}

CONVERT: dict[str, Callable[[str], object]] = {
    "port": int,
    "db_pool_size": int,
    "ready_timeout": float,
    "shutdown_timeout": int,
    "migrate_timeout": float,
    "log_level": str.upper,
}


def load(environ: Mapping[str, str], required: tuple[str, ...] = ("db_url", "cache_url", "payments_key")) -> Settings:
    """Settings from the environment. Raises SettingsError that names every variable that is missing or wrong."""
    wrong = [f"{VARIABLES[name]} is not set" for name in required if not environ.get(VARIABLES[name])]
    values: dict[str, object] = {}
    for name, variable in VARIABLES.items():
        text = environ.get(variable)
        if not text:
            continue
        try:
            values[name] = CONVERT.get(name, str)(text)
        except ValueError:
            wrong.append(f"{variable} is {text!r}, which is no number")
    if wrong:
        raise SettingsError("; ".join(wrong))
    return Settings(**values)  # type: ignore[arg-type]
