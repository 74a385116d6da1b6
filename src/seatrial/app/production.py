"""Combinations of one environment that Kubernetes or an operator would accept and that cannot work, each with the way out.

The platform is known here, which the file alone does not show: who rolls a canary and who judges it, what moves the replicas, who
looks after a store.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from seatrial.app.document import Path_
from seatrial.app.fitting import is_zone
from seatrial.app.model import Canary, Platform, Service, StoreKeys, Trigger
from seatrial.app.resolve import DEV, ResolvedApp
from seatrial.app.unknown import known
from seatrial.app.wrong import OfApp, OfService, OfStore, Wrong

#: What kinds of trigger there are, which of them only KEDA understands, and the keys that each has besides its own.
TRIGGERS = ("metric", "prometheus", "list", "schedule")
OF_KEDA = ("prometheus", "list", "schedule")
KEYS_OF = {
    "metric": ("target",),
    "prometheus": ("target",),
    "list": ("store", "target"),
    "schedule": ("until", "replicas", "timeZone"),
}
#: The shares a new version gets when the file does not say, in percent.
STEPS = (10, 25, 50, 75)


# -- the platform --------------------------------------------------------------------------------------------------------


def _ingress(app: ResolvedApp) -> Iterator[Wrong]:
    if app.platform.ingress == "istio" and app.platform.mesh != "istio":
        message = "the world comes in by Istio, and there is no mesh"
        yield Wrong(("platform", "ingress"), message, "add `mesh: istio`", here=True)


def _dashboards(app: ResolvedApp) -> Iterator[Wrong]:
    if app.platform.dashboards and app.platform.monitoring == "none":
        message = "there are dashboards, and nothing that reads metrics"
        yield Wrong(("platform", "dashboards"), message, "add `monitoring: prometheus-operator`", here=True)


OF_APP: tuple[OfApp, ...] = (_ingress, _dashboards)

# -- canaries ------------------------------------------------------------------------------------------------------------


def _steps(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    steps = (service.canary and service.canary.steps) or ()
    if any(later <= earlier for earlier, later in pairwise(steps)):
        message = f"the steps of `{name}` do not grow: {', '.join(f'{step}%' for step in steps)}"
        yield Wrong(("services", name, "canary", "steps"), message, "each step is a larger share than the one before")


def _checks(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    for title in (service.canary and service.canary.checks) or {}:
        yield from known(_bounds(name, service, title))


def _bounds(name: str, service: Service, title: str) -> Iterator[Wrong]:
    check = ((service.canary and service.canary.checks) or {})[title]
    if (check.min is None) == (check.max is None):
        both = "" if check.min is None else ", and not both"
        path: Path_ = ("services", name, "canary", "checks", title)
        yield Wrong(path, f"`{title}` has to say how much is right", f"either `min` or `max`{both}")


def _rolled(app: ResolvedApp, service: Service) -> Canary | None:
    """The canary of a service, where something rolls it."""
    return service.canary if app.platform.rollouts != "none" else None


def _judged(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    if not _rolled(app, service):
        return
    at: Path_ = ("services", name, "canary")
    platform = app.platform
    if platform.monitoring == "none" and not platform.prometheus:
        message = f"the canary of `{name}` has nothing to be judged by: no Prometheus reads its metrics"
        yield Wrong(at, message, "add `monitoring: prometheus-operator` or `prometheus:` to the platform", here=True)
    elif not service.metrics and platform.mesh == "none":  # in a mesh, proxies count its requests
        yield Wrong(at, f"the canary of `{name}` has nothing to be judged by: it shows no metrics", "add `metrics: /metrics`")


def _header(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    canary = _rolled(app, service)
    if not canary or not canary.header:
        return
    entered = service.expose and app.platform.ingress in ("nginx", "gateway")
    by_replicas = service.expose and app.platform.ingress == "traefik"
    if by_replicas or not (entered or app.platform.mesh == "istio"):
        message = f"nothing can lead requests with `{canary.header}` to the new version of `{name}`"
        hint = "it needs `expose:` with `ingress: nginx` or `gateway`, or `mesh: istio`"
        yield Wrong(("services", name, "canary", "header"), message, hint, here=True)


def by_pods(platform: Platform, service: Service) -> bool:
    """Whether the shares of a canary are shares of its pods, for nothing shares out requests."""
    if service.expose and platform.ingress == "traefik":
        return True
    return platform.mesh != "istio" and not (service.expose and platform.ingress in ("nginx", "gateway"))


def _shares(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    """What so few pods can be shared out into. At a step there are `ceil` of its share of new pods beside the others."""
    canary = _rolled(app, service)
    if not canary or not by_pods(app.platform, service):
        return
    low = (service.scale.min if service.scale else service.replicas) or 1
    least = (canary.steps or STEPS)[0]
    if low == 1:
        message = f"the canary of `{name}` is a share of its pods, and there is one pod: every step would be half of the requests"
        hint = "have more `replicas` (or a larger `scale.min`), or let a mesh, the Gateway API or nginx share requests out"
        yield Wrong(("services", name, "canary"), message, hint, here=True)
    elif least * (low + 1) < 100:
        share = round(100 / (low + 1))
        message = (
            f"the first step of `{name}` is {least}%, and one of {low + 1} pods is {share}%: nothing but pods shares out requests"
        )
        hint = "a mesh, the Gateway API or nginx can give smaller shares"
        yield Wrong(("services", name, "canary"), message, hint, here=True, odd=True, rule="rollout-coarse")


def _objective(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    if service.slo and not service.metrics:
        message = f"`{name}` promises something and shows no metrics to measure it by"
        yield Wrong(("services", name, "slo"), message, "add `metrics: /metrics`")


def _percentile(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    if service.slo and service.slo.percentile and not service.slo.latency:
        message = f"`{name}` has a percentile and no `latency` to keep to"
        yield Wrong(("services", name, "slo", "percentile"), message, "such as `latency: 300ms`")


def _further(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    """Ports at which metrics would be read twice, or probes would find something else."""
    metrics, health = service.metrics, service.health
    taken = {service.port: "serves", (metrics and metrics.port) or service.port: "shows its metrics"}
    if health and health.port:
        taken.setdefault(health.port, "is asked how it is")
    for index, one in enumerate((metrics and metrics.also) or ()):
        if one.port in taken:
            path: Path_ = ("services", name, "metrics", "also", index)
            yield Wrong(path, f"`{name}` {taken[one.port]} at {one.port} already", "give the port of the other metrics")
        taken[one.port] = "shows metrics"


# -- what moves replicas ---------------------------------------------------------------------------------------------------


def _triggers(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    for index, trigger in enumerate((service.scale and service.scale.on) or ()):
        at: Path_ = ("services", name, "scale", "on", index)
        kinds = list(known(_kinds(trigger)))
        if len(kinds) == 1:
            for check in OF_TRIGGER:
                yield from known(check(app, at, name, trigger, kinds[0]))
        else:
            yield from known(_kind(at, name, trigger))
    yield from known(_most(app, name, service))


def _kinds(trigger: Trigger) -> Iterator[str]:
    yield from [kind for kind in TRIGGERS if getattr(trigger, kind)]


def _kind(at: Path_, name: str, trigger: Trigger) -> Iterator[Wrong]:
    kinds = list(_kinds(trigger))
    said = f"is {' and '.join(kinds)} at once" if kinds else "does not say what moves the replicas"
    yield Wrong(at, f"a trigger of `{name}` {said}", f"one of {', '.join(f'`{kind}`' for kind in TRIGGERS)}")


def _scaler(app: ResolvedApp, at: Path_, name: str, trigger: Trigger, kind: str) -> Iterator[Wrong]:
    scaler = app.platform.autoscaling
    if kind in OF_KEDA and scaler == "hpa":
        message = f"an HPA scales `{name}`, and it understands no `{kind}`"
        yield Wrong(at, message, "add `autoscaling: keda` to the platform", here=True)
    elif kind in OF_KEDA and scaler == "none":
        message = f"nothing scales `{name}`, whatever its `{kind}` says: `autoscaling` is none"
        yield Wrong(at, message, "add `autoscaling: keda` to the platform", here=True)
    elif kind == "prometheus" and app.platform.monitoring == "none" and not app.platform.prometheus:
        message = f"no Prometheus answers the query that scales `{name}`"
        yield Wrong(at, message, "add `monitoring: prometheus-operator` or `prometheus:` to the platform", here=True)


def _schedule(app: ResolvedApp, at: Path_, name: str, trigger: Trigger, kind: str) -> Iterator[Wrong]:
    if kind != "schedule":
        return
    for key, such in (("until", '"0 19 * * 1-5"'), ("replicas", "5")):
        if not getattr(trigger, key):
            yield Wrong(at, f"the `schedule` of `{name}` has no `{key}`", f"such as `{key}: {such}`")
    if trigger.until and trigger.until == trigger.schedule:
        yield Wrong((*at, "until"), f"the `schedule` of `{name}` is over when it begins: {trigger.until}", "let `until` be later")
    if trigger.timeZone and not is_zone(trigger.timeZone):
        yield Wrong((*at, "timeZone"), f"there is no time zone `{trigger.timeZone}`", "such as Europe/Paris")


def _target(app: ResolvedApp, at: Path_, name: str, trigger: Trigger, kind: str) -> Iterator[Wrong]:
    if kind == "schedule":
        return
    if trigger.target is None:
        message = f"the trigger of `{name}` by `{kind}` has no `target`"
        yield Wrong(at, message, "how much one pod takes care of, such as `target: 100`")
    elif trigger.target <= 0:
        message = f"the `target` of `{name}` is {trigger.target:g}: no number of pods would be enough"
        yield Wrong((*at, "target"), message, "how much one pod takes care of, such as `target: 100`")


def _list(app: ResolvedApp, at: Path_, name: str, trigger: Trigger, kind: str) -> Iterator[Wrong]:
    if kind != "list":
        return
    store = app.stores.get(trigger.store or "")
    if not (store and store.redis):
        said = f"`{trigger.store}`, which is no Redis of this app" if trigger.store else "no Redis of this app"
        redises = [name for name, one in app.stores.items() if one.redis]
        hint = f"name one with `store:`, such as `store: {redises[0]}`" if redises else "add a store, such as `cache: {redis: 7}`"
        yield Wrong(at, f"the list `{trigger.list}` of `{name}` is in {said}", hint)


def _foreign(app: ResolvedApp, at: Path_, name: str, trigger: Trigger, kind: str) -> Iterator[Wrong]:
    for key in ("store", "target", "until", "replicas", "timeZone"):
        if key not in KEYS_OF[kind] and getattr(trigger, key) is not None:
            takes = ", ".join(f"`{word}`" for word in KEYS_OF[kind])
            yield Wrong((*at, key), f"a trigger by `{kind}` takes no `{key}`", f"it takes {takes}")


OF_TRIGGER = (_scaler, _schedule, _target, _list, _foreign)


def _most(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    """What a schedule asks for, and the most there may be."""
    scale = service.scale
    for index, trigger in enumerate((scale and scale.on) or ()):
        if scale and trigger.schedule and (trigger.replicas or 0) > (scale.max or 1):
            message = f"a schedule asks for {trigger.replicas} replicas of `{name}`, and `max` is {scale.max}"
            at: Path_ = ("services", name, "scale")
            asked, most = app.origin((*at, "on")), app.origin((*at, "max"))
            later = bool(asked and most and asked.layer.rpartition(".")[0] != most.layer.rpartition(".")[0])
            yield Wrong((*at, "on", index, "replicas"), message, f"raise `max` to {trigger.replicas}", here=True, odd=later)


def _still(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    """A range in which nothing moves."""
    scale, at = service.scale, ("services", name, "scale")
    if not scale:
        return
    if (scale.min or 1) == (scale.max or 1):
        message = f"the `scale` of `{name}` does not move: its least and its most are {scale.min}"
        yield Wrong(at, message, "raise `max`, or say `replicas`", here=True, odd=True)
    elif app.platform.autoscaling == "none" and not any(one.prometheus or one.list or one.schedule for one in scale.on or ()):
        message = f"nothing scales `{name}`: `autoscaling` is none, so there are always {scale.min} of it and never {scale.max}"
        yield Wrong(at, message, "have `autoscaling: hpa`, or say `replicas`", here=True, odd=True)


OF_SERVICE: tuple[OfService, ...] = (
    *(_steps, _checks, _judged, _header, _shares, _objective, _percentile, _further, _triggers, _still),
)

# -- stores --------------------------------------------------------------------------------------------------------------


def _password(app: ResolvedApp, name: str, store: StoreKeys) -> Iterator[Wrong]:
    if store.postgres and store.password is not None:
        message = f"`{name}` is a PostgreSQL, which always has a password"
        yield Wrong(("stores", name, "password"), message, "leave `password` out: it is for a Redis")


def _operated(app: ResolvedApp, store: StoreKeys) -> bool:
    return bool(store.postgres) and not store.host and app.platform.postgres == "cloudnative-pg"


def _tls(app: ResolvedApp, name: str, store: StoreKeys) -> Iterator[Wrong]:
    if store.tls and app.environment != DEV and not store.host and not _operated(app, store):
        message = f"`{name}` is called with TLS, and the one that is rendered has no certificate"
        hint = "leave it out where nobody else runs the store (a PostgreSQL has one with `platform.postgres: cloudnative-pg`)"
        yield Wrong(("stores", name, "tls"), message, hint, here=True)


def _looked_after(app: ResolvedApp, name: str, store: StoreKeys) -> Iterator[Wrong]:
    for key in ("backup", "instances"):
        if getattr(store, key) and app.environment != DEV and not store.host and not _operated(app, store):
            what = "backup" if key == "backup" else f"{store.instances} instances"
            message = f"nothing looks after the {what} of `{name}`"
            redis = "a Redis is one pod here: leave it out, or name another's with `host:`"
            hint = redis if store.redis else "a PostgreSQL has them with `platform.postgres: cloudnative-pg`"
            yield Wrong(("stores", name, key), message, hint, here=True)


OF_STORE: tuple[OfStore, ...] = (_password, _tls, _looked_after)
