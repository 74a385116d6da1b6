"""Whether the parts of an app file fit together: names that must exist, and combinations that cannot work.

`names` reads the plain data, so that a call to nowhere is told in the same run as a misspelt key elsewhere.  `together` needs
a sound model and looks at every environment as it will be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seatrial.app.collisions import collisions
from seatrial.app.document import Document, Path_
from seatrial.app.model import App, ServiceKeys, StoreKeys
from seatrial.app.problems import did_you_mean
from seatrial.app.production import impossible
from seatrial.app.resolve import DEV, SIZES, ResolvedApp, environments, resolve

#: Something wrong: where, what, hint.
Wrong = tuple[Path_, str, str]

STORE_KINDS = ("postgres", "redis")


# -- names, on plain data ------------------------------------------------------------------------------------------------


def names(found: Document) -> None:
    """Report every name that means nothing. The data may be of any shape."""
    data = found.data
    for path, message, hint in (*_doubled(data), *_calls(data), *_environments(data), *_sizes(data), *_ranges(data)):
        found.report(found.value_at(path), message, hint)


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


def _doubled(data: Any) -> Iterator[Wrong]:
    for name in _map(data, "stores").keys() & _map(data, "services").keys():
        yield ("stores", name), f"`{name}` is already a service; a name is used once, for it becomes a host name", ""


def _calls(data: Any) -> Iterator[Wrong]:
    known = [*_map(data, "services"), *_map(data, "stores")]
    for path, caller, part in _layers(data, "services"):
        calls = part.get("calls")
        for index, call in enumerate(calls if isinstance(calls, list) else ()):
            where: Path_ = (*path, "calls", index)
            if call == caller:
                yield where, f"`{caller}` calls itself", "a process reaches itself without the network"
            elif isinstance(call, str) and "://" not in call and call not in known:
                others = [name for name in known if name != caller]
                yield where, f"`{caller}` calls `{call}`, which is no service or store", did_you_mean(call, others, "to call")
            elif isinstance(call, dict) and set(call) & set(known):
                name = next(iter(set(call) & set(known)))
                yield (
                    where,
                    f"`{name}` is a service or store of this app and cannot be a URL as well",
                    "give the URL another name",
                )


def _environments(data: Any) -> Iterator[Wrong]:
    known = list(dict.fromkeys([DEV, *_map(data, "environments")]))
    for name in _map(data, "environments"):
        path: Path_ = ("environments", name)
        base = _map(data, *map(str, path)).get("extends")
        if isinstance(base, str) and base not in known:
            hint = did_you_mean(base, [other for other in known if other != name], "environments")
            yield (*path, "extends"), f"`{name}` extends `{base}`, which is no environment", hint
        circle = _circle(data, name)
        if circle:
            yield (
                (*path, "extends"),
                f"environments extend one another in a circle: {' → '.join(circle)}",
                "one of them must extend nothing",
            )
        for kind in ("services", "stores"):
            for part in _map(data, *map(str, path), kind).keys() - _map(data, kind).keys():
                hint = did_you_mean(part, list(_map(data, kind)), kind)
                yield (*path, kind, part), f"`{name}` changes `{part}`, which is no {kind[:-1]}", hint


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


def _sizes(data: Any) -> Iterator[Wrong]:
    known = list(dict.fromkeys([*SIZES, *_map(data, "sizes")]))
    places: list[tuple[Path_, Any]] = [(path, part) for kind in ("services", "stores") for path, _, part in _layers(data, kind)]
    places += [(("environments", name), part) for name, part in _map(data, "environments").items()]
    for path, part in places:
        size = part.get("size") if isinstance(part, dict) else None
        if isinstance(size, str) and size not in known:
            yield (*path, "size"), f"there is no size `{size}`", did_you_mean(size, known, "sizes")


def _ranges(data: Any) -> Iterator[Wrong]:
    for path, _, part in _layers(data, "services"):
        low, high = _map(part, "scale").get("min"), _map(part, "scale").get("max")
        if isinstance(low, int) and isinstance(high, int) and low > high:
            yield (*path, "scale", "min"), f"`min` is {low} and `max` {high}: min is more than max", ""
        if part.get("replicas") is not None and part.get("scale") is not None:
            yield (*path, "replicas"), "`replicas` fixes the number that `scale` moves: give one of them", ""


# -- combinations, on the model ------------------------------------------------------------------------------------------


def together(app: App, found: Document) -> None:
    """Report what cannot work, in the file itself and in each environment."""
    told: set[tuple[Path_, str]] = set()
    for path, message, hint in _in_every_environment(app):
        told.add((path, message))
        found.report(found.value_at(path), message, hint)
    for environment in environments(app):
        resolved = resolve(app, environment)
        for path, message, hint in (*_in_one_environment(resolved), *impossible(resolved), *collisions(resolved)):
            if (path, message) in told:
                continue
            told.add((path, message))
            origin = resolved.origin(path)
            mark = found.value_at(tuple(origin.layer.split("."))) if origin and origin.line else found.value_at(path)
            found.report(mark, message, hint)


def _in_every_environment(app: App) -> Iterator[Wrong]:
    rolled = any(part.platform and part.platform.rollouts == "argo-rollouts" for part in app.environments.values())
    for name, service in app.services.items():
        if service.canary and not rolled and app.platform.rollouts != "argo-rollouts":
            message = f"nothing rolls the canary of `{name}`: a Deployment knows no shares of requests"
            yield ("services", name, "canary"), message, "add `rollouts: argo-rollouts` to the platform"
        yield from _service(app, name, service)
    for name, store in app.stores.items():
        kinds = [kind for kind in STORE_KINDS if getattr(store, kind)]
        if len(kinds) != 1:
            said = f"is both {' and '.join(kinds)}" if kinds else "does not say what it is"
            yield ("stores", name), f"`{name}` {said}", "such as `postgres: 16` or `redis: 7`"
        elif store.redis and (store.database or store.user):
            yield ("stores", name), "`database` and `user` are of a PostgreSQL; a Redis has neither", ""


def _service(app: App, name: str, service: ServiceKeys) -> Iterator[Wrong]:
    at: Path_ = ("services", name)
    tagged = ":" in (service.image or "").rsplit("/", 1)[-1] or "@" in (service.image or "")
    if not tagged and not app.version:
        yield (*at, "image"), f"the image of `{name}` has no tag, and the file no `version`", 'add `version: "1.0"` at the top'
    elif not tagged and "+" in (app.version or ""):
        yield ("version",), f"`{app.version}` cannot be the tag of an image: a tag has no `+`", "write `-` or `_` in its place"
    if service.port is None:
        for key, what in (("expose", "exposed"), ("metrics", "asked for metrics")):
            if getattr(service, key) and not (key == "metrics" and service.metrics and service.metrics.port):
                yield (*at, key), f"`{name}` has no `port`, so it cannot be {what}", "add `port:`"
        if service.health and (service.health.live or service.health.ready):
            yield (*at, "health"), f"`{name}` has no `port`, so nothing can be asked at `{_asked(service)}`", "add `port:`"
        for caller, other in app.services.items():
            for index, call in enumerate(other.calls or ()):
                if call.name == name:
                    yield (
                        ("services", caller, "calls", index),
                        f"`{name}` has no `port`, so nobody can call it",
                        "give it a `port:`",
                    )
    for job in service.jobs or {}:
        if len(f"{name}-{job}") > 52:
            yield (*at, "jobs", job), f"`{name}-{job}` is longer than the 52 characters Kubernetes allows a CronJob", ""
    yield from _variables(app, name, service)


def _asked(service: ServiceKeys) -> str:
    return str(service.health and (service.health.live or service.health.ready))


def _variables(app: App, name: str, service: ServiceKeys) -> Iterator[Wrong]:
    """Variables that are given twice."""
    at: Path_ = ("services", name)
    given = {"POD_IP": "the pod's address"} | ({"PORT": "`port`"} if service.port else {})
    for call in service.calls or ():
        if call.name:
            given[variable(call.name, "URL")] = f"calling `{call.name}`"
            if call.name in app.stores and (app.stores[call.name].postgres or app.stores[call.name].password):
                given[variable(call.name, "PASSWORD")] = f"calling `{call.name}`"
    for key in service.config or {}:
        if key in given:
            yield (*at, "config", key), f"`{key}` comes from {given[key]} already", ""
    for index, key in enumerate(service.secrets or ()):
        if key in given:
            yield (*at, "secrets", index), f"`{key}` comes from {given[key]} already", ""
        elif key in (service.config or {}):
            yield (*at, "secrets", index), f"`{key}` is in `config` as well, for everybody to see", "keep one of them"
        elif key in (service.secrets or ())[:index]:
            yield (*at, "secrets", index), f"`{key}` is listed twice", ""


def variable(name: str, suffix: str) -> str:
    """The variable that tells a caller about `name`: `order-api` and URL give ORDER_API_URL."""
    return f"{name.upper().replace('-', '_')}_{suffix}"


def _in_one_environment(app: ResolvedApp) -> Iterator[Wrong]:
    where = f"in {app.environment}"
    hosts: dict[tuple[str, str], str] = {}
    for name, service in app.services.items():
        at: Path_ = ("services", name)
        if service.scale and (service.scale.min or 1) > (service.scale.max or 1):
            message = f"{where} `{name}` has at least {service.scale.min} replicas and at most {service.scale.max}"
            yield (*at, "scale", "max"), message, "min is more than max"
        if service.expose:
            key = (service.expose.host or "", service.expose.path or "/")
            if not key[0]:
                yield (*at, "expose"), f"`{name}` is exposed without a `host`", "such as shop.example.com"
            elif key in hosts:
                yield (
                    (*at, "expose", "host"),
                    f"{where} `{name}` and `{hosts[key]}` are both exposed at {key[0]}{key[1]}",
                    ("give one of them another host or `path`"),
                )
            hosts[key] = name
    for name, store in app.stores.items():
        yield from _store(app, name, store)
    if len(app.namespace) > 63:
        yield (
            ("app",),
            f"{where} the namespace `{app.namespace}` is longer than 63 characters",
            "give the environment a `namespace`",
        )


def _store(app: ResolvedApp, name: str, store: StoreKeys) -> Iterator[Wrong]:
    if store.postgres and not store.storage and not store.host and app.environment != DEV:
        message = f"in {app.environment} `{name}` would keep its data nowhere: a PostgreSQL needs `storage`"
        yield ("stores", name), message, "such as `storage: 20Gi`, or `host:` where somebody else runs it"
