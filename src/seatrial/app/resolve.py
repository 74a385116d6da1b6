"""An app as it is in one environment: defaults, then the file, then what the environment changes, layer upon layer.

Maps are laid over one another key by key, `calls` by what they call, `secrets` together; everything else is replaced, and
`null` takes it away.  Every value remembers where it came from.  What a value means for Kubernetes is for `render`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from seatrial.app.document import Path_
from seatrial.app.model import App, Call, Environment, Health, Limits, Part, Platform, Profile, Service, ServiceKeys, StoreKeys
from seatrial.app.problems import did_you_mean

#: The environment that every app has, for the machine of whoever writes it.
DEV = "dev"

#: Sizes that every app has. Memory may grow to twice what is set aside, CPU to what the node has to spare.
SIZES: Mapping[str, Profile] = MappingProxyType(
    {
        "small": Profile(cpu="100m", memory="128Mi", limits=Limits(memory="256Mi")),
        "medium": Profile(cpu="250m", memory="256Mi", limits=Limits(memory="512Mi")),
        "large": Profile(cpu="1", memory="1Gi", limits=Limits(memory="2Gi")),
    }
)

_SERVICE = ServiceKeys(size="small", replicas=2, heap=75, drain=5, grace=30, user=10001, health=Health(startup=60))
_STORE = StoreKeys(size="small")
_PLATFORM = Platform(
    ingress="nginx",
    mesh="none",
    rollouts="none",
    gitops="none",
    secrets="kubernetes",
    autoscaling="hpa",
    recommendations="none",
    monitoring="none",
    monitoringNamespace="monitoring",
    dashboards=False,
    telemetry="none",
    postgres="statefulset",
)
#: Dev runs on the embedded cluster of one machine, which has no operators and no cloud.
_DEV = Environment(
    size="small",
    replicas=1,
    domain="localhost",
    platform=Platform(
        mesh="none",
        rollouts="none",
        gitops="none",
        secrets="kubernetes",
        autoscaling="hpa",
        recommendations="none",
        monitoring="none",
        dashboards=False,
        telemetry="none",
        postgres="statefulset",
        issuer=None,
        gateway=None,
        zones=None,
        nodes=None,
    ),
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: a place in the file, or one of our defaults (then `line` is 0)."""

    layer: str  # such as `services.api.size`, `environments.production.size`, `default`, `default of dev`
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.layer} (line {self.line})" if self.line else self.layer


@dataclass(frozen=True, slots=True)
class ResolvedApp:
    """An app in one environment. Every key that has a default is filled; `origins` says where each value came from."""

    name: str
    team: str
    version: str
    environment: str
    namespace: str
    services: Mapping[str, Service]
    stores: Mapping[str, StoreKeys]
    sizes: Mapping[str, Profile]
    platform: Platform
    folder: Path
    origins: Mapping[Path_, Origin] = field(repr=False)

    def profile(self, name: str) -> Profile:
        """The size of a service or store, by its name."""
        part = self.services.get(name) or self.stores[name]
        return self.sizes[part.size or "small"]

    def callers(self, name: str) -> list[str]:
        """The services that call `name`, in the order of the file."""
        return [caller for caller, service in self.services.items() if any(call.name == name for call in service.calls or ())]

    def order(self) -> list[str]:
        """Services and stores, each after what it calls as far as calls in a circle allow: the order of a release."""
        done: dict[str, None] = {}

        def visit(name: str, above: tuple[str, ...]) -> None:
            if name in done or name in above or name not in {**self.services, **self.stores}:
                return
            for call in (self.services[name].calls or ()) if name in self.services else ():
                visit(call.name, (*above, name))
            done.setdefault(name)

        for name in (*self.stores, *self.services):
            visit(name, ())
        return list(done)

    def origin(self, path: Path_) -> Origin | None:
        """Where the value at a path (`("services", "api", "scale", "max")`) came from; of a map, where it came from last."""
        return self.origins.get(path)


class UnknownEnvironmentError(ValueError):
    """An environment that the app does not have; `hint` names the nearest."""

    def __init__(self, app: App, name: str) -> None:
        super().__init__(f"{app.app} has no environment `{name}`")
        self.hint = did_you_mean(name, environments(app), "environments")


def environments(app: App) -> list[str]:
    """The names of the app's environments, `dev` always among them and first unless the file orders it otherwise."""
    return list(app.environments) if DEV in app.environments else [DEV, *app.environments]


def chain(app: App, environment: str) -> list[str]:
    """An environment with those it extends, the most general first. A circle ends where it closes."""
    names: list[str] = []
    while environment and environment not in names:
        names.append(environment)
        environment = app.environments.get(environment, Environment()).extends or ""
    return names[::-1]


def resolve(app: App, environment: str) -> ResolvedApp:
    """The app as it is in an environment. Raises UnknownEnvironmentError."""
    if environment not in environments(app):
        raise UnknownEnvironmentError(app, environment)
    layers = _Layers(app)
    named = list(_layers(app, environment))
    platform = layers.over(_PLATFORM, app.platform, ("platform",), ("platform",))
    namespace = ""
    for where, layer in named:
        if layer.platform:
            platform = layers.over(platform, layer.platform, ("platform",), (*where, "platform"))
            if layer is _DEV and platform.ingress in ("gateway", "istio"):  # the embedded cluster serves Ingresses
                platform = layers.over(platform, Platform(ingress="nginx"), ("platform",), where)
        if layer.namespace and where[1:] == (environment,):
            namespace = layer.namespace
            layers.came(("namespace",), (*where, "namespace"))
    return ResolvedApp(
        name=app.app,
        team=app.team or "",
        version=app.version or "",
        environment=environment,
        namespace=namespace or f"{app.app}-{environment}",
        services={name: layers.service(name, named) for name in app.services},
        stores={name: layers.store(name, named) for name in app.stores},
        sizes={**SIZES, **app.sizes},
        platform=platform,
        folder=app.folder,
        origins=layers.origins,
    )


def _layers(app: App, environment: str) -> Iterator[tuple[Path_, Environment]]:
    if environment == DEV:
        yield (f"default of {DEV}",), _DEV
    for name in chain(app, environment):
        yield ("environments", name), app.environments.get(name, Environment())


P = TypeVar("P", bound=Part)


@cache
def _defaults(kind: type[Part]) -> dict[str, Any]:
    return {name: info.get_default() for name, info in kind.model_fields.items() if not info.is_required()}


class _Layers:
    """Lays parts over one another and writes down what came from where."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.origins: dict[Path_, Origin] = {}
        self.mark = app.mark

    def service(self, name: str, named: list[tuple[Path_, Environment]]) -> Service:
        at: Path_ = ("services", name)
        part: Service = self._start(Service, _SERVICE, at)
        part = self._service(part, self.app.services[name], at, at)
        for where, layer in named:
            part = self._service(part, self._general(part, layer), at, where)
            override = (layer.services or {}).get(name)
            if override:
                part = self._service(part, override, at, (*where, "services", name))
        changes: dict[str, Any] = {"runtime": part.runtime or _runtime_of(part)}
        if part.replicas is not None:  # the last layer that spoke fixed the number
            changes["scale"] = None
        elif part.scale:
            low = part.scale.min or min(2, part.scale.max or 2)
            scale = {"min": low, "max": part.scale.max or low}
            if not (part.scale.cpu or part.scale.memory):
                scale["cpu"] = 70
            changes |= {"scale": part.scale.model_copy(update=scale), "replicas": low}
        return part.model_copy(update=changes)

    def store(self, name: str, named: list[tuple[Path_, Environment]]) -> StoreKeys:
        at: Path_ = ("stores", name)
        part = self.over(self._start(StoreKeys, _STORE, at), self.app.stores[name], at, at)
        for where, layer in named:
            if layer.size:
                part = self.over(part, StoreKeys(size=layer.size), at, where)
            override = (layer.stores or {}).get(name)
            if override:
                part = self.over(part, override, at, (*where, "stores", name))
        owner = self.app.app.replace("-", "_")
        return part.model_copy(update={"database": part.database or owner, "user": part.user or owner})

    def _service(self, part: Service, layer: ServiceKeys, at: Path_, source: Path_) -> Service:
        part = self.over(part, layer, at, source)
        if layer.scale and layer.replicas is None:
            part = part.model_copy(update={"replicas": None})
        return part

    def _general(self, part: Service, layer: Environment) -> ServiceKeys:
        """What an environment says of all its services, as if it said it of one."""
        keys: dict[str, Any] = {key: getattr(layer, key) for key in ("size", "replicas", "config") if getattr(layer, key)}
        if layer.domain and part.expose and part.expose.host:
            first = part.expose.host.split(".", 1)[0]
            keys["expose"] = {"host": f"{first}.{layer.domain}"}
        return ServiceKeys(**keys)

    def _start(self, kind: type[P], defaults: Part, at: Path_) -> P:
        values = {name: getattr(defaults, name) for name in defaults.model_fields_set}
        for name in values:
            self.origins[(*at, name)] = Origin("default")
        return kind.model_construct(**{**_defaults(kind), **values})

    def over(self, base: P, layer: Part, at: Path_, source: Path_) -> P:
        """`base` with what `layer` says laid over it."""
        changes = {}
        for name in layer.model_fields_set:
            below, above = base.__dict__.get(name), getattr(layer, name)
            changes[name] = self._value(name, below, above, (*at, name), (*source, name))
        return base.model_copy(update=changes)

    def _value(self, name: str, below: Any, above: Any, at: Path_, source: Path_) -> Any:
        self.came(at, source)
        if isinstance(above, Part):
            return self.over(below if isinstance(below, Part) else type(above).model_construct(), above, at, source)
        if isinstance(above, dict):
            merged = dict(below or {})
            for key, value in above.items():
                merged[key] = self._value(key, merged.get(key), value, (*at, key), (*source, key))
            return merged
        if name in ("calls", "secrets"):
            for index, item in enumerate(above or ()):
                self.came((*at, item_of(item)), (*source, index))
        if name == "calls" and isinstance(below, tuple) and above:
            return tuple({(call.name or call.url): call for call in (*below, *above)}.values())
        if name == "secrets" and isinstance(below, tuple) and above:
            return tuple(dict.fromkeys((*below, *above)))
        return above

    def came(self, at: Path_, source: Path_) -> None:
        if source[0] == f"default of {DEV}":
            self.origins[at] = Origin(str(source[0]))
            return
        mark = self.mark(self._written(source))
        self.origins[at] = Origin(".".join(map(str, source)), mark.line, mark.column)

    def _written(self, source: Path_) -> Path_:
        """A host that a `domain` changed was written as that domain."""
        if source[0] == "environments" and source[2:3] == ("expose",):
            return (*source[:2], "domain")
        return source


def item_of(item: Call | str) -> str:
    """How an item of `calls` or `secrets` is known among the origins: by what it calls, or by itself."""
    return item if isinstance(item, str) else item.name or item.url or ""


#: The first word of a command, or the last part of an image's name, and the runtime it gives away.
_RUNTIMES = {"java": "jvm", "node": "node", "npm": "node", "python": "python", "python3": "python", "nginx": "nginx"}


def _runtime_of(service: Service) -> str:
    first = Path(service.run[0]).name if service.run else ""
    image = service.image.rsplit("/", 1)[-1].partition(":")[0].partition("@")[0]
    return _RUNTIMES.get(first) or _RUNTIMES.get(image) or "other"
