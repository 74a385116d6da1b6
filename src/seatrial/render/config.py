"""ConfigMaps and Secrets, where secret values come from, and the checksums that roll pods when either changes.

The app file holds the names of secret variables, never their values.  With `platform.secrets: kubernetes` the values come with
the release (`render(…, secrets=…)`) and become a Secret; a service or store some of whose values are missing gets none, and
`missing` says which.  With `external-secrets` an ExternalSecret fetches them; with `existing` somebody else makes the Secret.
"""

from __future__ import annotations

from seatrial.app.resolve import ResolvedApp
from seatrial.render.scope import SERVICE, STORE, Scope, checksum
from seatrial.world.objects import Obj

#: How long External Secrets keeps what it fetched, and the kind of store it asks.
REFRESH, STORE_KIND = "1h", "ClusterSecretStore"


def config_map(scope: Scope, name: str) -> Obj | None:
    config = scope.app.services[name].config
    if not config:
        return None
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": scope.meta(name, name, SERVICE), "data": dict(config)}


def needed(app: ResolvedApp) -> dict[str, list[str]]:
    """The keys of every Secret that the app uses, by service or store, whoever makes it."""
    keys = {name: list(service.secrets) for name, service in app.services.items() if service.secrets}
    return keys | {name: ["password"] for name, store in app.stores.items() if store.postgres}


def missing(app: ResolvedApp, secrets: dict[str, dict[str, str]] | None = None) -> dict[str, list[str]]:
    """The keys whose values must come with the release and have not been given, by service or store."""
    if app.platform.secrets != "kubernetes":
        return {}
    given = secrets or {}
    absent = {name: [key for key in keys if key not in given.get(name, {})] for name, keys in needed(app).items()}
    return {name: keys for name, keys in absent.items() if keys}


def secret(scope: Scope, name: str) -> Obj | None:
    """What makes the Secret of a service or store, if it is ours to make."""
    keys = needed(scope.app).get(name)
    if not keys or scope.app.platform.secrets == "existing":
        return None
    component = SERVICE if name in scope.app.services else STORE
    if scope.app.platform.secrets == "external-secrets":
        return _external(scope, name, component, keys)
    values = _values(scope, name)
    if values is None:
        return None
    return {"apiVersion": "v1", "kind": "Secret", "metadata": scope.meta(name, name, component), "stringData": values}


def _values(scope: Scope, name: str) -> dict[str, str] | None:
    """The values of a Secret of ours, or None while some are missing."""
    keys = needed(scope.app).get(name, [])
    given = scope.secrets.get(name, {})
    ours = scope.app.platform.secrets == "kubernetes" and keys and all(key in given for key in keys)
    return {key: given[key] for key in keys} if ours else None


def _external(scope: Scope, name: str, component: str, keys: list[str]) -> Obj:
    remote = f"{scope.app.name}/{scope.app.environment}/{name}"
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": scope.meta(name, name, component),
        "spec": {
            "refreshInterval": REFRESH,
            "secretStoreRef": {"name": scope.app.platform.secretStore or scope.app.name, "kind": STORE_KIND},
            "target": {"name": name},
            "data": [{"secretKey": key, "remoteRef": {"key": remote, "property": key}} for key in keys],
        },
    }


def checksums(scope: Scope, name: str) -> dict[str, str]:
    """Annotations of a service's pods that change when its variables do. They cover the Secrets it reads of stores, too."""
    service = scope.app.services[name]
    sums = {"checksum/config": checksum(service.config)} if service.config else {}
    own = _values(scope, name)
    if own:
        sums["checksum/secret"] = checksum(own)
    for call in service.calls or ():
        of_store = _values(scope, call.name) if call.name in scope.app.stores else None
        if of_store:
            sums[f"checksum/secret-{call.name}"] = checksum(of_store)
    return sums


def store_checksum(scope: Scope, name: str) -> dict[str, str]:
    """The annotation of a store's pods that changes when its password does."""
    own = _values(scope, name)
    return {"checksum/secret": checksum(own)} if own else {}
