"""Which lines of the app file a value of an object comes from, found by trying: a key without which the value is another one.

The app is rendered again without each key that could matter, or with the key changed a little.  No table can fall behind the
renderers that way.  Why something is there that no line asks for is in `reasons`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from seatrial.app.document import Path_
from seatrial.app.model import App
from seatrial.app.resolve import DEV, chain, resolve
from seatrial.render import needed, render
from seatrial.world.objects import Obj, labels_of

#: Finds the value in a list of objects; None where there is none.
Look = Callable[[list[Obj]], Any]


def objects_of(app: App, environment: str) -> list[Obj]:
    """All objects of the app, with values made up for its secrets."""
    resolved = resolve(app, environment)
    return render(resolved, secrets={name: dict.fromkeys(keys, "…") for name, keys in needed(resolved).items()})


def sources(app: App, environment: str, obj: Obj, look: Look, steps: Sequence[str] = ()) -> list[Path_]:
    """The keys of the file that the value depends on in this environment, those of environments first; none where it is always
    the same in such an object.

    `obj` is the object it is in, `steps` the names on the way to it. The work grows with the number of keys that can matter to
    it, and each costs one rendering of a part of the app.
    """
    data: dict[str, Any] = app.data
    part = _around(data, labels_of(obj).get("app.kubernetes.io/name", ""))
    now = look(_rendered(data, environment))
    if look(_rendered(part, environment)) != now:  # something of the whole app: a quota
        part = data
    names = chain(app, environment)
    effects = {path: _effect(part, path, environment, names, look, now) for path in _leaves(part, ())}
    found = [path for path, effect in effects.items() if effect == "changed"]
    own = [path for path, effect in effects.items() if effect == "gone" and _asks_for(part, path, steps)]
    order: list[Path_] = [("environments", name) for name in reversed(names)]
    return sorted(found or own, key=lambda path: order.index(path[:2]) if path[:2] in order else len(order))


def _asks_for(data: dict[str, Any], path: Path_, steps: Sequence[str]) -> bool:
    """Whether a key, or what it lists, has the name of a step."""
    names = {step.strip("[]") for step in steps}
    value: Any = data
    for step in path:
        value = value[step]
    listed = value if isinstance(value, list) else []
    return path[-1] in names or any(isinstance(item, str) and item in names for item in listed)


def _rendered(data: Mapping[str, Any], environment: str) -> list[Obj]:
    try:
        return objects_of(App.model_validate(data), environment)
    except (ValidationError, ValueError, KeyError, AttributeError, TypeError, AssertionError):
        return []  # without that key it is no app: then it is changed instead


def _around(data: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """The app with one service or store, what it calls and who calls it."""
    if not owner:
        return dict(data)
    services = {name: part for name, part in data["services"].items() if isinstance(part, dict)}
    own = {call for call in services.get(owner, {}).get("calls") or () if isinstance(call, str)}
    near = {owner, *own, *(name for name, part in services.items() if owner in (part.get("calls") or ()))}
    kept: dict[str, Any] = {}
    for name in near & services.keys():
        calls = services[name].get("calls")
        kept[name] = services[name] if not calls else {**services[name], "calls": [call for call in calls if _stays(call, near)]}
    stores = {name: part for name, part in (data.get("stores") or {}).items() if name in near}
    return {**data, "services": {name: kept[name] for name in services if name in kept}, "stores": stores} | (
        {"environments": _trimmed(data["environments"], near)} if data.get("environments") else {}
    )


def _stays(call: Any, near: set[str]) -> bool:
    return not isinstance(call, str) or "://" in call or call in near


def _trimmed(environments: Mapping[str, Any], near: set[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, part in environments.items():
        own = dict(part or {})
        for kind in ("services", "stores"):
            if own.get(kind):
                own[kind] = {key: value for key, value in own[kind].items() if key in near}
        found[name] = own
    return found


def _leaves(data: Any, at: Path_) -> Iterator[Path_]:
    """The paths of what is written: values, and lists as a whole."""
    if isinstance(data, dict) and data:
        for key, value in data.items():
            yield from _leaves(value, (*at, key))
    elif at:
        yield at


def _effect(data: dict[str, Any], path: Path_, environment: str, names: list[str], look: Look, now: Any) -> str:
    """What becomes of the value without a key: `changed`, `gone`, or "" where it stays."""
    if path[0] == "environments" and path[1] not in (*names, DEV):
        return ""
    effect = ""
    for changed in _changes(data, path):
        objects = _rendered(changed, environment)
        value = look(objects) if objects else now
        if value not in (now, None):
            return "changed"
        effect = effect or ("gone" if value is None else "")
    return effect


def _changes(data: dict[str, Any], path: Path_) -> Iterator[dict[str, Any]]:
    """The app without a key, and with another value there."""
    yield _with(data, path, None, gone=True)
    value = data
    for step in path:
        value = value[step]  # type: ignore[index]
    for other in _others(value):
        yield _with(data, path, other)


def _others(value: Any) -> Iterator[Any]:
    """Values of the same form."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield int(value) + 1
    elif isinstance(value, str):
        if digits := re.search(r"[0-9]+(?!.*[0-9])", value):
            yield f"{value[: digits.start()]}{int(digits[0]) + 1}{value[digits.end() :]}"
        yield f"{value}x"
        yield from ("small", "none")
    elif isinstance(value, list) and len(value) > 1:
        yield value[:-1]


def _with(data: Any, path: Path_, value: Any, gone: bool = False) -> Any:
    first, *rest = path
    if rest:
        return {**data, first: _with(data[first], tuple(rest), value, gone)}
    kept = {key: child for key, child in data.items() if key != first}
    return kept if gone else {**data, first: value}
