"""What columns are made of: definitions, ages, and the small formats that many kinds share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.twin.clock import seconds_of
from seatrial.world import duration
from seatrial.world.objects import Obj, dig

NONE, UNSET, UNKNOWN = "<none>", "<unset>", "<unknown>"
WIDE = 1

Cell = Callable[[Obj, float], Any]


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    cell: Cell
    type: str = "string"
    priority: int = 0
    format: str = ""
    description: str = ""

    def definition(self) -> Obj:
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


def column(title: str, read: Callable[[Obj], Any], type_: str = "string", priority: int = 0) -> Column:
    """A column that does not depend on the time."""
    return Column(title, lambda obj, now: read(obj), type_, priority)


def at(title: str, path: str, default: Any = "", type_: str = "string", priority: int = 0) -> Column:
    """A column that shows what stands at a dotted path."""
    return Column(title, lambda obj, now: dig(obj, path, default), type_, priority)


def name() -> Column:
    return Column("Name", lambda obj, now: obj["metadata"]["name"], format="name")


def age(title: str = "Age") -> Column:
    return Column(title, lambda obj, now: since(obj["metadata"].get("creationTimestamp"), now))


def created() -> Column:
    return Column("Created At", lambda obj, now: obj["metadata"].get("creationTimestamp") or UNKNOWN, "date")


def since(stamp: str | None, now: float, default: str = UNKNOWN) -> str:
    """How long ago a time was, as kubectl prints it."""
    return duration.render(now - seconds_of(stamp)) if stamp else default


def labels(pairs: Mapping[str, str] | None) -> str:
    """`a=1,b=2`, in the order of keys."""
    return ",".join(f"{key}={value}" for key, value in sorted((pairs or {}).items())) or NONE


def selector(label_selector: Mapping[str, Any] | None) -> str:
    """A LabelSelector as metav1.FormatLabelSelector writes it."""
    from seatrial.twin.registry.scaling import selector_text

    return (selector_text(label_selector) if label_selector is not None else "") or NONE


def some(items: Sequence[str], most: int, join: str = ",") -> str:
    """The first few, and how many more."""
    if len(items) > most:
        return f"{join.join(items[:most])} + {len(items) - most} more..."
    return join.join(items) or NONE


def condition(obj: Obj, type_: str) -> Obj | None:
    for found in dig(obj, "status.conditions") or ():
        if found.get("type") == type_:
            return dict(found)
    return None


def is_true(obj: Obj, type_: str) -> bool:
    found = condition(obj, type_)
    return found is not None and found.get("status") == "True"


def containers(pod_spec: str) -> tuple[Column, Column]:
    """The wide columns that name a pod template's containers and images."""

    def joined(key: str) -> Callable[[Obj], str]:
        return lambda obj: ",".join(container.get(key, "") for container in dig(obj, f"{pod_spec}.containers") or ())

    return column("Containers", joined("name"), priority=WIDE), column("Images", joined("image"), priority=WIDE)
