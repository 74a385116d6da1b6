"""Settings that nothing would read, because another one decides otherwise: a Gateway where nginx lets the world in, keys for SOPS
where nothing encrypts.

Whoever wrote such a setting counts on it, so it is refused; where an environment later decides otherwise, it is silently of no
use there.  What only changes nothing is odd, and told as a remark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from seatrial.app.model import Platform, Service, StoreKeys
from seatrial.app.resolve import DEV, ResolvedApp
from seatrial.app.unknown import known
from seatrial.app.wrong import OfApp, OfService, OfStore, Wrong

ZONE = "topology.kubernetes.io/zone"
HEAPS = ("jvm", "node", "go")
FETCHED = ("external-secrets", "csi")


class _Idle(NamedTuple):
    """A key of the platform, the key that decides whether it is read, when it is, what to say, what to do."""

    key: str
    by: str
    read: Callable[[Platform], bool]
    message: str
    hint: str


_OF_A_PROVIDER = "secrets are `{secrets}`, and `{key}` is of those that are fetched from a provider"
_PROVIDER_HINT = "say `secrets: external-secrets` or `secrets: csi`, or leave `{key}` out"

IDLE = (
    _Idle(
        "gateway",
        "ingress",
        lambda platform: platform.ingress in ("gateway", "istio"),
        "the world comes in by `ingress: {ingress}`, which knows nothing of the Gateway `{value}`",
        "say `ingress: gateway` (or `istio`), or leave `gateway` out",
    ),
    _Idle(
        "gatewayClass",
        "ingress",
        lambda platform: platform.ingress == "gateway",
        "the world comes in by `ingress: {ingress}`, so there is no Gateway to have the class `{value}`",
        "say `ingress: gateway`, or leave `gatewayClass` out",
    ),
    _Idle(
        "secretStore",
        "secrets",
        lambda platform: platform.secrets == "external-secrets",
        "secrets are `{secrets}`, which asks no ClusterSecretStore such as `{value}`",
        "say `secrets: external-secrets`, or leave `secretStore` out",
    ),
    _Idle(
        "secretStore",
        "secretProvider",
        lambda platform: not platform.secretProvider or platform.secrets != "external-secrets",
        "with `secretProvider` the app has a SecretStore of its own, and asks no ClusterSecretStore `{value}`",
        "leave one of them out",
    ),
    *(
        _Idle(key, "secrets", lambda platform: platform.secrets in FETCHED, _OF_A_PROVIDER, _PROVIDER_HINT)
        for key in ("secretProvider", "secretVault", "secretIdentity", "secretPrefix")
    ),
    _Idle(
        "secretCredentials",
        "secrets",
        lambda platform: platform.secrets == "external-secrets",
        "secrets are `{secrets}`, and the Secret `{value}` is for a SecretStore of External Secrets",
        "say `secrets: external-secrets`, or leave `secretCredentials` out",
    ),
    _Idle(
        "secretCredentials",
        "secretProvider",
        lambda platform: bool(platform.secretProvider) or platform.secrets != "external-secrets",
        "the keys in `{value}` are for a SecretStore of the app's own, and nothing says who keeps the secrets",
        "add `secretProvider: aws`, gcp, azure or vault",
    ),
    _Idle(
        "secretIdentity",
        "secretCredentials",
        lambda platform: not platform.secretCredentials,
        "secrets are asked for as `{value}`, and by the keys in `secretCredentials` as well",
        "leave one of them out",
    ),
    _Idle(
        "secretVault",
        "secretProvider",
        lambda platform: bool(platform.secretProvider) or platform.secrets not in FETCHED,
        "`secretVault` says where secrets are, and nothing who keeps them",
        "add `secretProvider: aws`, gcp, azure or vault",
    ),
    _Idle(
        "secretTenant",
        "secretProvider",
        lambda platform: platform.secretProvider == "azure",
        "`secretTenant` is of Azure's key vault, and `secretProvider` is {secretProvider}",
        "leave `secretTenant` out",
    ),
    _Idle(
        "age",
        "secrets",
        lambda platform: platform.secrets == "sops",
        "there are keys for SOPS, and secrets are `{secrets}`: nothing is encrypted for them",
        "say `secrets: sops`, or leave `age` out",
    ),
    _Idle(
        "otlp",
        "telemetry",
        lambda platform: platform.telemetry != "none",
        "there is a collector at {value}, and nothing sends it traces: `telemetry` is none",
        "say `telemetry: opentelemetry`, or leave `otlp` out",
    ),
    _Idle(
        "monitoringLabels",
        "monitoring",
        lambda platform: platform.monitoring != "none",
        "there are labels for monitors, and no monitors: `monitoring` is none",
        "say `monitoring: prometheus-operator`, or leave `monitoringLabels` out",
    ),
)


def _settings(app: ResolvedApp) -> Iterator[Wrong]:
    for row in IDLE:
        yield from known(_idle(app, row))


def _idle(app: ResolvedApp, row: _Idle) -> Iterator[Wrong]:
    platform, at = app.platform, ("platform", row.key)
    value = getattr(platform, row.key)
    if not value or row.read(platform) or _rank(app, row.key) < _rank(app, row.by):
        return
    given = {key: getattr(platform, key) or "none" for key in ("ingress", "secrets", "secretProvider")}
    yield Wrong(at, row.message.format(key=row.key, value=value, **given), row.hint.format(key=row.key), here=True)


def _rank(app: ResolvedApp, key: str) -> int:
    """How late a setting of the platform was made: by default, by the file, by dev's defaults, by an environment."""
    origin = app.origin(("platform", key))
    layer = origin.layer if origin else "default"
    if layer == f"environments.{app.environment}.platform.{key}":
        return 4
    return {"default": 0, f"platform.{key}": 1, f"default of {DEV}": 2}.get(layer, 3)


# -- odd -----------------------------------------------------------------------------------------------------------------


def _odd(*path: str, message: str, hint: str, rule: str = "") -> Wrong:
    return Wrong(path, message, hint, here=True, odd=True, rule=rule)


def _issuer(app: ResolvedApp) -> Iterator[Wrong]:
    if app.platform.issuer and app.platform.ingress == "none" and _rank(app, "issuer") >= _rank(app, "ingress"):
        message = f"nothing lets the world in, so `{app.platform.issuer}` certifies nothing"
        yield _odd("platform", "issuer", message=message, hint="leave `issuer` out, or name an `ingress`")


def _pinned(app: ResolvedApp) -> Iterator[Wrong]:
    zone = (app.platform.nodes or {}).get(ZONE)
    if isinstance(zone, str) and (app.platform.zones or 1) > 1:
        message = f"all pods are in `{zone}`, and `zones` is {app.platform.zones}: they are not spread"
        yield _odd("platform", "zones", message=message, hint=f"leave out `zones`, or `{ZONE}`")


_SAME = "give both the same `tls`"


def _one_host(app: ResolvedApp) -> Iterator[Wrong]:
    """A host with a certificate for one of its services."""
    first: dict[str, tuple[str, bool]] = {}
    for name, service in app.services.items():
        expose = service.expose
        if not expose or not expose.host:
            continue
        secured = bool(app.platform.issuer) if expose.tls is None else expose.tls
        other, before = first.setdefault(expose.host, (name, secured))
        if before != secured:
            message = f"`{other}` and `{name}` share {expose.host}, one with a certificate and one without"
            open_one = other if secured else name
            yield _odd("services", open_one, "expose", message=message, hint=_SAME, rule="ingress-tls-missing")


OF_APP: tuple[OfApp, ...] = (_settings, _issuer, _pinned, _one_host)


def _exposed(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    if service.expose and app.platform.ingress == "none" and _rank(app, "ingress") == 1:
        message = f"`{name}` is exposed, and nothing lets the world in: `ingress` is none"
        yield _odd("services", name, "expose", message=message, hint="name an `ingress`, or leave `expose` out")


def _heap(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    origin = app.origin(("services", name, "heap"))
    if not origin or not origin.line:
        return
    if service.runtime not in HEAPS:
        message = f"`{name}` has a `heap`, and its `runtime` is {service.runtime}: nothing takes a share of the memory"
        yield Wrong(("services", name, "heap"), message, f"name its `runtime`: {', '.join(HEAPS)}; or leave it out", odd=True)
    elif (service.heap or 0) > 90:
        message = f"a heap of {service.heap}% leaves `{name}` too little memory for its threads and its code"
        yield Wrong(("services", name, "heap"), message, "75% is safe", odd=True, rule="heap-tight")


def _workers(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    if service.workers and service.runtime != "python":
        message = f"`{name}` has `workers`, and its `runtime` is {service.runtime}: only a Python reads WEB_CONCURRENCY"
        yield Wrong(("services", name, "workers"), message, "say `runtime: python`, or leave `workers` out", odd=True)


def _startup(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    origin = app.origin(("services", name, "health", "startup"))
    if service.port is None and origin and origin.line:
        message = f"`{name}` has no `port`, so nobody asks it whether it has started"
        yield Wrong(("services", name, "health", "startup"), message, "add `port:`, or leave `startup` out", odd=True)


def _migrate(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    called = [app.stores.get(call.name) for call in service.calls or ()]
    reaches = any(store and store.postgres for store in called) or any(call.url for call in service.calls or ())
    if service.migrate and not reaches and not service.secrets and not service.config:
        message = f"`{name}` migrates something and calls no database: its Job reaches none"
        yield Wrong(("services", name, "migrate"), message, "add the store to its `calls`", odd=True)


OF_SERVICE: tuple[OfService, ...] = (_exposed, _heap, _workers, _startup, _migrate)


def _nothing(app: ResolvedApp, name: str, store: StoreKeys) -> Iterator[Wrong]:
    if app.environment != DEV and not any(called == name for called in known(_called(app))):
        yield Wrong(("stores", name), f"nothing calls `{name}`", "add it to the `calls` of a service, or leave it out", odd=True)


def _called(app: ResolvedApp) -> Iterator[str]:
    for service in app.services.values():
        yield from (call.name for call in service.calls or ())
        yield from (trigger.store or "" for trigger in (service.scale and service.scale.on) or ())


OF_STORE: tuple[OfStore, ...] = (_nothing,)
