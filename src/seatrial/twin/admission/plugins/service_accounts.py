"""ServiceAccount: every pod runs as one, with its token mounted and its pull secrets.

plugin/pkg/admission/serviceaccount/admission.go. A new namespace's `default` account is made by a controller a moment
later; the API server waits for it up to a second, here the account is made at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.twin.admission.plugins.refusal import forbidden
from seatrial.twin.errors import ApiError
from seatrial.world.objects import Obj, annotations_of

if TYPE_CHECKING:
    from seatrial.twin.registry.options import Options
    from seatrial.twin.registry.registry import Registry

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path, no secret
VOLUME_PREFIX = "kube-api-access-"
#: Seconds a mounted token lives; a little over an hour, by which the server knows tokens of its own making.
TOKEN_SECONDS = 3607
MIRROR = "kubernetes.io/config.mirror"
_ENFORCE_SECRETS = "kubernetes.io/enforce-mountable-secrets"


def admit(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    if resource != "pods" or old is not None:
        return
    spec = obj["spec"]
    if MIRROR in annotations_of(obj):
        _check_mirror(registry, obj)
        return
    name = spec.get("serviceAccountName") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    account = _account(registry, obj, obj["metadata"].get("namespace", ""), name)
    if annotations_of(account).get(_ENFORCE_SECRETS) == "true":
        _check_secrets(registry, obj, account)
    if _automounts(spec, account):
        _mount(registry, spec)
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = [dict(secret) for secret in account["imagePullSecrets"]]


def _account(registry: Registry, pod: Obj, namespace: str, name: str) -> Obj:
    account = registry.find("serviceaccounts", namespace, name)
    if account is None and name == "default":
        try:
            account = registry.create(
                "serviceaccounts",
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
            )
        except ApiError:
            account = None
    if account is None:
        why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
        raise forbidden(registry, "pods", pod, why)
    return account


def _automounts(spec: Obj, account: Obj) -> bool:
    for decides in (spec, account):
        if decides.get("automountServiceAccountToken") is not None:
            return bool(decides["automountServiceAccountToken"])
    return True


def _mount(registry: Registry, spec: Obj) -> None:
    volumes = spec.get("volumes") or []
    present = [v["name"] for v in volumes if v.get("projected") is not None and v.get("name", "").startswith(VOLUME_PREFIX)]
    name = present[0] if present else VOLUME_PREFIX + registry.suffix()
    needed = False
    for kind in ("initContainers", "containers"):
        for container in spec.get(kind) or ():
            mounts = container.get("volumeMounts") or []
            if not any(mount.get("mountPath") == TOKEN_PATH for mount in mounts):
                container["volumeMounts"] = [*mounts, {"name": name, "readOnly": True, "mountPath": TOKEN_PATH}]
                needed = True
    if needed and not present:
        spec["volumes"] = [*volumes, {"name": name, "projected": token_volume()}]


def token_volume() -> Obj:
    """The projected volume of a pod's API token, the cluster's CA and its namespace."""
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [namespace]}},
        ],
        "defaultMode": 0o644,
    }


def _check_mirror(registry: Registry, pod: Obj) -> None:
    if pod["spec"].get("serviceAccountName"):
        raise forbidden(registry, "pods", pod, "a mirror pod may not reference service accounts")
    if any(volume.get("secret") is not None for volume in pod["spec"].get("volumes") or ()):
        raise forbidden(registry, "pods", pod, "a mirror pod may not reference secrets")


def _check_secrets(registry: Registry, pod: Obj, account: Obj) -> None:
    """An account may insist that its pods use no secrets but those that it names."""
    allowed = {secret.get("name") for secret in account.get("secrets") or ()}
    refused = f"is not allowed because service account {account['metadata']['name']} does not reference that secret"
    for volume in pod["spec"].get("volumes") or ():
        name = (volume.get("secret") or {}).get("secretName")
        if name and name not in allowed:
            raise forbidden(registry, "pods", pod, f'volume with secret.secretName="{name}" {refused}')
    for kind, label in (("initContainers", "init container"), ("containers", "container")):
        for container in pod["spec"].get(kind) or ():
            for variable in container.get("env") or ():
                name = ((variable.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name")
                if name and name not in allowed:
                    where = f"{label} {container['name']} with envVar {variable['name']}"
                    raise forbidden(registry, "pods", pod, f'{where} referencing secret.secretName="{name}" {refused}')
