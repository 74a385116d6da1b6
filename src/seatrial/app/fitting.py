"""Whether services, stores and what they say of one another fit: ports that are asked for, variables given twice, hosts, sizes.

What the platform has to do with it is in `production` and `clouds`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from seatrial.app.document import Path_
from seatrial.app.model import App, Service, StoreKeys
from seatrial.app.problems import did_you_mean
from seatrial.app.resolve import DEV, ResolvedApp, item_of
from seatrial.app.unknown import known
from seatrial.app.wrong import OfApp, OfService, OfStore, Wrong
from seatrial.world import quantity

STORE_KINDS = ("postgres", "redis")

#: Namespaces that are Kubernetes' own: a default-deny policy or a quota there stops the cluster itself.
OF_THE_CLUSTER = ("kube-system", "kube-public", "kube-node-lease")
#: Folders over which no empty one can be laid: the process would not find itself, or the kernel's files.
TAKEN = ("/", "/bin", "/sbin", "/lib", "/lib64", "/usr", "/etc", "/proc", "/sys", "/dev")


def variable(name: str, suffix: str) -> str:
    """The variable that tells a caller about `name`: `order-api` and URL give ORDER_API_URL."""
    return f"{name.upper().replace('-', '_')}_{suffix}"


# -- the file ------------------------------------------------------------------------------------------------------------


def _rolled(app: App) -> Iterator[Wrong]:
    platforms = [app.platform, *(part.platform for part in app.environments.values() if part.platform)]
    if any(platform.rollouts == "argo-rollouts" for platform in platforms):
        return
    for name, service in app.services.items():
        yield from known(_has_canary(name, service))


def _has_canary(name: str, service: Service) -> Iterator[Wrong]:
    if service.canary:
        message = f"nothing rolls the canary of `{name}`: a Deployment knows no shares of requests"
        yield Wrong(("services", name, "canary"), message, "add `rollouts: argo-rollouts` to the platform")


def _profiles(app: App) -> Iterator[Wrong]:
    for name in app.sizes:
        for key in ("cpu", "memory"):
            yield from known(_limited(app, name, key))


def _limited(app: App, name: str, key: str) -> Iterator[Wrong]:
    profile = app.sizes[name]
    asked, most = getattr(profile, key), getattr(profile.limits, key)
    if most and quantity.millis(most) < quantity.millis(asked):
        message = f"the size `{name}` sets {asked} of {key} aside and allows {most} at most"
        yield Wrong(("sizes", name, "limits", key), message, "a limit is no less than what is set aside")


OF_FILE = (_rolled, _profiles)

# -- an environment ------------------------------------------------------------------------------------------------------


def _namespace(app: ResolvedApp) -> Iterator[Wrong]:
    given = app.origin(("namespace",)) is not None
    at: Path_ = ("namespace",) if given else ("app",)
    if len(app.namespace) > 63:
        message = f"the namespace `{app.namespace}` is longer than 63 characters"
        yield Wrong(at, message, "give the environment a `namespace`", here=True)
    if app.namespace in OF_THE_CLUSTER:
        message = f"the namespace is `{app.namespace}`, which is the cluster's own"
        yield Wrong(at, message, "what denies all traffic to an app's namespace would stop the cluster: name another", here=True)


def _hosts(app: ResolvedApp) -> Iterator[Wrong]:
    """Two services at one address."""
    first: dict[tuple[str, str], str] = {}
    for name, service in app.services.items():
        for place in known(_address(service)):
            if place in first:
                message = f"`{name}` and `{first[place]}` are both exposed at {place[0]}{place[1] or '/'}"
                hint, about = "give one of them another host or `path`", f"{first[place]} {name}"
                yield Wrong(("services", name, "expose", "host"), message, hint, here=True, about=about)
            first.setdefault(place, name)


def _address(service: Service) -> Iterator[tuple[str, str]]:
    if service.expose and service.expose.host:
        yield service.expose.host, (service.expose.path or "/").rstrip("/")  # /api and /api/ lead to the same


OF_APP: tuple[OfApp, ...] = (_namespace, _hosts)

# -- a service -----------------------------------------------------------------------------------------------------------


def _image(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    if ":" in service.image.rsplit("/", 1)[-1] or "@" in service.image:
        return
    at: Path_ = ("services", name, "image")
    if not app.version:
        yield Wrong(at, f"the image of `{name}` has no tag, and the file no `version`", 'add `version: "1.0"` at the top')
    elif "+" in app.version:
        message = f"`{app.version}` cannot be the tag of an image: a tag has no `+`"
        yield Wrong(("version",), message, "write `-` or `_` in its place")


def _without_port(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    if service.port is not None:
        return
    for key in ("expose", "metrics", "health", "canary"):
        yield from known(_needs_port(name, service, key))


def _needs_port(name: str, service: Service, key: str) -> Iterator[Wrong]:
    at: Path_ = ("services", name, key)
    if key == "expose" and service.expose:
        yield Wrong(at, f"`{name}` has no `port`, so it cannot be exposed", "add `port:`")
    if key == "metrics" and service.metrics and not service.metrics.port:
        yield Wrong(at, f"`{name}` has no `port`, so it cannot be asked for metrics", "add `port:`")
    if key == "health" and service.health and (service.health.live or service.health.ready):
        asked = service.health.live or service.health.ready
        yield Wrong(at, f"`{name}` has no `port`, so nothing can be asked at `{asked}`", "add `port:`")
    if key == "canary" and service.canary:
        yield Wrong(at, f"`{name}` has no `port`: there are no requests to give a share of", "add `port:`")


def _calls(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    for call in service.calls or ():
        other = app.services.get(call.name) if call.name and not call.url else None
        if other:
            yield from known(_answers(name, call.name, other))
        if app.environment != DEV and re.match(r"https?://(?:localhost|127\.[0-9.]+|0\.0\.0\.0)(?:[:/]|$)", call.url or ""):
            message = f"`{name}` calls {call.url}, where each of its pods finds only itself"
            yield Wrong(
                ("services", name, "calls", item_of(call)),
                message,
                "name a service of this app, or a host that the cluster reaches",
                here=True,
            )


def _answers(caller: str, called: str, other: Service) -> Iterator[Wrong]:
    if other.port is None:
        message = f"`{caller}` calls `{called}`, which has no `port` to answer at"
        yield Wrong(("services", caller, "calls", called), message, f"give `{called}` a `port:`")


def _jobs(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    for title in service.jobs or {}:
        if len(f"{name}-{title}") > 52:
            message = f"`{name}-{title}` has {len(f'{name}-{title}')} characters; Kubernetes allows a CronJob 52"
            yield Wrong(("services", name, "jobs", title), message, "give the job a shorter name")
        yield from known(_zone(name, service, title))


def _zone(name: str, service: Service, title: str) -> Iterator[Wrong]:
    zone = (service.jobs or {})[title].timeZone
    if zone and not is_zone(zone):
        path: Path_ = ("services", name, "jobs", title, "timeZone")
        yield Wrong(path, f"there is no time zone `{zone}`", did_you_mean(zone, sorted(_zones()), "such as Europe/Paris"))


@cache
def _zones() -> frozenset[str]:
    """The time zones of this machine's database; none where it has no whole one."""
    from zoneinfo import available_timezones

    found = frozenset(available_timezones())
    return found if len(found) > 300 else frozenset()


def is_zone(name: str) -> bool:
    return not _zones() or name in _zones()


def _variables(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    """Variables that are given twice."""
    at: Path_ = ("services", name)
    given = {"POD_IP": "the pod's address"}
    given |= dict(known(_port_variable(service)))
    for call in service.calls or ():
        given |= dict(known(_call_variables(app, call.name)))
    config = dict.fromkeys(dict(known(_config(service))))
    for key in config:
        if key in given:
            yield Wrong((*at, "config", key), f"`{key}` comes from {given[key]} already", "call it otherwise, or leave it out")
    for key in service.secrets or ():
        if key in given:
            yield Wrong((*at, "secrets", key), f"`{key}` comes from {given[key]} already", "call it otherwise, or leave it out")
        elif key in config:
            yield Wrong((*at, "secrets", key), f"`{key}` is in `config` as well, for everybody to see", "keep one of them")
    yield from _twice((*at, "secrets"), list(service.secrets or ()))
    yield from _twice((*at, "calls"), [item_of(call) for call in service.calls or () if call.name or call.url])


def _twice(at: Path_, items: list[str]) -> Iterator[Wrong]:
    for item in dict.fromkeys(item for item in items if items.count(item) > 1):
        yield Wrong((*at, item), f"`{item}` is listed twice", "once is enough")


def _port_variable(service: Service) -> Iterator[tuple[str, str]]:
    if service.port:
        yield "PORT", "`port`"


def _config(service: Service) -> Iterator[tuple[str, str]]:
    yield from (service.config or {}).items()


def _call_variables(app: ResolvedApp, called: str) -> Iterator[tuple[str, str]]:
    if not called:
        return
    yield variable(called, "URL"), f"calling `{called}`"
    store = app.stores.get(called)
    if store and (store.postgres or store.password):
        yield variable(called, "PASSWORD"), f"calling `{called}`"


def _folders(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    for index, folder in enumerate(service.writable or ()):
        if (folder.rstrip("/") or "/") in TAKEN:
            message = f"an empty folder over `{folder}` hides what the image of `{name}` has there"
            yield Wrong(("services", name, "writable", index), message, "name only the folders that it writes to")


def _exposed(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    if service.expose and not service.expose.host:
        yield Wrong(("services", name, "expose"), f"`{name}` is exposed without a `host`", "such as shop.example.com")


def _range(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    scale = service.scale
    if scale and (scale.min or 1) > (scale.max or 1):
        message = f"`{name}` has at least {scale.min} replicas and at most {scale.max}"
        yield Wrong(("services", name, "scale", "max"), message, "min is more than max", here=True)


def _heap(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    """A heap that is given in so many bytes, and the memory it must fit into."""
    if app.environment == DEV:  # where everything is small, and no limit holds
        return
    profile = app.profile(name)
    most = profile.limits.memory or profile.memory
    for key, value in (service.config or {}).items():
        found = _heap_of(key, value)
        if found and found[1] * 1000 >= quantity.millis(most):
            message = f"`{key}` allows a heap of {found[0]}, and `{name}` has {most} of memory at most ({service.size})"
            hint = (
                "the kernel ends the process before it is full: leave it out (a heap follows the limit), or take a larger `size`"
            )
            yield Wrong(("services", name, "config", key), message, hint, here=True)


_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


def _heap_of(key: str, value: str) -> tuple[str, int] | None:
    """The heap that a variable allows: as it is written, and in bytes."""
    if key in ("JAVA_TOOL_OPTIONS", "JAVA_OPTS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"):
        found = re.search(r"-(?:Xmx|XX:MaxHeapSize=)([0-9]{1,9})([kKmMgGtT]?)(?![0-9A-Za-z])", value)
        return (found[1] + found[2], int(found[1]) << _UNITS[found[2].lower()]) if found else None
    if key == "NODE_OPTIONS":
        found = re.search(r"--max[-_]old[-_]space[-_]size=([0-9]{1,9})\b", value)
        return (f"{found[1]} MiB", int(found[1]) << 20) if found else None
    return None


OF_SERVICE: tuple[OfService, ...] = (*(_image, _without_port, _calls, _jobs, _variables, _folders, _exposed, _range, _heap),)

# -- a store -------------------------------------------------------------------------------------------------------------


def _kind(app: ResolvedApp, name: str, store: StoreKeys) -> Iterator[Wrong]:
    kinds = [kind for kind in STORE_KINDS if getattr(store, kind)]
    if len(kinds) != 1:
        said = f"is both {' and '.join(kinds)}" if kinds else "does not say what it is"
        yield Wrong(("stores", name), f"`{name}` {said}", "such as `postgres: 16` or `redis: 7`")


def _owner(app: ResolvedApp, name: str, store: StoreKeys) -> Iterator[Wrong]:
    if not store.redis or store.postgres:
        return
    for key in ("database", "user"):
        if app.origin(("stores", name, key)):
            message = f"`{key}` is of a PostgreSQL; `{name}` is a Redis, which has none"
            yield Wrong(("stores", name, key), message, "leave it out")


def _storage(app: ResolvedApp, name: str, store: StoreKeys) -> Iterator[Wrong]:
    if app.environment != DEV and store.postgres and not store.storage and not store.host:
        message = f"`{name}` would keep its data nowhere: a PostgreSQL needs `storage`"
        yield Wrong(("stores", name), message, "such as `storage: 20Gi`, or `host:` where somebody else runs it", here=True)


def _elsewhere(app: ResolvedApp, name: str, store: StoreKeys) -> Iterator[Wrong]:
    if store.host and store.host.startswith("*"):
        yield Wrong(("stores", name, "host"), f"`{store.host}` is no one host: `{name}` is at one", "give its full name")
    elif store.host and "." not in store.host:
        message = f"`{name}` would be another name for `{store.host}`, which nobody outside the namespace knows"
        yield Wrong(("stores", name, "host"), message, "give its full name, such as db.example.com or db.data.svc.cluster.local")


def _version(app: ResolvedApp, name: str, store: StoreKeys) -> Iterator[Wrong]:
    if store.postgres and not store.image and not store.host and not store.postgres[0].isdigit():
        message = f"`{store.postgres}` is no version of PostgreSQL: the next one could not read the data of `{name}`"
        yield Wrong(("stores", name, "postgres"), message, "name its major version, such as `postgres: 16`")


OF_STORE: tuple[OfStore, ...] = (_kind, _owner, _storage, _elsewhere, _version)
