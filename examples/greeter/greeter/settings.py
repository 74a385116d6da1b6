"""What the service is told by its environment, checked before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class SettingsError(Exception):
    """The environment lacks something, or holds something that cannot be used."""


@dataclass(frozen=True)
class Settings:
    greeting: str  # a secret: it is said to who asks, and to no log
    readiness_delay: float = 10.0  # seconds
    fail_rate: float = 0.0  # of /work: 0 never, 1 always
    work: int = 20_000  # rounds of hashing that one /work costs: some ten milliseconds of CPU
    host: str = "0.0.0.0"  # noqa: S104 - a pod answers on its own address only
    port: int = 8000


def load(environ: Mapping[str, str]) -> Settings:
    """Settings from the environment. Raises SettingsError that names every variable that is missing or wrong."""
    wrong: list[str] = []

    def number(variable: str, default: float, most: float) -> float:
        text = environ.get(variable) or str(default)
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= most:
            wrong.append(f"{variable} is {text!r}, and must be a number from 0 to {most:g}")
        return value

    if not environ.get("GREETING"):
        wrong.append("GREETING is not set")
    settings = Settings(
        greeting=environ.get("GREETING", ""),
        readiness_delay=number("READINESS_DELAY_SEC", 10, 3600),
        fail_rate=number("FAIL_RATE", 0, 1),
        work=int(number("WORK_ROUNDS", 20_000, 10_000_000)),
        host=environ.get("POD_IP") or Settings.host,
        port=int(number("PORT", 8000, 65535)),
    )
    if wrong:
        raise SettingsError("; ".join(wrong))
    return settings
