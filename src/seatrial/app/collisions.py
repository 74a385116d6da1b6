"""Names that objects would share: what is made for one service or store and called what another one is called.

Objects are named after their service or store, and what it needs besides with an ending (`api-canary`, `api-jobs`).
Two of one kind with one name would overwrite each other in silence.  The names are those that `render` gives; a property test
there holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from seatrial.app.document import Path_
from seatrial.app.model import Service, StoreKeys
from seatrial.app.resolve import ResolvedApp
from seatrial.app.unknown import known
from seatrial.app.wrong import Wrong

POLICY, ACCOUNT = "NetworkPolicy", "ServiceAccount"


@dataclass(frozen=True, slots=True)
class _Named:
    """An object that there will be: its kind and name, whose it is, and where that is written ((): nowhere)."""

    kind: str
    name: str
    whose: str
    path: Path_ = ()
    plain: bool = False  # a service or store itself, and not something beside it


def collisions(app: ResolvedApp) -> Iterator[Wrong]:
    """Names that two objects of one kind would have in an environment."""
    first: dict[tuple[str, str], _Named] = {}
    told: set[tuple[Path_, str]] = set()
    for found in _objects(app):
        other = first.setdefault((found.kind, found.name), found)
        if other is found:
            continue
        mine, theirs = (other, found) if other.plain and not found.plain else (found, other)
        if (mine.path, theirs.whose) not in told:
            told.add((mine.path, theirs.whose))
            message = f"{mine.whose} and {theirs.whose} would both have the {found.kind} `{found.name}`"
            yield Wrong(mine.path, message, "give one of them another name")


def _objects(app: ResolvedApp) -> Iterator[_Named]:
    """What is there before anything of the file, then services and stores, and at last what is named after them."""
    yield from known(_fixed(app))
    for name, service in app.services.items():
        yield from known(_service(name, service))
    for name, store in app.stores.items():
        yield from known(_store(name, store))
    for name, service in app.services.items():
        yield from known(_of_service(app, name, service))
    for name, store in app.stores.items():
        yield from known(_of_store(app, name, store))


def _service(name: str, service: Service) -> Iterator[_Named]:
    whose, path = f"the service `{name}`", ("services", name)
    kinds = [POLICY, ACCOUNT, *(["Service"] if service.port else []), *(["Secret"] if service.secrets else [])]
    for kind in [*kinds, "Deployment", "ConfigMap", "PodDisruptionBudget", "PodMonitor", "PeerAuthentication"]:
        yield _Named(kind, name, whose, path, True)
    if service.port:
        yield from (_Named(kind, name, whose, path, True) for kind in ("HTTPRoute", "VirtualService", "DestinationRule"))


def _store(name: str, store: StoreKeys) -> Iterator[_Named]:
    whose, path = f"the store `{name}`", ("stores", name)
    kinds = ["Service"] if store.host else ["Service", "Secret", POLICY, ACCOUNT, "PodDisruptionBudget", "PodMonitor"]
    yield from (_Named(kind, name, whose, path, True) for kind in kinds)


def _fixed(app: ResolvedApp) -> Iterator[_Named]:
    platform = app.platform
    yield _Named(POLICY, "default-deny", "what is denied to everybody")
    yield _Named(ACCOUNT, "default", "the namespace's own account")
    if platform.ingress == "gateway" and not platform.gateway:
        yield _Named(POLICY, "allow-gateway", "the Gateway")
        kind = platform.gatewayClass or ("istio" if platform.mesh == "istio" else "nginx")
        for made in ("Deployment", "Service", ACCOUNT):  # as controllers name what they make of it
            yield _Named(made, f"{app.name}-{kind}", "the Gateway")
    if platform.issuer:
        yield _Named(POLICY, "allow-acme-solver", "cert-manager")
    if platform.mesh == "istio":
        yield _Named("PeerAuthentication", "default", "the namespace's rule of encryption")
    if platform.dashboards:
        yield _Named("ConfigMap", f"{app.name}-dashboard", "the dashboard")
    if platform.secrets == "external-secrets" and platform.secretProvider:
        yield _Named(ACCOUNT, f"{app.name}-secrets", "the account that fetches secrets")
    if platform.telemetry != "none" and not platform.otlp:
        for kind in ("Deployment", "Service", "ConfigMap", POLICY, ACCOUNT, "PodDisruptionBudget", "PodMonitor"):
            yield _Named(kind, "otel-collector", "the app's collector of traces")
        yield _Named(POLICY, "otel-collector-senders", "the app's collector of traces")
        if platform.telemetry == "opentelemetry-operator":
            for ending in ("headless", "monitoring"):
                yield _Named("Service", f"otel-collector-{ending}", "the app's collector of traces")


def _of_service(app: ResolvedApp, name: str, service: Service) -> Iterator[_Named]:
    platform, path = app.platform, ("services", name)
    if service.canary and platform.rollouts == "argo-rollouts":
        whose = f"the canary of `{name}`"
        yield _Named("Service", f"{name}-canary", whose, (*path, "canary"))
        yield _Named("DestinationRule", f"{name}-canary", whose, (*path, "canary"))
    if service.jobs or service.migrate:
        at: Path_ = (*path, "jobs" if service.jobs else "migrate")
        yield _Named(POLICY, f"{name}-jobs", f"the jobs of `{name}`", at)
    for job in service.jobs or {}:
        yield _Named("CronJob", f"{name}-{job}", f"the job `{job}` of `{name}`", (*path, "jobs", job))
    for trigger in (service.scale and service.scale.on) or ():
        if trigger.list and platform.autoscaling == "keda":
            title = f"{name}-{trigger.store}"
            yield _Named("TriggerAuthentication", title, f"the trigger of `{name}` by `{trigger.store}`", (*path, "scale", "on"))
    if service.expose and service.port:
        at = (*path, "expose")
        if platform.issuer or service.expose.tls:
            yield _Named("Secret", f"{name}-tls", f"the certificate of `{name}`", at)
        if platform.ingress == "istio":
            yield _Named("VirtualService", f"{name}-public", f"what leads the world to `{name}`", at)
        if platform.ingress == "gateway":
            yield _Named("HTTPRoute", f"{name}-to-https", f"what leads the world to `{name}`", at)


def _of_store(app: ResolvedApp, name: str, store: StoreKeys) -> Iterator[_Named]:
    if store.host:
        return
    path: Path_ = ("stores", name)
    if not (store.postgres and app.platform.postgres == "cloudnative-pg"):
        yield _Named("Service", f"{name}-pods", f"the pods of `{name}`", path)
        return
    for ending in ("rw", "ro", "r"):
        yield _Named("Service", f"{name}-{ending}", f"the instances of `{name}`", path)
    for ending in ("ca", "server", "replication"):
        yield _Named("Secret", f"{name}-{ending}", f"the certificates of `{name}`", path)
    yield _Named("PodDisruptionBudget", f"{name}-primary", f"the first instance of `{name}`", path)
