"""NamespaceLifecycle: nothing is created in a namespace that is missing or going, and three namespaces stay for ever.

apiserver/pkg/admission/plugin/namespace/lifecycle/admission.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.twin import errors
from seatrial.twin.admission.plugins.refusal import forbidden
from seatrial.world.objects import Obj

if TYPE_CHECKING:
    from seatrial.twin.registry.options import Options
    from seatrial.twin.registry.registry import Registry

#: Namespaces that may not be deleted.
IMMORTAL = ("default", "kube-system", "kube-public")
#: A review of permissions may be asked of any namespace: whether it exists is no secret that it would tell.
_REVIEWS = ("localsubjectaccessreviews.authorization.k8s.io",)


def admit(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    name = (obj.get("metadata") or {}).get("namespace")
    if old is not None or not name or resource in _REVIEWS:
        return
    namespace = registry.find("namespaces", "", name)
    if namespace is None:
        raise errors.not_found("", "namespaces", name)
    if (namespace.get("status") or {}).get("phase") == "Terminating":
        raise _terminating(registry, resource, obj, name)


def _terminating(registry: Registry, resource: str, obj: Obj, name: str) -> errors.ApiError:
    why = f"unable to create new content in namespace {name} because it is being terminated"
    error = forbidden(registry, resource, obj, why)
    cause = {"reason": "NamespaceTerminating", "message": f"namespace {name} is being terminated", "field": "metadata.namespace"}
    error.details = {**(error.details or {}), "causes": [cause]}
    return error


def may_delete(name: str) -> None:
    """Refuse to delete a namespace that every cluster needs. Raises ApiError."""
    if name in IMMORTAL:
        raise errors.forbidden("", "namespaces", name, "this namespace may not be deleted")
