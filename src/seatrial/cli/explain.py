"""`seatrial render --explain KEY`: a value of the app or of one of its objects, where it came from, and what it was before.

A key is one of the app file (`services.api.size`), or names a value of an object (`Deployment/api:spec.replicas`); how objects
are looked at is in `explain_objects`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import click

from seatrial.app import App, ResolvedApp, resolve
from seatrial.app.parts import Call, Part
from seatrial.app.problems import did_you_mean
from seatrial.app.resolve import Origin, chain
from seatrial.app.shape import keys_at, part_at

#: The parts of an app that keys begin with.
ROOTS = ("app", "team", "version", "namespace", "services", "stores", "platform", "sizes", "environments")
#: Keys whose numbers are seconds.
SECONDS = ("startup", "drain", "grace", "timeout", "pause", "latency")
#: Keys whose whole numbers are percentages.
SHARES = ("heap", "cpu", "memory")
#: A value that is longer does not push the sources of all others to the right.
WIDE = 60

Path = tuple[str, ...]


def explain(app: App, environment: str, key: str) -> str:
    """A line for each value that `key` names (`services.api.size`, `services.api.*`). Raises click.UsageError."""
    if "/" in key.partition(":")[0].partition(".")[0]:
        from seatrial.cli.explain_objects import explain_object

        return explain_object(app, environment, key)
    resolved = resolve(app, environment)
    steps = [step for step in key.split(".") if step]
    if not steps or steps[0] not in ROOTS:
        hint = did_you_mean(key.partition(".")[0], list(ROOTS), "keys begin with")
        raise click.UsageError(f"there is no `{key}` to explain; {hint}, or name an object: Deployment/api:spec.replicas")
    rows = [row for path, value in _values(app, resolved, steps) for row in _rows(app, resolved, path, value)]
    if not rows:
        return _unset(app, resolved, steps)
    width = max((len(what) for what, _ in rows if len(what) <= WIDE), default=0)
    return "".join(f"{what:<{width}}  {why}".rstrip() + "\n" for what, why in rows)


def _root(app: App, resolved: ResolvedApp, name: str) -> Any:
    """What keys below a root are read from: the app as it is in the environment, or what the file says of environments."""
    if name == "app":
        return resolved.name
    return getattr(app if name == "environments" else resolved, name)


def _values(app: App, resolved: ResolvedApp, steps: list[str]) -> Iterator[tuple[Path, Any]]:
    """The values at a key; `*` is every key there, and a map or a list of maps is told key by key."""
    found: list[tuple[Path, Any]] = [((steps[0],), _root(app, resolved, steps[0]))]
    for step in steps[1:]:
        found = [((*path, name), value) for path, part in found for name, value in _children(part) if step in ("*", name)]
    for path, value in found:
        yield from _leaves(path, value)


def _children(part: Any) -> list[tuple[str, Any]]:
    """The keys of a map with their values, the numbers of a list of maps with its items; of anything else nothing."""
    if isinstance(part, tuple):
        maps = all(isinstance(item, Part) and not isinstance(item, Call) for item in part)
        return [(str(number), item) for number, item in enumerate(part)] if maps else []
    if isinstance(part, (str, int, float, Call)) or part is None:
        return []
    if hasattr(part, "items"):
        return [(str(name), value) for name, value in part.items()]
    return [(name, getattr(part, name)) for name in type(part).model_fields]


def _leaves(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    children = _children(value)
    if not children and value not in (None, {}, ""):
        yield path, value
    for name, inner in children:
        yield from _leaves((*path, name), inner)


def _unset(app: App, resolved: ResolvedApp, steps: list[str]) -> str:
    """What is said of a key that has no value here: that it is not set and what it is for, or that there is no such key."""
    part: Any = _root(app, resolved, steps[0])
    for index, step in enumerate(steps[1:], 1):
        children = dict(_children(part))
        known = list(children) or keys_at(tuple(steps[:index]))
        if step not in (*known, "*"):
            above = ".".join(steps[:index])
            hint = did_you_mean(step, known, f"`{above}` has")
            raise click.UsageError(f"{app.app} has no `{'.'.join(steps)}` in {resolved.environment}; {hint}")
        part = children.get(step)
    about = _about(tuple(steps))
    return f"{'.'.join(steps)} is not set in {resolved.environment}{f': {about}' if about else ''}\n"


def _about(path: Path) -> str:
    """The documentation of a key."""
    model = part_at(path[:-1]) if len(path) > 1 else None
    field = model.model_fields.get(path[-1]) if model else None
    return " ".join((field.description or "").split()) if field else ""


def _rows(app: App, resolved: ResolvedApp, path: Path, value: Any) -> Iterator[tuple[str, str]]:
    """The value as it is, then what other layers said, the nearest first."""
    if path[0] in ("environments", "app", "team", "version"):
        mark = app.mark(path)
        yield f"{'.'.join(path)} = {text(path, value)}", f"{app.file}:{mark.line}"
        return
    origin = _origin(resolved, path)
    yield f"{'.'.join(path)} = {text(path, value)}", _told(app, resolved, origin, path)
    if origin is None or not origin.line:
        return
    for name, layer in [*_below(app, resolved)]:
        said = _at(layer, path)
        if said is not None and said != value and ".".join((*name, *path)) != origin.layer:
            mark = app.mark((*name, *path))
            yield f"    was {text(path, said)}", f"{app.file}:{mark.line} ({'.'.join((*name, *path))})"


def _below(app: App, resolved: ResolvedApp) -> Iterator[tuple[Path, Any]]:
    for environment in reversed(chain(app, resolved.environment)):
        if environment in app.environments:
            yield ("environments", environment), app.environments[environment]
    yield (), app


def _at(part: Any, path: Path) -> Any:
    for step in path:
        part = dict(_children(part)).get(step)
        if part is None:
            return None
    return part


def _origin(resolved: ResolvedApp, path: Path) -> Origin | None:
    """Where a value came from, or the map it came with."""
    for length in range(len(path), 0 if path[0] == "namespace" else 1, -1):
        found = resolved.origin(path[:length])
        if found:
            return found
    return None


def _told(app: App, resolved: ResolvedApp, origin: Origin | None, path: Path) -> str:
    if path[0] == "services" and path[2:] == ("replicas",) and resolved.services[path[1]].scale:
        return "the least of its `scale`"
    if origin is not None and origin.line:
        layer = re.sub(r"^(environments\.[^.]+)\.expose\.host$", r"\1.domain", origin.layer)  # which changes hosts
        return f"{app.file}:{origin.line} ({layer})"
    if path[0] == "sizes":
        said = app.sizes.get(path[1])
        return f"{app.file}:{app.mark(path).line}" if said else "a size that every app has"
    about = _about(path)
    if origin is None:
        return "worked out from the rest" + (f": {about}" if about else "")
    return f"{origin.layer}: {about}" if about else origin.layer


def text(path: Path, value: Any) -> str:
    """A value as the file writes it."""
    if isinstance(value, tuple):
        return ", ".join(text(path, item) for item in value)
    if hasattr(value, "name") and hasattr(value, "url"):
        return str(value.name or value.url)
    if isinstance(value, bool):
        return str(value).lower()
    if path[-1] in SECONDS and isinstance(value, (int, float)):
        return f"{value:g}s"
    if path[-1] in SHARES and isinstance(value, int):
        return f"{value}%"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
