"""Durations as people write them (`90s`, `1m30s`, `2h`) and seconds."""

from __future__ import annotations

from seatrial.world.patterns import pattern

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = pattern(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse(text: str | int | float) -> float:
    """Seconds. A bare number is seconds already. Raises ValueError when the text is no duration."""
    if isinstance(text, (int, float)):
        return float(text)
    total, position = 0.0, 0
    for part in _PART.finditer(text):
        if part.start() != position:
            break
        total, position = total + float(part[1]) * _UNITS[part[2]], part.end()
    if position != len(text) or not text:
        raise ValueError(f"{text!r} is not a duration; write it as 30s, 5m, 1h30m")
    return total


def render(seconds: float) -> str:
    """The way kubectl prints an age: `8s`, `3m20s`, `75m`, `5h`, `2d4h` (apimachinery, util/duration)."""
    whole = int(seconds)
    if whole < 0:
        return "<invalid>" if whole < -1 else "0s"
    if whole < 120:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 10:
        return f"{minutes}m{rest}s" if rest else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    hours, rest = divmod(minutes, 60)
    if hours < 8:
        return f"{hours}h{rest}m" if rest else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    days, rest = divmod(hours, 24)
    if days < 8:
        return f"{days}d{rest}h" if rest else f"{days}d"
    if days < 730:
        return f"{days}d"
    years, rest = divmod(days, 365)
    return f"{years}y{rest}d" if years < 8 and rest else f"{years}y"
