"""Whether the parts of an app file fit together, in every environment as it will be.

The checks are in `fitting` (services, stores and the names they share), `production` (what the platform must have for them),
`clouds` (secrets and identities), `idle` (what nothing would read) and `collisions`.  Here they are asked, of every
environment, as far as the file was understood; what is wrong in several environments at one place is told once, with their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from seatrial.app import clouds, fitting, idle, production
from seatrial.app.collisions import collisions
from seatrial.app.document import Document, Mark, Path_
from seatrial.app.fitting import variable as variable
from seatrial.app.model import App
from seatrial.app.problems import Problem
from seatrial.app.resolve import ResolvedApp, chain, environments, resolve
from seatrial.app.unknown import UNKNOWN, UnknownMap, known, without
from seatrial.app.wrong import OfApp, OfService, OfStore, Wrong

OF_APP: tuple[OfApp, ...] = (*fitting.OF_APP, *production.OF_APP, *clouds.OF_APP, *idle.OF_APP, collisions)
OF_SERVICE: tuple[OfService, ...] = (*fitting.OF_SERVICE, *production.OF_SERVICE, *clouds.OF_SERVICE, *idle.OF_SERVICE)
OF_STORE: tuple[OfStore, ...] = (*fitting.OF_STORE, *production.OF_STORE, *clouds.OF_STORE, *idle.OF_STORE)

#: What is wrong at one place: mark, what it is about, hint, whether it is only odd, the rule that tells it too, of which part.
_Told = tuple[Mark, str, str, bool, str, str]


def together(app: App, found: Document) -> list[Problem]:
    """Report what cannot work, in the file itself and in each environment. Returns what works and is hardly meant."""
    told: dict[_Told, tuple[str, list[str]]] = {}
    for wrong in _of_file(_as_known(app, found.unknown)):
        told.setdefault((found.value_at(wrong.path), wrong.message, *_rest(wrong)), (wrong.message, []))
    looked_at = [name for name in environments(app) if not _is_unknown(app, name, found.unknown)]
    for environment in looked_at:
        resolved = _resolved(app, environment, found.unknown)
        for wrong in _of_environment(resolved):
            key = (_mark(resolved, found, wrong.path), wrong.about or wrong.message, *_rest(wrong))
            _, there = told.get(key, ("", []))
            told[key] = wrong.message, [*there, environment] if wrong.here and environment not in there else there
    odd = []
    for (mark, _, hint, is_odd, rule, part), (message, there) in told.items():
        words = f"in {_listed(there)} {message}" if there else message
        if is_odd:
            odd.append(Problem(found.file, mark.line, mark.column, words, hint, rule, part, tuple(there)))
        else:
            found.report(mark, words, hint)
    return odd


def _rest(wrong: Wrong) -> tuple[str, bool, str, str]:
    return wrong.hint, wrong.odd, wrong.rule, str(wrong.path[1]) if wrong.rule else ""


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _mark(app: ResolvedApp, found: Document, path: Path_) -> Mark:
    """Where a value of an environment is written: where it came from last, or the nearest thing above it in the file."""
    for end in range(len(path), 0, -1):
        origin = app.origin(path[:end])
        if origin and origin.line:
            inside: Path_ = (*origin.layer.split("."), *path[end:])
            return found.value_at(inside) if path[end:] and inside in found.values else Mark(origin.line, origin.column)
    return found.value_at(path)


# -- asking --------------------------------------------------------------------------------------------------------------


def _of_file(app: App) -> Iterator[Wrong]:
    for check in fitting.OF_FILE:
        yield from known(check(app))


def _of_environment(app: ResolvedApp) -> Iterator[Wrong]:
    for check in OF_APP:
        yield from known(check(app))
    for name, service in known(_items(app.services)):
        for of_service in OF_SERVICE:
            yield from known(of_service(app, name, service))
    for name, store in known(_items(app.stores)):
        for of_store in OF_STORE:
            yield from known(of_store(app, name, store))


def _items(parts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from parts.items()


# -- what is known -------------------------------------------------------------------------------------------------------


def _as_known(app: App, unknown: Iterable[Path_]) -> App:
    for path in unknown:
        app = app if _is_call(path) else without(app, path)
    return app


def _is_call(path: Path_) -> bool:
    """Whether a path leads to one of `calls`: one that means nothing has been taken out, and the others are known."""
    return "calls" in path[:-1]


def _is_unknown(app: App, environment: str, unknown: set[Path_]) -> bool:
    """Whether nobody knows what an environment is made of."""
    whole: list[Path_] = [("environments",)]
    for name in chain(app, environment):
        whole += [("environments", name), ("environments", name, "extends")]
    return any(path in unknown for path in (whole if environment in app.environments or ("environments",) in unknown else ()))


def _resolved(app: App, environment: str, unknown: set[Path_]) -> ResolvedApp:
    """An app in an environment, without what is unknown there."""
    resolved = resolve(app, environment)
    parts: dict[str, Any] = {"services": resolved.services, "stores": resolved.stores, "platform": resolved.platform}
    parts["sizes"] = resolved.sizes
    for path in _there(app, resolved, unknown):
        if path[0] not in parts or isinstance(parts[str(path[0])], UnknownMap):
            continue
        inner = without(parts[str(path[0])], path[1:])
        parts[str(path[0])] = UnknownMap() if inner is UNKNOWN else inner
    return replace(resolved, **parts) if unknown else resolved


def _there(app: App, resolved: ResolvedApp, unknown: set[Path_]) -> Iterator[Path_]:
    """The paths of what is unknown, as they are in an environment."""
    layers = chain(app, resolved.environment)
    for path in unknown:
        if _is_call(path):
            continue
        if path[0] != "environments":
            if not _replaced(resolved, path):
                yield from _with_what_follows(path)
        elif len(path) > 2 and path[1] in layers:
            for inner in _everywhere(resolved, path[2:]):
                yield from _with_what_follows(inner)


def _replaced(resolved: ResolvedApp, path: Path_) -> bool:
    """Whether an environment says something else in place of a value, so that it does not matter."""
    origin = resolved.origin(path)
    return bool(origin and origin.layer.startswith("environments.") and len(path) > 2 and path[-1] not in ("calls", "secrets"))


def _everywhere(resolved: ResolvedApp, path: Path_) -> Iterator[Path_]:
    """What an environment says of all its services, as said of each."""
    keys = {"size": ("size",), "replicas": ("replicas",), "config": ("config",), "domain": ("expose", "host")}
    if path[0] not in keys:
        yield path
        return
    for name in resolved.services:
        yield ("services", name, *keys[str(path[0])])
    for name in resolved.stores if path[0] == "size" else ():
        yield ("stores", name, "size")


#: What is worked out from other keys of a service, and so unknown with them.
FOLLOWS: Mapping[str, tuple[Path_, ...]] = {
    "replicas": (("scale",),),
    "scale": (("replicas",),),
    "image": (("runtime",),),
    "run": (("runtime",),),
}
RANGE = ("min", "max")


def _with_what_follows(path: Path_) -> Iterator[Path_]:
    yield path
    if path[0] != "services" or len(path) < 3:
        return
    if path[2] == "scale" and len(path) > 3:
        if path[3] in RANGE:
            yield from ((*path[:2], "scale", key) for key in RANGE)
            yield (*path[:2], "replicas")
        return
    yield from ((*path[:2], *more) for more in FOLLOWS.get(str(path[2]), ()))
