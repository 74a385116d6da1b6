"""What a service is told: its ConfigMap, which secret values it needs, and the checksums that roll pods when either changes.

The app file holds the names of secret variables, never their values.  Where they come with the release (`platform.secrets`:
kubernetes, or sops, which encrypts the files they travel in), `render(…, secrets=…)` is given them; a service or store some of
whose values are missing gets no Secret, and `missing` says which.  What makes Secrets is in `secrets`.
"""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.app.model import StoreKeys
from seatrial.app.resolve import ResolvedApp
from seatrial.render.scope import SERVICE, Scope, checksum
from seatrial.world.objects import Obj

#: Where secret values come with the release.
GIVEN = ("kubernetes", "sops")


def config_map(scope: Scope, name: str) -> Obj | None:
    config = scope.app.services[name].config
    if not config:
        return None
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": scope.meta(name, name, SERVICE), "data": dict(config)}


def has_password(store: StoreKeys) -> bool:
    return bool(store.postgres or store.password)


def needed(app: ResolvedApp) -> dict[str, list[str]]:
    """The keys of every Secret that the app uses, by service or store, whoever makes it."""
    keys = {name: list(service.secrets) for name, service in app.services.items() if service.secrets}
    return keys | {name: ["password"] for name, store in app.stores.items() if has_password(store)}


def _needed(scope: Scope) -> dict[str, list[str]]:
    return needed(scope.app)


def missing(app: ResolvedApp, secrets: Mapping[str, Mapping[str, str]] | None = None) -> dict[str, list[str]]:
    """The keys whose values must come with the release and have not been given, by service or store."""
    if app.platform.secrets not in GIVEN:
        return {}
    given = secrets or {}
    absent = {name: [key for key in keys if key not in given.get(name, {})] for name, keys in needed(app).items()}
    return {name: keys for name, keys in absent.items() if keys}


def read_by(app: ResolvedApp, name: str) -> list[str]:
    """Whose Secrets the pods of a service or store refer to: its own, and those of stores it calls with a password."""
    if name in app.stores:
        return [name] if has_password(app.stores[name]) and not app.stores[name].host else []
    service = app.services[name]
    called = [call.name for call in service.calls or () if call.name in app.stores and not call.url]
    return [*([name] if service.secrets else []), *(store for store in called if has_password(app.stores[store]))]


def values(scope: Scope, name: str) -> dict[str, str] | None:
    """The values of a Secret that come with the release, or None while some are missing."""
    keys = scope.once(_needed).get(name, [])
    given = scope.secrets.get(name, {})
    ours = scope.app.platform.secrets in GIVEN and keys and all(key in given for key in keys)
    return {key: given[key] for key in keys} if ours else None


def checksums(scope: Scope, name: str) -> dict[str, str]:
    """Annotations of a service's pods that change when its variables do. They cover the Secrets it reads of stores, too."""
    service = scope.app.services[name]
    sums = {"checksum/config": checksum(service.config)} if service.config else {}
    for secret in read_by(scope.app, name):
        found = values(scope, secret)
        if found:
            sums["checksum/secret" if secret == name else f"checksum/secret-{secret}"] = checksum(found)
    return sums


def store_checksum(scope: Scope, name: str) -> dict[str, str]:
    """The annotation of a store's pods that changes when its password does."""
    own = values(scope, name)
    return {"checksum/secret": checksum(own)} if own else {}
