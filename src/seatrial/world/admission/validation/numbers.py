"""Numbers or percentages, as in maxSurge and minAvailable (pkg/apis/apps/validation/validation.go)."""

from __future__ import annotations

from seatrial.world.admission.causes import NEGATIVE, Causes
from seatrial.world.admission.validation import names

IntOrString = int | str


def int_or_percent(value: IntOrString | None, field: str, causes: Causes) -> None:
    """Not negative, or a percentage."""
    if isinstance(value, str):
        causes.each(field, value, names.percent(value))
    elif value is not None and value < 0:
        causes.invalid(field, value, NEGATIVE)


def at_most_all(value: IntOrString | None, field: str, causes: Causes) -> None:
    if isinstance(value, str) and amount(value) > 100 and not names.percent(value):
        causes.invalid(field, value, "must not be greater than 100%")


def amount(value: IntOrString | None) -> int:
    """The number in front of the `%`, or the number itself; 0 for what cannot be read."""
    if isinstance(value, str):
        return int(value[:-1]) if not names.percent(value) else 0
    return value or 0
