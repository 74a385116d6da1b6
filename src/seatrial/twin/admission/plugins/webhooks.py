"""Admission webhooks that nobody answers: what they are for is refused, or let through, as their failurePolicy says.

Whether a webhook is asked: apiserver's pkg/admission/plugin/webhook/{generic/webhook.go,predicates}; the words of the failure:
errors/statuserror.go and util/webhook/webhook.go.  A webhook whose Service has pods that are ready would have to be called over
TLS; it is not, and lets everything through.  So do those that are called by URL, and those with matchConditions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from seatrial.twin import errors
from seatrial.world.objects import Obj, dig, labels_of
from seatrial.world.selectors import matches

if TYPE_CHECKING:
    from seatrial.twin.registry.options import Options
    from seatrial.twin.registry.registry import Registry

_GROUP = "admissionregistration.k8s.io"
CONFIGURATIONS = (f"mutatingwebhookconfigurations.{_GROUP}", f"validatingwebhookconfigurations.{_GROUP}")
#: What the control plane makes for the sake of others, and so what it is refused; the rest it needs to go on at all.
MADE = frozenset({"pods", "replicasets.apps", "jobs.batch", "persistentvolumeclaims"})
CONTROLLERS, OWN = "system:kube-controller-manager", ("system:apiserver", "system:node:", "system:kube-scheduler")


def check(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    """Refuse a new object that a webhook which must be asked cannot be asked about. Raises ApiError."""
    if old is not None or resource.endswith(_GROUP) or options.user.startswith(OWN):
        return
    if options.user == CONTROLLERS and resource not in MADE:
        return
    for hook in _asked(registry, resource, obj):
        why = _unanswered(registry, hook)
        if why and hook.get("failurePolicy", "Fail") == "Fail":
            raise errors.internal(f'failed calling webhook "{hook.get("name")}": failed to call webhook: {why}')


def _asked(registry: Registry, resource: str, obj: Obj) -> Iterator[Obj]:
    """The webhooks that are for the creation of an object, the mutating ones first."""
    for configurations in CONFIGURATIONS:
        for configuration in registry.list(configurations):
            for hook in configuration.get("webhooks") or ():
                if any(_for(rule, resource, obj) for rule in hook.get("rules") or ()) and _chosen(registry, hook, resource, obj):
                    yield hook


def _for(rule: Obj, resource: str, obj: Obj) -> bool:
    plural, _, _ = resource.partition(".")
    group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
    inside = bool(dig(obj, "metadata.namespace"))
    scope = rule.get("scope") or "*"
    return (
        _any(rule.get("operations"), "CREATE")
        and _any(rule.get("apiGroups"), group)
        and _any(rule.get("apiVersions"), version)
        and (_any(rule.get("resources"), plural) or "*/*" in (rule.get("resources") or ()))
        and scope in ("*", "Namespaced" if inside else "Cluster")
    )


def _any(words: Any, word: str) -> bool:
    return "*" in (words or ()) or word in (words or ())


def _chosen(registry: Registry, hook: Obj, resource: str, obj: Obj) -> bool:
    if hook.get("matchConditions") or not matches(hook.get("objectSelector") or {}, labels_of(obj)):
        return False
    if resource == "namespaces":
        return matches(hook.get("namespaceSelector") or {}, labels_of(obj))
    space = dig(obj, "metadata.namespace")
    if not space:
        return True
    namespace = registry.find("namespaces", "", space)
    return namespace is not None and matches(hook.get("namespaceSelector") or {}, labels_of(namespace))


def _unanswered(registry: Registry, hook: Obj) -> str:
    """Why a webhook cannot be called, in the words of the API server; "" where it could be."""
    where = dig(hook, "clientConfig.service")
    if not where:
        return ""
    name, space, port = str(where.get("name")), str(where.get("namespace")), int(where.get("port") or 443)
    url = f"https://{name}.{space}.svc:{port}{where.get('path') or ''}?timeout={hook.get('timeoutSeconds') or 10}s"
    service = registry.find("services", space, name)
    if service is None:
        return f'Post "{url}": service "{name}" not found'
    if port not in [each.get("port") for each in dig(service, "spec.ports", [])]:
        return f'Post "{url}": no service port {port} found for service "{name}"'
    if dig(service, "spec.type") == "ExternalName" or not dig(service, "spec.selector") or _is_served(registry, space, name):
        return ""
    return f'Post "{url}": dial tcp {dig(service, "spec.clusterIP")}:{port}: connect: connection refused'


def _is_served(registry: Registry, space: str, name: str) -> bool:
    """Whether a Service has an endpoint that is ready."""
    for piece in registry.list("endpointslices.discovery.k8s.io", space):
        if labels_of(piece).get("kubernetes.io/service-name") == name:
            ready = (dig(each, "conditions.ready", True) is not False for each in piece.get("endpoints") or ())
            if any(ready):
                return True
    return False
