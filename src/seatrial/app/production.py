"""Combinations of one environment that Kubernetes or an operator would accept and that cannot work, each with the way out.

`checks` asks for them together with its own; the platform is known here, which the file alone does not show.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from seatrial.app.document import Path_
from seatrial.app.model import Service, StoreKeys, Trigger
from seatrial.app.resolve import DEV, ResolvedApp

#: Something wrong: where, what, hint.
Wrong = tuple[Path_, str, str]

#: What kinds of trigger there are, and which of them only KEDA understands.
TRIGGERS = ("metric", "prometheus", "list", "schedule")
OF_KEDA = ("prometheus", "list", "schedule")


def impossible(app: ResolvedApp) -> Iterator[Wrong]:
    """What cannot work in an environment."""
    where = f"in {app.environment}"
    yield from _platform(app, where)
    for name, service in app.services.items():
        at: Path_ = ("services", name)
        yield from _canary(app, at, name, service, where)
        yield from _objective(app, at, name, service, where)
        yield from _triggers(app, at, name, service, where)
        yield from _further(at, name, service)
    for name, store in app.stores.items():
        yield from _store(app, ("stores", name), name, store, where)


def _platform(app: ResolvedApp, where: str) -> Iterator[Wrong]:
    platform = app.platform
    at: Path_ = ("platform",)
    if platform.ingress == "istio" and platform.mesh != "istio":
        yield (*at, "ingress"), f"{where} the world comes in by Istio, and there is no mesh", "add `mesh: istio`"
    if platform.secrets == "csi" and not platform.secretProvider:
        message = f"{where} secrets come by the CSI driver, and nothing says from whom"
        yield (*at, "secrets"), message, "add `secretProvider: aws`, gcp, azure or vault"
    if platform.secretProvider and not platform.secretVault and not (platform.secretProvider == "aws" and platform.region):
        message = f"{where} secrets are kept by {platform.secretProvider}, and nothing says where"
        yield (*at, "secretProvider"), message, "add `secretVault`: a region, a project, or a URL"
    yield from _azure(app, where)
    if platform.secrets == "sops" and not platform.age:
        message = f"{where} secrets are encrypted by SOPS, and nothing says for whom"
        yield (*at, "secrets"), message, "add the public keys: `age: [age1…]`"
    if platform.dashboards and platform.monitoring == "none":
        message = f"{where} there are dashboards, and nothing that reads metrics"
        yield (*at, "dashboards"), message, "add `monitoring: prometheus-operator`"


def _azure(app: ResolvedApp, where: str) -> Iterator[Wrong]:
    """What Azure's key vault must be told besides its URL."""
    platform = app.platform
    if platform.secretProvider != "azure" or platform.secrets not in ("csi", "external-secrets"):
        return
    at: Path_ = ("platform", "secretProvider")
    if not re.fullmatch(r"https://[a-z0-9-]+\..+", platform.secretVault or "https://a.b"):
        yield at, f"{where} `secretVault` is no URL of a key vault", "such as https://acme.vault.azure.net"
    if not platform.secretTenant:
        yield at, f"{where} secrets are kept by azure, and nothing says in which tenant", "add `secretTenant`"
    without = [name for name, service in app.services.items() if not service.identity]
    if platform.secrets == "csi" and not platform.secretIdentity and without:
        message = f"{where} `{without[0]}` asks Azure for secrets, and nothing says who it is there"
        yield at, message, "add `secretIdentity`, or give it an `identity`"


def _canary(app: ResolvedApp, at: Path_, name: str, service: Service, where: str) -> Iterator[Wrong]:
    canary, platform = service.canary, app.platform
    if not canary:
        return
    at = (*at, "canary")
    steps = canary.steps or ()
    if any(later <= earlier for earlier, later in pairwise(steps)):
        yield (*at, "steps"), f"the steps of `{name}` do not grow: {', '.join(f'{step}%' for step in steps)}", ""
    for title, check in (canary.checks or {}).items():
        if (check.min is None) == (check.max is None):
            yield (*at, "checks", title), f"`{title}` has to say how much is right", "either `min` or `max`"
    if platform.rollouts == "none":
        return
    if not service.port:
        yield at, f"`{name}` has no `port`: there are no requests to give a share of", "add `port:`"
    if platform.monitoring == "none" and not platform.prometheus:
        message = f"{where} the canary of `{name}` has nothing to be judged by: no Prometheus reads its metrics"
        yield at, message, "add `monitoring: prometheus-operator` or `prometheus:` to the platform"
    elif not service.metrics and platform.mesh == "none":  # in a mesh, proxies count its requests
        yield at, f"the canary of `{name}` has nothing to be judged by: it shows no metrics", "add `metrics: /metrics`"
    entered = service.expose and platform.ingress in ("nginx", "gateway")
    by_replicas = service.expose and platform.ingress == "traefik"
    if canary.header and (by_replicas or not (entered or platform.mesh == "istio")):
        message = f"{where} nothing can lead requests with `{canary.header}` to the new version of `{name}`"
        yield (*at, "header"), message, "it needs `expose:` with `ingress: nginx` or `gateway`, or `mesh: istio`"


def _objective(app: ResolvedApp, at: Path_, name: str, service: Service, where: str) -> Iterator[Wrong]:
    if service.slo and not service.metrics:
        yield (*at, "slo"), f"`{name}` promises something and shows no metrics to measure it by", "add `metrics: /metrics`"
    if service.slo and service.slo.percentile and not service.slo.latency:
        yield (*at, "slo", "percentile"), f"`{name}` has a percentile and no `latency` to keep to", "such as `latency: 300ms`"


def _further(at: Path_, name: str, service: Service) -> Iterator[Wrong]:
    """Ports at which metrics would be read twice, or probes would find something else."""
    metrics, health = service.metrics, service.health
    taken = {service.port: "serves", (metrics and metrics.port) or service.port: "shows its metrics"}
    if health and health.port:
        taken.setdefault(health.port, "is asked how it is")
    for index, one in enumerate((metrics and metrics.also) or ()):
        if one.port in taken:
            yield (*at, "metrics", "also", index), f"`{name}` {taken[one.port]} at {one.port} already", ""
        taken[one.port] = "shows metrics"


def _triggers(app: ResolvedApp, at: Path_, name: str, service: Service, where: str) -> Iterator[Wrong]:
    for index, trigger in enumerate((service.scale and service.scale.on) or ()):
        place: Path_ = (*at, "scale", "on", index)
        kinds = [kind for kind in TRIGGERS if getattr(trigger, kind)]
        if len(kinds) != 1:
            said = f"is {' and '.join(kinds)} at once" if kinds else "does not say what moves the replicas"
            yield place, f"a trigger of `{name}` {said}", f"one of {', '.join(f'`{kind}`' for kind in TRIGGERS)}"
            continue
        kind = kinds[0]
        if kind in OF_KEDA and app.platform.autoscaling == "hpa":
            message = f"{where} an HPA scales `{name}`, and it understands no `{kind}`"
            yield place, message, "add `autoscaling: keda` to the platform"
        yield from _trigger(app, place, name, trigger, kind)


def _trigger(app: ResolvedApp, at: Path_, name: str, trigger: Trigger, kind: str) -> Iterator[Wrong]:
    if kind == "schedule":
        for key in ("until", "replicas"):
            if not getattr(trigger, key):
                yield at, f"the `schedule` of `{name}` has no `{key}`", ""
        return
    if not trigger.target:
        yield at, f"the trigger of `{name}` has no `target`", "how much one pod takes care of, such as 100"
    if kind == "list" and not (trigger.store in app.stores and app.stores[trigger.store or ""].redis):
        yield at, f"the list `{trigger.list}` of `{name}` is in no Redis of this app", "name one with `store:`"


def _store(app: ResolvedApp, at: Path_, name: str, store: StoreKeys, where: str) -> Iterator[Wrong]:
    if store.postgres and store.password is not None:
        yield (*at, "password"), f"`{name}` is a PostgreSQL, which always has a password", ""
    operated = store.postgres and not store.host and app.platform.postgres == "cloudnative-pg"
    if store.tls and not operated and app.environment != DEV and not store.host:
        message = f"{where} `{name}` is called with TLS, and the one that is rendered has no certificate"
        yield (*at, "tls"), message, "leave it out where nobody else runs the store"
    for key in ("backup", "instances"):
        if getattr(store, key) and not operated and app.environment != DEV and not store.host:
            message = f"{where} nothing looks after the {key} of `{name}`"
            yield (*at, key), message, "a PostgreSQL has them with `platform.postgres: cloudnative-pg`"
