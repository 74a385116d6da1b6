"""What makes the Secrets that pods refer to, in each way `platform.secrets` knows. Their names and keys are always the same.

    kubernetes, sops   a Secret with the values that came with the release; with sops, packagers write it encrypted
    external-secrets   an ExternalSecret, which asks the app's own SecretStore (`secretProvider`), or a ClusterSecretStore that is
                       there: `platform.secretStore`, or the one called like the app
    csi                a SecretProviderClass, mounted by every pod that reads the Secret: the first mount makes it
    existing           nothing: somebody else makes them

Where a store of secrets keeps many values in one (AWS, Vault), a service or store has one there, `<prefix>/<name>`, and its keys
are that one's properties.  Google and Azure keep one value each: `<prefix>-<name>--<KEY>`, with a dash for whatever character
they do not allow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from seatrial.app.platform import Platform
from seatrial.render.config import GIVEN, needed, read_by, values
from seatrial.render.identity import annotations_of
from seatrial.render.scope import SERVICE, STORE, Scope
from seatrial.world.objects import Obj

#: How long External Secrets keeps what it fetched.
REFRESH = "1h"
#: The secrets engine of Vault that holds the values, in its second version, and where Kubernetes' accounts log in.
VAULT_ENGINE, VAULT_LOGIN = "secret", "kubernetes"
#: Stores of secrets that keep one value in each.
SINGLE = ("gcp", "azure")
#: What CloudNativePG wants the Secret of a database's owner to be.
BASIC_AUTH = "kubernetes.io/basic-auth"
CSI_DRIVER = "secrets-store.csi.k8s.io"


def makers(scope: Scope, name: str) -> list[Obj]:
    """What makes the Secret of a service or store, if it is ours to make."""
    keys = needed(scope.app).get(name)
    make = MAKERS.get(scope.app.platform.secrets or "")
    return make(scope, name, keys) if keys and make else []


def _meta(scope: Scope, name: str) -> Obj:
    return scope.meta(name, name, SERVICE if name in scope.app.services else STORE)


def owner(scope: Scope, name: str) -> str | None:
    """The user that must stand beside the password, where CloudNativePG reads the Secret."""
    store = scope.app.stores.get(name)
    operated = store and store.postgres and not store.host and scope.app.platform.postgres == "cloudnative-pg"
    return store.user if store and operated else None


def _given(scope: Scope, name: str, keys: list[str]) -> list[Obj]:
    found, user = values(scope, name), owner(scope, name)
    if found is None:
        return []
    head = {"apiVersion": "v1", "kind": "Secret", "metadata": _meta(scope, name)}
    return [{**head, "type": BASIC_AUTH, "stringData": {"username": user, **found}} if user else {**head, "stringData": found}]


# -- where the values are kept ---------------------------------------------------------------------------------------------


def remote(scope: Scope, name: str, key: str) -> tuple[str, str]:
    """The name of a value in the store of secrets, and the property of it ("" where it is the whole)."""
    platform = scope.app.platform
    prefix = platform.secretPrefix or f"{scope.app.name}/{scope.app.environment}"
    if platform.secretProvider not in SINGLE:
        return f"{prefix}/{name}", key
    allowed = r"[^A-Za-z0-9-]" if platform.secretProvider == "azure" else r"[^A-Za-z0-9_-]"
    return re.sub(allowed, "-", f"{prefix}-{name}--{key}"), ""


def account_name(scope: Scope) -> str:
    """The account with which External Secrets asks for this app's secrets."""
    return f"{scope.app.name}-secrets"


def shared(scope: Scope) -> list[Obj]:
    """What all ExternalSecrets of an app have in common: its SecretStore, and the account with which that asks."""
    platform = scope.app.platform
    provider = platform.secretProvider
    if platform.secrets != "external-secrets" or not provider or not needed(scope.app):
        return []
    asks = platform.secretIdentity or provider == "vault"
    account = account_name(scope) if asks and not platform.secretCredentials else None
    metadata: Obj = {"namespace": scope.app.namespace, "labels": scope.common()}
    store = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "SecretStore",
        "metadata": {"name": scope.app.name, **metadata},
        "spec": {"provider": PROVIDERS[provider](scope, platform, account)},
    }
    if account is None:
        return [store]
    annotations = annotations_of(scope, platform.secretIdentity)
    named = {"name": account, **metadata, **({"annotations": annotations} if annotations else {})}
    return [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named, "automountServiceAccountToken": False}, store]


def _aws(scope: Scope, platform: Platform, account: str | None) -> Obj:
    """By the account's role; without one, by keys in a Secret, or by the role of External Secrets itself."""
    aws: Obj = {"service": "SecretsManager", "region": platform.secretVault or platform.region}
    if platform.secretCredentials:
        keys = {"accessKeyIDSecretRef": "access-key-id", "secretAccessKeySecretRef": "secret-access-key"}
        return {"aws": aws | {"auth": {"secretRef": _keys(platform, keys)}}}
    return {"aws": aws | ({"auth": {"jwt": {"serviceAccountRef": {"name": account}}}} if account else {})}


def _gcp(scope: Scope, platform: Platform, account: str | None) -> Obj:
    found: Obj = {"projectID": platform.secretVault}
    if platform.secretCredentials:
        return {"gcpsm": found | {"auth": {"secretRef": _keys(platform, {"secretAccessKeySecretRef": "credentials.json"})}}}
    return {"gcpsm": found | ({"auth": {"workloadIdentity": {"serviceAccountRef": {"name": account}}}} if account else {})}


def _azure(scope: Scope, platform: Platform, account: str | None) -> Obj:
    found: Obj = {"vaultUrl": platform.secretVault, "tenantId": platform.secretTenant, "authType": "WorkloadIdentity"}
    if platform.secretCredentials:
        asked = _keys(platform, {"clientId": "client-id", "clientSecret": "client-secret"})
        return {"azurekv": found | {"authType": "ServicePrincipal", "authSecretRef": asked}}
    return {"azurekv": found | ({"serviceAccountRef": {"name": account}} if account else {})}


def _vault(scope: Scope, platform: Platform, account: str | None) -> Obj:
    vault: Obj = {"server": platform.secretVault, "path": VAULT_ENGINE, "version": "v2"}
    if platform.secretCredentials:
        return {"vault": vault | {"auth": _keys(platform, {"tokenSecretRef": "token"})}}
    login = {"mountPath": VAULT_LOGIN, "role": vault_role(scope), "serviceAccountRef": {"name": account}}
    return {"vault": vault | {"auth": {"kubernetes": login}}}


def _keys(platform: Platform, keys: Mapping[str, str]) -> Obj:
    """Credentials by reference: each field, and the key of the Secret that has it."""
    return {field: {"name": platform.secretCredentials, "key": key} for field, key in keys.items()}


PROVIDERS: Mapping[str, Callable[[Scope, Platform, str | None], Obj]] = {
    "aws": _aws,
    "gcp": _gcp,
    "azure": _azure,
    "vault": _vault,
}


def vault_role(scope: Scope) -> str:
    """The role of Vault that this app's accounts may take in this environment."""
    return f"{scope.app.name}-{scope.app.environment}"


# -- External Secrets ----------------------------------------------------------------------------------------------------


def _external(scope: Scope, name: str, keys: list[str]) -> list[Obj]:
    platform = scope.app.platform
    store = platform.secretStore or scope.app.name
    reference = {"name": store, "kind": "ClusterSecretStore"}
    if platform.secretProvider:
        reference = {"name": scope.app.name, "kind": "SecretStore"}
    data = []
    for key in keys:
        title, part = remote(scope, name, key)
        data.append({"secretKey": key, "remoteRef": {"key": title, **({"property": part} if part else {})}})
    target: Obj = {"name": name}
    user = owner(scope, name)
    if user:  # what is fetched is laid beside what is known
        fetched = {key: f"{{{{ .{key} }}}}" for key in keys}
        target["template"] = {"type": BASIC_AUTH, "data": {"username": user, **fetched}}
    spec = {"refreshInterval": REFRESH, "secretStoreRef": reference, "target": target, "data": data}
    metadata = _meta(scope, name)
    return [{"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": metadata, "spec": spec}]


# -- the Secrets Store CSI driver ----------------------------------------------------------------------------------------


def _csi(scope: Scope, name: str, keys: list[str]) -> list[Obj]:
    """The driver fetches files, one a key, and makes the Secret of them while any pod has them mounted."""
    platform = scope.app.platform
    user = owner(scope, name)
    wanted = ["username", *keys] if user else keys
    made = {
        "secretName": name,
        "type": BASIC_AUTH if user else "Opaque",
        "labels": scope.common(),
        "data": [{"objectName": key, "key": key} for key in wanted],
    }
    spec = {
        "provider": platform.secretProvider,
        "parameters": CSI_PARAMETERS[platform.secretProvider or ""](scope, name, wanted),
        "secretObjects": [made],
    }
    metadata = _meta(scope, name)
    return [{"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": metadata, "spec": spec}]


def _lines(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def _csi_aws(scope: Scope, name: str, keys: list[str]) -> dict[str, str]:
    title, _ = remote(scope, name, keys[0])
    paths = [line for key in keys for line in (f"    - path: {key}", f"      objectAlias: {key}")]
    objects = _lines(f'- objectName: "{title}"', '  objectType: "secretsmanager"', "  jmesPath:", *paths)
    return {"region": str(scope.app.platform.secretVault or scope.app.platform.region), "objects": objects}


def _csi_gcp(scope: Scope, name: str, keys: list[str]) -> dict[str, str]:
    project = scope.app.platform.secretVault
    lines = []
    for key in keys:
        resource = f"projects/{project}/secrets/{remote(scope, name, key)[0]}/versions/latest"
        lines += [f'- resourceName: "{resource}"', f'  path: "{key}"']
    return {"auth": "pod-adc", "secrets": _lines(*lines)}


def _csi_azure(scope: Scope, name: str, keys: list[str]) -> dict[str, str]:
    platform = scope.app.platform
    service = scope.app.services.get(name)
    who = platform.secretIdentity or (service.identity if service else None) or ""
    lines = ["array:"]
    for key in keys:
        title = remote(scope, name, key)[0]
        lines += ["  - |", f"    objectName: {title}", "    objectType: secret", f"    objectAlias: {key}"]
    vault = (platform.secretVault or "").removeprefix("https://").partition(".")[0]
    found = {"clientID": who} if who else {}
    return found | {"keyvaultName": vault, "tenantId": platform.secretTenant or "", "objects": _lines(*lines)}


def _csi_vault(scope: Scope, name: str, keys: list[str]) -> dict[str, str]:
    title, _ = remote(scope, name, keys[0])
    lines = []
    for key in keys:
        lines += [f'- objectName: "{key}"', f'  secretPath: "{VAULT_ENGINE}/data/{title}"', f'  secretKey: "{key}"']
    return {"vaultAddress": scope.app.platform.secretVault or "", "roleName": vault_role(scope), "objects": _lines(*lines)}


CSI_PARAMETERS: Mapping[str, Callable[[Scope, str, list[str]], dict[str, str]]] = {
    "aws": _csi_aws,
    "gcp": _csi_gcp,
    "azure": _csi_azure,
    "vault": _csi_vault,
}


def mounted(scope: Scope, name: str) -> tuple[list[Obj], list[Obj]]:
    """The volumes of a pod that have the CSI driver make the Secrets it reads, and their mounts."""
    if scope.app.platform.secrets != "csi":
        return [], []
    volumes, mounts = [], []
    for secret in read_by(scope.app, name):
        csi = {"driver": CSI_DRIVER, "readOnly": True, "volumeAttributes": {"secretProviderClass": secret}}
        volumes.append({"name": f"secrets-{secret}", "csi": csi})
        mounts.append({"name": f"secrets-{secret}", "mountPath": f"/mnt/secrets/{secret}", "readOnly": True})
    return volumes, mounts


MAKERS: Mapping[str, Callable[[Scope, str, list[str]], list[Obj]]] = {
    **dict.fromkeys(GIVEN, _given),
    "external-secrets": _external,
    "csi": _csi,
}
