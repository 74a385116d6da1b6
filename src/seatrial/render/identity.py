"""Who a service or store is: a ServiceAccount each, and what makes it somebody at the cloud.

A process that never asks the Kubernetes API gets no token for it; one that has `permissions` does.  At a cloud it is the role of
its `identity`, by the annotation that AWS, Google or Azure look for; Azure's webhook wants a label on the pods, too.  Where the
Secrets Store CSI driver fetches secrets as the pod that mounts them, a pod without an identity of its own is
`platform.secretIdentity`.
"""

from __future__ import annotations

from seatrial.render.config import read_by
from seatrial.render.scope import SERVICE, STORE, Scope
from seatrial.world.objects import Obj

#: Which annotation tells a cloud who an account is there, by how the name of an identity begins or ends.
AWS, GOOGLE, AZURE = "eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id"
AZURE_TENANT, AZURE_LABEL = "azure.workload.identity/tenant-id", {"azure.workload.identity/use": "true"}


def service_account(scope: Scope, name: str) -> Obj:
    component = SERVICE if name in scope.app.services else STORE
    metadata = scope.meta(name, name, component)
    annotations = annotations_of(scope, identity(scope, name))
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": False}


def identity(scope: Scope, name: str) -> str | None:
    """Who a service or store is at the cloud, if anybody."""
    part = scope.app.services.get(name) or scope.app.stores[name]
    fetches = scope.app.platform.secrets == "csi" and read_by(scope.app, name)
    return part.identity or (scope.app.platform.secretIdentity if fetches else None)


def annotations_of(scope: Scope, who: str | None) -> dict[str, str]:
    """The annotations of an account that is `who` at the cloud."""
    if not who:
        return {}
    if who.startswith("arn:"):
        return {AWS: who}
    if who.endswith(".iam.gserviceaccount.com"):
        return {GOOGLE: who}
    tenant = scope.app.platform.secretTenant
    return {AZURE: who} | ({AZURE_TENANT: tenant} if tenant else {})


def labels(scope: Scope, name: str) -> dict[str, str]:
    """What the pods of a service or store must be labelled with to be who they are."""
    return dict(AZURE_LABEL) if AZURE in annotations_of(scope, identity(scope, name)) else {}
