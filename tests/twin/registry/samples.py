"""A registry on virtual time, and small objects to put into it."""

from __future__ import annotations

from typing import Any

from seatrial.twin.admission.chain import Chain, standard
from seatrial.twin.clock import VirtualClock
from seatrial.twin.registry.registry import Registry
from seatrial.twin.registry.resources import ResourceTable, builtin_resources
from seatrial.twin.store import Store
from seatrial.world.objects import Obj


def registry(admission: Chain | None = None) -> Registry:
    made = Registry(Store(), VirtualClock(), ResourceTable(builtin_resources()), seed=1, admission=admission or standard())
    made.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "shop"}}
    made.create("serviceaccounts", account)
    return made


def config_map(name: str = "conf", **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, "data": data}


def pod(name: str = "web", labels: dict[str, str] | None = None, **spec: Any) -> Obj:
    metadata: Obj = {"name": name, "namespace": "shop"}
    if labels:
        metadata["labels"] = labels
    containers = [{"name": "c", "image": "busybox"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}


def deployment(name: str = "web", replicas: int = 2) -> Obj:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


def service(name: str = "web", **spec: Any) -> Obj:
    spec.setdefault("ports", [{"port": 80}])
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"}, "spec": spec}
