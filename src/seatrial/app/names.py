"""Names in an app file that mean nothing, and pairs of keys that exclude one another where they stand.

This reads plain data of any shape, so that a call to nowhere is told in the same run as a misspelt key elsewhere.  What was
meant, where there is no doubt, comes with each mistake: `mending` goes on with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from seatrial.app.document import Path_, text_of
from seatrial.app.problems import did_you_mean, surely
from seatrial.app.reads import kind_of
from seatrial.app.resolve import DEV, SIZES


class Misnamed(NamedTuple):
    """A name that means nothing: where, what, what to do. `meant` is the name it should be, "" where nobody knows; with
    `key` the name is the key at the end of the path, and without `meant` the entry is left out."""

    path: Path_
    message: str
    hint: str = ""
    meant: str = ""
    key: bool = False


def names(data: Any, unknown: Collection[Path_] = ()) -> Iterator[Misnamed]:
    """Every name that means nothing. The data may be of any shape; `unknown` says of which parts nobody knows what is in them."""
    yield from _doubled(data)
    whole = all(isinstance(data.get(kind), dict | None) and (kind,) not in unknown for kind in ("services", "stores"))
    yield from _calls(data, whole)
    yield from _environments(data)
    yield from _sizes(data, isinstance(data.get("sizes"), dict | None) and ("sizes",) not in unknown)
    yield from _ranges(data)


def _map(data: Any, *path: str) -> dict[str, Any]:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def _layers(data: Any, kind: str) -> Iterator[tuple[Path_, str, dict[str, Any]]]:
    """Every map that speaks of a service (or store): its path, the name, the map."""
    for name, part in _map(data, kind).items():
        yield (kind, name), name, part if isinstance(part, dict) else {}
    for environment in _map(data, "environments"):
        for name, part in _map(data, "environments", environment, kind).items():
            yield ("environments", environment, kind, name), name, part if isinstance(part, dict) else {}


def _doubled(data: Any) -> Iterator[Misnamed]:
    for name in _map(data, "stores").keys() & _map(data, "services").keys():
        message = f"`{name}` is already a service; a name is used once, for it becomes a host name"
        yield Misnamed(("stores", name), message, "call the store otherwise, and so where it is called", key=True)


def _calls(data: Any, whole: bool) -> Iterator[Misnamed]:
    known = [*_map(data, "services"), *_map(data, "stores")]
    for path, caller, part in _layers(data, "services"):
        calls = part.get("calls")
        for index, call in enumerate(calls if isinstance(calls, list) else ()):
            yield from _call((*path, "calls", index), caller, call, known, whole)


def _call(where: Path_, caller: str, call: Any, known: list[str], whole: bool) -> Iterator[Misnamed]:
    if isinstance(call, dict) and set(call) == {"name"} and "://" not in str(call["name"]):
        call = call["name"]  # the long form, without a URL
    if call == caller:
        yield Misnamed(where, f"`{caller}` calls itself", "a process reaches itself without the network")
    elif isinstance(call, str) and whole and "://" not in call and call not in known:
        others = [name for name in known if name != caller]
        hint = did_you_mean(call, others, "to call") if others else "there is no other service or store in this file"
        yield Misnamed(where, f"`{caller}` calls `{call}`, which is no service or store", hint, surely(call, others))
    elif isinstance(call, dict) and set(call) & set(known):
        name = next(iter(set(call) & set(known)))
        message = f"`{name}` is a service or store of this app and cannot be a URL as well"
        yield Misnamed(where, message, "give the URL another name")


def _environments(data: Any) -> Iterator[Misnamed]:
    known = list(dict.fromkeys([DEV, *_map(data, "environments")]))
    for name in _map(data, "environments"):
        path: Path_ = ("environments", name)
        base = _map(data, *map(str, path)).get("extends")
        if isinstance(base, str) and base not in known:
            others = [other for other in known if other != name]
            hint = did_you_mean(base, others, "environments")
            yield Misnamed((*path, "extends"), f"`{name}` extends `{base}`, which is no environment", hint, surely(base, others))
        circle = _circle(data, name)
        if circle:
            message = f"environments extend one another in a circle: {' → '.join(circle)}"
            yield Misnamed((*path, "extends"), message, "one of them must extend nothing")
        for kind in ("services", "stores"):
            if not isinstance(data.get(kind), dict | None):
                continue
            there, changed = list(_map(data, kind)), _map(data, *map(str, path), kind)
            for part in changed.keys() - set(there):
                hint = did_you_mean(part, there, kind)
                meant = surely(part, there)
                message = f"`{name}` changes `{part}`, which is no {kind[:-1]}"
                yield Misnamed((*path, kind, part), message, hint, "" if meant in changed else meant, key=True)


def _circle(data: Any, start: str) -> list[str]:
    """The circle that begins and ends at `start`, told by its first member alone."""
    passed = [start]
    while True:
        base = _map(data, "environments", passed[-1]).get("extends")
        if base == start:
            first = min(passed, key=list(_map(data, "environments")).index)
            return [*passed, start] if first == start else []
        if not isinstance(base, str) or base in passed:
            return []
        passed.append(base)


def _sizes(data: Any, whole: bool) -> Iterator[Misnamed]:
    known = list(dict.fromkeys([*SIZES, *_map(data, "sizes")]))
    places: list[tuple[Path_, Any]] = [(path, part) for kind in ("services", "stores") for path, _, part in _layers(data, kind)]
    places += [(("environments", name), part) for name, part in _map(data, "environments").items()]
    for path, part in places if whole else ():
        size = part.get("size") if isinstance(part, dict) else None
        if isinstance(size, str) and size not in known:
            hint = did_you_mean(size, known, "sizes")
            yield Misnamed((*path, "size"), f"there is no size `{size}`", hint, surely(size, known))


def _ranges(data: Any) -> Iterator[Misnamed]:
    for path, _, part in _layers(data, "services"):
        low, high = _map(part, "scale").get("min"), _map(part, "scale").get("max")
        if isinstance(low, int) and isinstance(high, int) and low > high:
            yield Misnamed(
                (*path, "scale", "min"), f"`min` is {low} and `max` {high}: min is more than max", "swap them, or raise `max`"
            )
        if part.get("replicas") is not None and part.get("scale") is not None:
            found = part["replicas"]
            said = text_of(found) if isinstance(found, int) else kind_of(found)
            message = f"`replicas` ({said}) fixes the number that `scale` moves: give one of them"
            yield Misnamed((*path, "replicas"), message, "take `replicas` away: `scale.min` is the least there is")
