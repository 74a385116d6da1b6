"""An app in an environment as the Kubernetes objects that production needs. Pure: the same input gives the same objects.

One module a concern; this one says in which order their objects stand, which is an order they can be applied in: the
namespace and its bounds, then what others refer to, then stores before the services that call them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from seatrial.app.model import App
from seatrial.app.resolve import ResolvedApp, resolve
from seatrial.render import (
    alerts,
    analysis,
    authorization,
    cloudnative,
    collector,
    config,
    dashboard,
    delivery,
    entry,
    gateway,
    gitops,
    identity,
    jobs,
    mesh,
    namespace,
    network,
    permissions,
    scaling,
    secrets,
    store,
    telemetry,
    tracing,
    workload,
)
from seatrial.render.config import missing, needed
from seatrial.render.scope import Scope
from seatrial.world.objects import Obj, clone

__all__ = ["missing", "needed", "render"]

Secrets = Mapping[str, Mapping[str, str]]


def render(
    app: App | ResolvedApp, environment: str = "", *, images: Mapping[str, str] | None = None, secrets: Secrets | None = None
) -> list[Obj]:
    """The objects of an app, in an order in which they can be applied.

    `images` replaces the images of services by name. `secrets` are the values of secret variables, by service or store and
    key; `needed` says which there are and `missing` which are not given. Raises UnknownEnvironmentError.
    """
    resolved = app if isinstance(app, ResolvedApp) else resolve(app, environment)
    scope = Scope(resolved, images or {}, secrets or {})
    objects = [clone(obj) for obj in _objects(scope) if obj is not None]  # no two objects share a part
    return list(gitops.in_waves(scope, objects))


def _objects(scope: Scope) -> Iterator[Obj | None]:
    order = scope.app.order()
    services = [name for name in order if name in scope.app.services]
    stores = [name for name in order if name in scope.app.stores]
    elsewhere = [name for name in stores if scope.app.stores[name].host or cloudnative.is_operated(scope, name)]
    own = [name for name in order if name not in elsewhere]
    yield namespace.namespace(scope)
    yield namespace.quota(scope)
    yield namespace.limit_range(scope)
    yield network.default_deny(scope)
    yield from entry.policies(scope)
    yield from mesh.peer_authentications(scope)
    yield from authorization.policies(scope)
    yield from gateway.certificates(scope)
    yield gateway.gateway(scope)
    yield mesh.gateway(scope)
    for name in own:
        yield identity.service_account(scope, name)
    for name in services:
        yield from permissions.objects(scope, name)
    yield from secrets.shared(scope)
    for name in order:
        yield from secrets.makers(scope, name)
    for name in services:
        yield config.config_map(scope, name)
    yield from collector.collector(scope)
    yield tracing.instrumentation(scope)
    for name in stores:
        if cloudnative.is_operated(scope, name):
            yield from cloudnative.objects(scope, name)
        else:
            yield from store.services(scope, name)
            yield network.store_policy(scope, name)
            yield store.stateful_set(scope, name)
        yield alerts.store_rules(scope, name)
    for name in services:
        yield from network.services(scope, name)
        yield from network.service_policies(scope, name)
        yield jobs.migration(scope, name)
        yield analysis.template(scope, name) if delivery.is_rollout(scope, name) else None
        yield workload.workload(scope, name)
        yield from scaling.autoscalers(scope, name)
        yield scaling.disruption_budget(scope, name)
        yield from jobs.cron_jobs(scope, name)
        yield network.ingress(scope, name)
        yield from gateway.routes(scope, name)
        yield from mesh.virtual_services(scope, name)
        yield from mesh.destination_rules(scope, name)
        yield from telemetry.monitors(scope, name)
        yield alerts.service_rules(scope, name)
    yield dashboard.dashboard(scope)
