"""A PostgreSQL that CloudNativePG runs: a Cluster with its backups, and the network its instances need.

The operator makes the pods, the claims and the Services; `<name>-rw` leads to the instance that writes.  Instances talk with one
another, with the Kubernetes API and with the store of backups, whose addresses no policy can name; the operator asks on 8000.
"""

from __future__ import annotations

from seatrial.app.model import StoreKeys
from seatrial.render.container import STORE_PORTS, is_operated, placement, resources
from seatrial.render.identity import annotations_of
from seatrial.render.peers import EVERYWHERE, dns, namespace, tcp
from seatrial.render.reach import identities
from seatrial.render.scope import JOB, MIGRATION, SERVICE, STORE, ZONE, Scope
from seatrial.render.telemetry import API as MONITORING
from seatrial.render.telemetry import INTERVAL, meta, monitored
from seatrial.world.objects import Obj

API = "postgresql.cnpg.io/v1"
OPERATOR_NAMESPACE, STATUS_PORT, METRICS_PORT = "cnpg-system", 8000, 9187
#: Every night at two, with the seconds that this schedule has and cron's has not.
NIGHTLY, KEPT = "0 0 2 * * *", "30d"
__all__ = ["instances", "is_operated", "objects", "pods_of"]


def instances(store: StoreKeys) -> int:
    return store.instances or 3


def pods_of(name: str) -> dict[str, str]:
    """The label that the operator gives the pods of a Cluster."""
    return {"cnpg.io/cluster": name}


def objects(scope: Scope, name: str) -> list[Obj]:
    """The Cluster of a store, its schedule of backups, its monitor, and the policy of its pods."""
    store = scope.app.stores[name]
    found = [_policy(scope, name), _cluster(scope, name, store)]
    if monitored(scope):
        endpoint = {"port": "metrics", "interval": INTERVAL}
        metadata = meta(scope, name, name, STORE)
        read = {"selector": {"matchLabels": pods_of(name)}, "podMetricsEndpoints": [endpoint]}
        found.append({"apiVersion": MONITORING, "kind": "PodMonitor", "metadata": metadata, "spec": read})
    if store.backup:
        spec = {"schedule": NIGHTLY, "immediate": True, "backupOwnerReference": "self", "cluster": {"name": name}}
        metadata = scope.meta(name, name, STORE)
        found.append({"apiVersion": API, "kind": "ScheduledBackup", "metadata": metadata, "spec": spec})
    return found


def _cluster(scope: Scope, name: str, store: StoreKeys) -> Obj:
    platform, count = scope.app.platform, instances(store)
    storage = {"size": store.storage or "1Gi"} | ({"storageClass": platform.storageClass} if platform.storageClass else {})
    spec: Obj = {
        "instances": count,
        "imageName": store.image or f"ghcr.io/cloudnative-pg/postgresql:{store.postgres}",
        "enableSuperuserAccess": False,
        "enablePDB": count > 1,  # the budget of a single instance would block every drain
        "primaryUpdateMethod": "switchover" if count > 1 else "restart",
        "bootstrap": {
            "initdb": {"database": store.database, "owner": store.user, "secret": {"name": name}, "dataChecksums": True}
        },
        "storage": storage,
        "resources": resources(scope.app.profile(name)),
        "affinity": {
            "enablePodAntiAffinity": True,
            "podAntiAffinityType": "preferred",
            "topologyKey": "kubernetes.io/hostname",
            **placement(scope).get("affinity", {}),
        },
    }
    if count > 1:
        spec["topologySpreadConstraints"] = [_spread(scope, name)]
    if platform.mesh == "istio":  # the operator talks with its instances itself, and by TLS
        spec["inheritedMetadata"] = {"labels": {"sidecar.istio.io/inject": "false"}}
    annotations = annotations_of(scope, store.identity)
    if annotations:
        spec["serviceAccountTemplate"] = {"metadata": {"annotations": annotations}}
    if store.backup:
        spec["backup"] = {"barmanObjectStore": _backups(store.backup), "retentionPolicy": KEPT, "target": "prefer-standby"}
    return {"apiVersion": API, "kind": "Cluster", "metadata": scope.meta(name, name, STORE), "spec": spec}


def _spread(scope: Scope, name: str) -> Obj:
    """Instances over zones: as a rule where there are several, for a database must outlive one of them."""
    rule = (scope.app.platform.zones or 1) > 1 and ZONE not in (scope.app.platform.nodes or {})
    return {
        "maxSkew": 1,
        "topologyKey": ZONE,
        "whenUnsatisfiable": "DoNotSchedule" if rule else "ScheduleAnyway",
        "labelSelector": {"matchLabels": pods_of(name)},
        **({"nodeTaintsPolicy": "Honor"} if rule else {}),
    }


def _backups(place: str) -> Obj:
    """Where backups go, written by whoever the pods are at the cloud."""
    how: dict[str, Obj] = {
        "s3": {"s3Credentials": {"inheritFromIAMRole": True}},
        "gs": {"googleCredentials": {"gkeEnvironment": True}},
        "https": {"azureCredentials": {"inheritFromAzureAD": True}},
    }
    packed = {"wal": {"compression": "gzip"}, "data": {"compression": "gzip"}}
    return {"destinationPath": place, **how[place.partition("://")[0]], **packed}


def _policy(scope: Scope, name: str) -> Obj:
    port, mine = STORE_PORTS["postgres"], {"podSelector": {"matchLabels": pods_of(name)}}
    callers: list[Obj] = []
    for caller in scope.app.callers(name):
        service = scope.app.services[caller]
        parts = [SERVICE, *([JOB] if service.jobs else []), *([MIGRATION] if service.migrate else [])]
        callers += [{"podSelector": {"matchLabels": scope.selector(caller, part)}} for part in parts]
    ingress: list[Obj] = [{"from": callers, "ports": tcp(port)}] if callers else []
    ingress += [{"from": [mine, namespace(OPERATOR_NAMESPACE)], "ports": tcp(port, STATUS_PORT)}]
    if monitored(scope):
        ingress.append({"from": [namespace(scope.app.platform.monitoringNamespace or "monitoring")], "ports": tcp(METRICS_PORT)})
    egress = [
        dns(),
        {"to": [mine], "ports": tcp(port, STATUS_PORT)},
        {"to": [EVERYWHERE], "ports": tcp(443, 6443)},
        *identities(scope, scope.app.stores[name].identity),
    ]
    spec = {**mine, "policyTypes": ["Ingress", "Egress"], "ingress": ingress, "egress": egress}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": scope.meta(name, name, STORE),
        "spec": spec,
    }
