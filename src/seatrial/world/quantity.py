"""Kubernetes quantities: `250m`, `1.5Gi`, `2e3`, as exact numbers, and back into the canonical form.

The grammar and the canonical form are those of apimachinery's pkg/api/resource/quantity.go.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import ceil

from seatrial.world.patterns import pattern

BINARY = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50, "Ei": 1 << 60}
DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_QUANTITY = pattern(r"([+-]?(?:\d+\.?\d*|\.\d+))([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+|)")

#: What Kubernetes says of a text that is no quantity.
FORMAT_ERROR = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


@lru_cache(maxsize=4096)
def parse(text: str | int | float) -> Fraction:
    """The exact value of a quantity. Raises ValueError with Kubernetes' words when it is none."""
    found = _QUANTITY.fullmatch(str(text).strip())
    if found is None:
        raise ValueError(FORMAT_ERROR)
    number, suffix = Fraction(found[1]), found[2]
    if suffix in BINARY:
        return number * BINARY[suffix]
    if suffix in DECIMAL:
        return number * Fraction(10) ** DECIMAL[suffix]
    return number * Fraction(10) ** int(suffix[1:])


def millis(text: str | int | float) -> int:
    """Thousandths, rounded up: millicores for CPU."""
    return ceil(parse(text) * 1000)


def whole(text: str | int | float) -> int:
    """The value rounded up to a whole number: bytes for memory, items for counts."""
    return ceil(parse(text))


def canonical(text: str | int | float) -> str:
    """The form the API server stores: no fraction, the largest suffix of the family it was written in."""
    text = str(text).strip()
    value = parse(text)
    suffix = _QUANTITY.fullmatch(text)[2]  # type: ignore[index]
    if value == 0:
        return "0"
    if suffix in BINARY and value.denominator == 1 and abs(value) >= 1024:
        for unit, size in sorted(BINARY.items(), key=lambda pair: -pair[1]):
            if value % size == 0:
                return f"{value / size}{unit}"
        return str(value)
    if suffix[:1] in ("e", "E") and suffix != "E":
        return _exponent(value)
    for unit, power in sorted(DECIMAL.items(), key=lambda pair: -pair[1]):
        scaled = value / Fraction(10) ** power
        if scaled.denominator == 1:
            return f"{scaled}{unit}"
    return f"{ceil(value * 10**9)}n"


def _exponent(value: Fraction) -> str:
    power = 0
    while value % 1000 == 0:
        value, power = value / 1000, power + 3
    while value.denominator != 1:
        value, power = value * 1000, power - 3
    return f"{value}e{power}" if power else str(value)


def add(first: str, second: str) -> str:
    """The sum in its canonical form, in the family (binary or decimal) of the first that is not zero."""
    return render(parse(first) + parse(second), _is_binary(first if parse(first) else second))


def subtract(first: str, second: str) -> str:
    return render(parse(first) - parse(second), _is_binary(first if parse(first) else second))


def _is_binary(text: str | int | float) -> bool:
    return str(text).strip()[-2:] in BINARY


def render(value: Fraction, binary: bool) -> str:
    """The canonical text of an exact value, with binary suffixes where asked and possible."""
    if binary and value.denominator == 1 and abs(value) >= 1024:
        return canonical(f"{value / 1024}Ki") if value % 1024 == 0 else str(value)
    for unit, power in sorted(DECIMAL.items(), key=lambda pair: -pair[1]):
        scaled = value / Fraction(10) ** power
        if scaled.denominator == 1 and (value or not power):
            return f"{scaled}{unit}"
    return f"{ceil(value * 10**9)}n"


def render_bytes(size: int) -> str:
    """A number of bytes with the largest binary suffix that keeps it whole."""
    for unit, factor in sorted(BINARY.items(), key=lambda pair: -pair[1]):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def render_millis(value: int) -> str:
    """A number of millicores, as `250m` or `2`."""
    return str(value // 1000) if value % 1000 == 0 else f"{value}m"
