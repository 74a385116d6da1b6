"""`seatrial render --explain KEY`: a value of the app in an environment, where it came from, and what it was before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from seatrial.app import App, ResolvedApp, resolve
from seatrial.app.problems import did_you_mean
from seatrial.app.resolve import Origin, chain

#: The parts of an app that keys begin with.
ROOTS = ("services", "stores", "platform", "sizes")


def explain(app: App, environment: str, key: str) -> str:
    """A line for each value that `key` names (`services.api.size`, `services.api.*`). Raises click.UsageError."""
    resolved = resolve(app, environment)
    steps = key.split(".")
    if steps[0] not in ROOTS:
        hint = did_you_mean(steps[0], list(ROOTS), "keys begin with")
        raise click.UsageError(f"there is no `{steps[0]}` to explain; {hint}")
    rows = [row for path, value in _values(resolved, steps) for row in _rows(app, resolved, path, value)]
    if not rows:
        raise click.UsageError(f"{app.app} has no `{key}` in {environment}")
    width = max(len(what) for what, _ in rows)
    return "".join(f"{what:<{width}}  {why}\n" for what, why in rows)


def _values(resolved: ResolvedApp, steps: list[str]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values at a key; `*` is every key there, and a map is told key by key."""
    found: list[tuple[tuple[str, ...], Any]] = [((steps[0],), getattr(resolved, steps[0]))]
    for step in steps[1:]:
        found = [((*path, name), value) for path, part in found for name, value in _children(part) if step in ("*", name)]
    for path, value in found:
        yield from _leaves(path, value)


def _children(part: Any) -> list[tuple[str, Any]]:
    if isinstance(part, (str, int, float, tuple)) or part is None:
        return []
    if hasattr(part, "items"):
        return [(str(name), value) for name, value in part.items()]
    return [(name, getattr(part, name)) for name in type(part).model_fields]


def _leaves(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    children = _children(value)
    if not children and value is not None and value != {}:
        yield path, value
    for name, inner in children:
        yield from _leaves((*path, name), inner)


def _rows(app: App, resolved: ResolvedApp, path: tuple[str, ...], value: Any) -> Iterator[tuple[str, str]]:
    """The value as it is, then what other layers said, the nearest first."""
    origin = _origin(resolved, path)
    yield f"{'.'.join(path)} = {_text(value)}", _told(app, origin)
    if origin is None or origin.layer == "default":
        return
    for name, layer in [*_below(app, resolved)]:
        said = _at(layer, path)
        if said is not None and said != value:
            mark = app.mark((*name, *path))
            yield f"    was {_text(said)}", f"{app.file}:{mark.line} ({'.'.join((*name, *path))})"


def _below(app: App, resolved: ResolvedApp) -> Iterator[tuple[tuple[str, ...], Any]]:
    for environment in reversed(chain(app, resolved.environment)):
        if environment in app.environments:
            yield ("environments", environment), app.environments[environment]
    yield (), app


def _at(part: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        part = dict(_children(part)).get(step)
        if part is None:
            return None
    return part


def _origin(resolved: ResolvedApp, path: tuple[str, ...]) -> Origin | None:
    """Where a value came from, or the map it came with."""
    for length in range(len(path), 1, -1):
        found = resolved.origin(path[:length])
        if found:
            return found
    return None


def _told(app: App, origin: Origin | None) -> str:
    if origin is None:
        return "worked out from the rest"
    return f"{app.file}:{origin.line} ({origin.layer})" if origin.line else origin.layer


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_text, value))
    if hasattr(value, "name") and hasattr(value, "url"):
        return str(value.name or value.url)
    return str(value)
