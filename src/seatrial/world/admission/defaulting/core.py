"""Defaults of services, configuration, storage, nodes, events and networking.

The sources are pkg/apis/{core,discovery,networking}/v1/defaults.go.
"""

from __future__ import annotations

from seatrial.world.admission.defaulting.fill import items, merge_missing, quantities, struct, unset, zero
from seatrial.world.admission.defaulting.pods import VOLUME_SOURCES, template
from seatrial.world.objects import Obj

#: Seconds for which a client stays with its endpoint under session affinity.
CLIENT_IP_SECONDS = 10_800

_TCP = (("protocol", "TCP"),)
_SERVICE = (("sessionAffinity", "None"), ("type", "ClusterIP"))
_FILESYSTEM = (("volumeMode", "Filesystem"),)
_PENDING = (("phase", "Pending"),)


def service(obj: Obj) -> None:
    spec = struct(obj, "spec")
    zero(spec, _SERVICE)
    _affinity(spec)
    for port in items(spec, "ports"):
        zero(port, _TCP)
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port", 0)
    kind = spec["type"]
    if kind in ("LoadBalancer", "NodePort") or (kind == "ClusterIP" and spec.get("externalIPs")):
        zero(spec, (("externalTrafficPolicy", "Cluster"),))
    if kind in ("LoadBalancer", "NodePort", "ClusterIP"):
        unset(spec, (("internalTrafficPolicy", "Cluster"),))
    if kind == "LoadBalancer":
        unset(spec, (("allocateLoadBalancerNodePorts", True),))
        for ingress in items((obj.get("status") or {}).get("loadBalancer") or {}, "ingress"):
            if ingress.get("ip"):
                unset(ingress, (("ipMode", "VIP"),))


def _affinity(spec: Obj) -> None:
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        config = spec.get("sessionAffinityConfig") or {}
        if (config.get("clientIP") or {}).get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": CLIENT_IP_SECONDS}}


def replication_controller(obj: Obj) -> None:
    spec = struct(obj, "spec")
    unset(spec, (("replicas", 1),))
    if spec.get("template") is None:
        return
    template(spec["template"])
    labels = spec["template"]["metadata"].get("labels")
    if labels:
        zero(spec, (("selector", dict(labels)),))
        zero(struct(obj, "metadata"), (("labels", dict(labels)),))


def secret(obj: Obj) -> None:
    zero(obj, (("type", "Opaque"),))


def namespace(obj: Obj) -> None:
    metadata = struct(obj, "metadata")
    if metadata.get("name"):
        struct(metadata, "labels")["kubernetes.io/metadata.name"] = metadata["name"]
    zero(struct(obj, "status"), (("phase", "Active"),))


def persistent_volume(obj: Obj) -> None:
    spec = struct(obj, "spec")
    zero(spec, (("persistentVolumeReclaimPolicy", "Retain"),))
    unset(spec, _FILESYSTEM)
    quantities(spec.get("capacity"))
    for source, value in spec.items():
        complete = VOLUME_SOURCES.get(source)
        if complete is not None and isinstance(value, dict):
            complete(value)
    zero(struct(obj, "status"), _PENDING)


def persistent_volume_claim(obj: Obj) -> None:
    claim(obj)


def claim(obj: Obj) -> None:
    """A claim, or a StatefulSet's template of one."""
    spec = struct(obj, "spec")
    unset(spec, _FILESYSTEM)
    resources = struct(spec, "resources")
    quantities(resources.get("requests"))
    quantities(resources.get("limits"))
    zero(struct(obj, "status"), _PENDING)


def limit_range(obj: Obj) -> None:
    for item in items(struct(obj, "spec"), "limits"):
        for key in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
            quantities(item.get(key))
        if item.get("type") == "Container":
            limits, requests = item.get("default") or {}, item.get("defaultRequest") or {}
            merge_missing(limits, item.get("max") or {})
            merge_missing(requests, limits)
            merge_missing(requests, item.get("min") or {})
            _keep(item, "default", limits)
            _keep(item, "defaultRequest", requests)


def _keep(item: Obj, key: str, value: Obj) -> None:
    if value:
        item[key] = value
    else:
        item.pop(key, None)


def resource_quota(obj: Obj) -> None:
    quantities(struct(obj, "spec").get("hard"))


def endpoints(obj: Obj) -> None:
    for subset in items(obj, "subsets"):
        for port in items(subset, "ports"):
            zero(port, _TCP)


def endpoint_slice(obj: Obj) -> None:
    for port in items(obj, "ports"):
        unset(port, (("name", ""), ("protocol", "TCP")))
    for endpoint in items(obj, "endpoints"):
        struct(endpoint, "conditions")


#: What a node tells of itself; Go writes these fields even when they are empty.
_NODE_INFO = tuple(
    (key, "")
    for key in ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion", "kubeletVersion",
                "kubeProxyVersion", "operatingSystem", "architecture")
)  # fmt: skip


def node(obj: Obj) -> None:
    struct(obj, "spec")
    status = struct(obj, "status")
    quantities(status.get("capacity"))
    if status.get("capacity") is not None:
        unset(status, (("allocatable", dict(status["capacity"])),))
    quantities(status.get("allocatable"))
    unset(struct(struct(status, "daemonEndpoints"), "kubeletEndpoint"), (("Port", 0),))
    unset(struct(status, "nodeInfo"), _NODE_INFO)


#: Fields of an event that Go always writes.
_EVENT: tuple[tuple[str, object], ...] = (
    ("source", {}),
    ("firstTimestamp", None),
    ("lastTimestamp", None),
    ("eventTime", None),
    ("reportingComponent", ""),
    ("reportingInstance", ""),
)
_NEW_EVENT: tuple[tuple[str, object], ...] = (
    ("eventTime", None),
    ("deprecatedSource", {}),
    ("deprecatedFirstTimestamp", None),
    ("deprecatedLastTimestamp", None),
)


def event(obj: Obj) -> None:
    struct(obj, "involvedObject")
    _always(obj, _EVENT)


def new_event(obj: Obj) -> None:
    _always(obj, _NEW_EVENT)


def _always(obj: Obj, table: tuple[tuple[str, object], ...]) -> None:
    for key, value in table:
        if obj.get(key) is None:
            obj[key] = {} if value == {} else value


def network_policy(obj: Obj) -> None:
    spec = struct(obj, "spec")
    struct(spec, "podSelector")
    for direction in ("ingress", "egress"):
        for rule in items(spec, direction):
            for port in items(rule, "ports"):
                unset(port, _TCP)
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def ingress_class(obj: Obj) -> None:
    parameters = struct(obj, "spec").get("parameters")
    if parameters is not None:
        unset(parameters, (("scope", "Cluster"),))
