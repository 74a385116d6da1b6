"""Stores: a StatefulSet of one replica with its volume and Services, or, where somebody else runs it, a name for it.

A store answers its own probes over the pod's address and not over a socket: PostgreSQL's image starts a first server that
only the socket reaches, to set the database up, and that one must not be called ready.  A store with storage keeps it in a
claim; a Redis without keeps everything in memory and evicts what was used least when that is full.
"""

from __future__ import annotations

from collections.abc import Callable

from seatrial.app.model import StoreKeys
from seatrial.render import cloudnative, secrets
from seatrial.render.config import store_checksum
from seatrial.render.container import (
    SCRATCH,
    STORE_PORTS,
    container_security,
    is_operated,
    placement,
    pod_annotations,
    pod_security,
    resources,
    scratch_mounts,
    scratch_volumes,
    secret_variable,
)
from seatrial.render.runtimes import memory_limit
from seatrial.render.scope import STORE, Scope, without_empty
from seatrial.world import quantity
from seatrial.world.objects import Obj

#: The user that the official images run as.
USER = 999
#: Seconds a store gets to write everything down.
GRACE = 60
DATA = "data"


def kind_of(store: StoreKeys) -> str:
    return "postgres" if store.postgres else "redis"


def pods_of(scope: Scope, name: str) -> dict[str, str]:
    """The labels that select the pods of a store that runs here, whoever runs it."""
    return cloudnative.pods_of(name) if is_operated(scope, name) else scope.selector(name, STORE)


def image(store: StoreKeys) -> str:
    return store.image or f"docker.io/library/{kind_of(store)}:{store.postgres or store.redis}"


def stateful_set(scope: Scope, name: str) -> Obj | None:
    store = scope.app.stores[name]
    if store.host:
        return None
    labels = {**scope.selector(name, STORE), **scope.common()}
    annotations = {**store_checksum(scope, name), **pod_annotations(scope)}
    template: Obj = {"metadata": without_empty({"labels": labels, "annotations": annotations})}
    template["spec"] = _pod(scope, name, store)
    spec: Obj = {
        "serviceName": f"{name}-pods",
        "replicas": 1,
        "selector": {"matchLabels": scope.selector(name, STORE)},
        "template": template,
    }
    if store.storage:
        spec["volumeClaimTemplates"] = [_claim(scope, name, store)]
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": scope.meta(name, name, STORE), "spec": spec}


def _claim(scope: Scope, name: str, store: StoreKeys) -> Obj:
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": scope.app.platform.storageClass,
        "resources": {"requests": {"storage": store.storage}},
    }
    return {"metadata": {"name": DATA, "labels": scope.selector(name, STORE)}, "spec": without_empty(claim)}


def _pod(scope: Scope, name: str, store: StoreKeys) -> Obj:
    own, scratch = KINDS[kind_of(store)](scope, name, store)
    probe = {"exec": {"command": ["/bin/sh", "-c", own.pop("probe")]}}
    container: Obj = {
        "name": name,
        "image": image(store),
        "args": own.get("args"),
        "ports": [{"name": kind_of(store), "containerPort": STORE_PORTS[kind_of(store)]}],
        "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}, *own.get("env", ())],
        "startupProbe": {**probe, "periodSeconds": 2, "timeoutSeconds": 3, "failureThreshold": 150},
        "livenessProbe": {**probe, "periodSeconds": 10, "timeoutSeconds": 3, "failureThreshold": 6},
        "readinessProbe": {**probe, "periodSeconds": 5, "timeoutSeconds": 3, "failureThreshold": 2},
        "resources": resources(scope.app.profile(name)),
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": DATA, "mountPath": own["data"]},
            *scratch_mounts(scratch),
            *secrets.mounted(scope, name)[1],
        ],
    }
    bound = {"sizeLimit": SCRATCH} if store.redis else {}  # one that keeps nothing writes next to nothing
    volumes = [] if store.storage else [{"name": DATA, "emptyDir": bound}]
    return {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE,
        "securityContext": pod_security(USER) | {"fsGroupChangePolicy": "OnRootMismatch"},
        **placement(scope),
        "containers": [without_empty(container)],
        "volumes": [*volumes, *scratch_volumes(scratch), *secrets.mounted(scope, name)[0]],
    }


def _postgres(scope: Scope, name: str, store: StoreKeys) -> tuple[Obj, list[str]]:
    """The data folder is one below the mount, which may hold a lost+found; since 18 the image has it elsewhere."""
    major = int((store.postgres or "0").split(".")[0].split("-")[0] or 0)
    mount = "/var/lib/postgresql" if major >= 18 else "/var/lib/postgresql/data"
    own = {
        "data": mount,
        "env": [
            {"name": "POSTGRES_USER", "value": store.user},
            {"name": "POSTGRES_DB", "value": store.database},
            secret_variable("POSTGRES_PASSWORD", name, "password"),
            {"name": "PGDATA", "value": f"{mount}/{f'{major}/docker' if major >= 18 else 'pgdata'}"},
        ],
        "probe": ready_command(store, '"$POD_IP"'),
    }
    return own, ["/tmp", "/var/run/postgresql"]  # noqa: S108


def _redis(scope: Scope, name: str, store: StoreKeys) -> tuple[Obj, list[str]]:
    most = quantity.whole(memory_limit(scope.app.profile(name))) * 3 // 4 >> 20  # the rest is for copies and buffers
    keeps = ["--appendonly", "yes"] if store.storage else ["--save", "", "--appendonly", "no"]
    full = "noeviction" if store.storage else "allkeys-lru"
    memory = ["--maxmemory", "$(MAXMEMORY)", "--maxmemory-policy", full]
    asked = [secret_variable("REDISCLI_AUTH", name, "password")] if store.password else []  # redis-cli reads it, too
    guarded = ["--requirepass", "$(REDISCLI_AUTH)"] if store.password else []
    own = {
        "data": "/data",
        "env": [{"name": "MAXMEMORY", "value": f"{most}mb"}, *asked],
        "args": ["redis-server", "--dir", "/data", "--protected-mode", "no", *keeps, *memory, *guarded],
        "probe": ready_command(store, '"$POD_IP"'),
    }
    return own, ["/tmp"]  # noqa: S108


KINDS: dict[str, Callable[[Scope, str, StoreKeys], tuple[Obj, list[str]]]] = {"postgres": _postgres, "redis": _redis}


def ready_command(store: StoreKeys, host: str) -> str:
    """A shell command that succeeds when the store at `host` can be used."""
    if store.postgres:
        return f"pg_isready --quiet --host {host} --username {store.user} --dbname {store.database}"
    return f"redis-cli -h {host} ping | grep -q PONG"


def services(scope: Scope, name: str) -> list[Obj]:
    """The Service by which a store is called, and the headless one that names its pods; or just a name for it elsewhere."""
    store = scope.app.stores[name]
    if store.host:
        spec: Obj = {"type": "ExternalName", "externalName": store.host}
        return [{"apiVersion": "v1", "kind": "Service", "metadata": scope.meta(name, name, STORE), "spec": spec}]
    kind = kind_of(store)
    common = {
        "selector": scope.selector(name, STORE),
        "ports": [{"name": kind, "port": STORE_PORTS[kind], "targetPort": kind}],
    }
    called = {"type": "ClusterIP", **common}
    headless = {"clusterIP": "None", "publishNotReadyAddresses": True, **common}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": scope.meta(title, name, STORE), "spec": spec}
        for title, spec in ((name, called), (f"{name}-pods", headless))
    ]
