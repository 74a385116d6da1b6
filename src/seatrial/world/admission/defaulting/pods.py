"""Defaults of pods and pod templates (pkg/apis/core/v1/defaults.go and the `+default` tags of core/v1/types.go).

A pod gets a little more than a template: requests from its limits, service links, host ports on the host network.
This runs on every write of a pod, so it looks only at what a pod has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seatrial.world import quantity
from seatrial.world.admission.defaulting.fill import items, merge_missing, quantities, struct, unset, zero
from seatrial.world.images import pull_policy
from seatrial.world.objects import Obj

CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")
POD_LEVEL_RESOURCES = ("cpu", "memory")

_SPEC = (("restartPolicy", "Always"), ("dnsPolicy", "ClusterFirst"), ("schedulerName", "default-scheduler"))
_CONTAINER = (("terminationMessagePath", "/dev/termination-log"), ("terminationMessagePolicy", "File"))
_PROBE = (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3))
_HTTP_GET = (("path", "/"), ("scheme", "HTTP"))
_TCP = (("protocol", "TCP"),)
_MODE = (("defaultMode", 0o644),)
_V1 = (("apiVersion", "v1"),)


def pod(obj: Obj) -> None:
    spec = struct(obj, "spec")
    pod_spec(spec)
    for kind in ("containers", "initContainers"):
        for container in items(spec, kind):
            _requests_from_limits(container["resources"])
    if spec.get("resources"):
        _pod_level_requests(spec)
    if spec.get("enableServiceLinks") is None:
        spec["enableServiceLinks"] = True
    if spec.get("hostNetwork"):
        _host_ports(spec)


def pod_template(obj: Obj) -> None:
    template(struct(obj, "template"))


def template(obj: Obj) -> None:
    """A PodTemplateSpec."""
    struct(obj, "metadata")
    pod_spec(struct(obj, "spec"))


def pod_spec(spec: Obj) -> None:
    zero(spec, _SPEC)
    if spec.get("securityContext") is None:
        spec["securityContext"] = {}
    if spec.get("terminationGracePeriodSeconds") is None:
        spec["terminationGracePeriodSeconds"] = 30
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for kind in CONTAINER_LISTS:
        for one in spec.get(kind) or ():
            _container(one)
    for one in spec.get("volumes") or ():
        volume(one)
    if spec.get("overhead"):
        quantities(spec["overhead"])


def _container(container: Obj) -> None:
    zero(container, _CONTAINER)
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(container.get("image") or "")
    resources = struct(container, "resources")
    if resources:
        quantities(resources.get("limits"))
        quantities(resources.get("requests"))
    for port in container.get("ports") or ():
        zero(port, _TCP)
    for variable in container.get("env") or ():
        _value_from(variable.get("valueFrom"))
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe) is not None:
            _probe(container[probe])
    for handler in (container.get("lifecycle") or {}).values():
        if isinstance(handler, dict) and handler.get("httpGet") is not None:
            zero(handler["httpGet"], _HTTP_GET)


def _value_from(source: Obj | None) -> None:
    if source is None:
        return
    if source.get("fieldRef") is not None:
        zero(source["fieldRef"], _V1)
    if source.get("resourceFieldRef") is not None:
        zero(source["resourceFieldRef"], (("divisor", "0"),))
    if source.get("fileKeyRef") is not None:
        unset(source["fileKeyRef"], (("optional", False),))


def _probe(probe: Obj) -> None:
    zero(probe, _PROBE)
    if probe.get("httpGet") is not None:
        zero(probe["httpGet"], _HTTP_GET)
    if probe.get("grpc") is not None:
        unset(probe["grpc"], (("service", ""),))


def _requests_from_limits(resources: Obj) -> None:
    limits = resources.get("limits")
    if limits is None:
        return
    requests = struct(resources, "requests")
    merge_missing(requests, limits)
    if not requests:
        del resources["requests"]


def _pod_level_requests(spec: Obj) -> None:
    """Requests of the whole pod, from its containers or its limits (KEP-2837)."""
    resources = spec["resources"]
    quantities(resources.get("limits"))
    quantities(resources.get("requests"))
    limits = resources.get("limits")
    if not limits:
        return
    requests = dict(resources.get("requests") or {})
    for name in POD_LEVEL_RESOURCES:
        asked = [(c.get("resources") or {}).get("requests", {}).get(name) for c in items(spec, "containers")]
        if name not in requests and any(asked):
            total = sum(quantity.parse(value) for value in asked if value)
            requests[name] = quantity.canonical(f"{int(total * 1000)}m") if name == "cpu" else quantity.render_bytes(int(total))
    merge_missing(requests, {k: v for k, v in limits.items() if k in POD_LEVEL_RESOURCES or k.startswith("hugepages-")})
    if requests:
        resources["requests"] = requests


def _host_ports(spec: Obj) -> None:
    for kind in ("containers", "initContainers"):
        for container in items(spec, kind):
            for port in items(container, "ports"):
                if not port.get("hostPort"):
                    port["hostPort"] = port.get("containerPort", 0)


# volumes


def volume(one: Obj) -> None:
    for source, value in one.items():
        complete = _VOLUMES.get(source)
        if complete is not None and value is not None:
            complete(value)
    if not any(value is not None for source, value in one.items() if source != "name"):
        one["emptyDir"] = {}


def _files(source: Obj) -> None:
    unset(source, _MODE)


def _downward(source: Obj) -> None:
    unset(source, _MODE)
    for item in items(source, "items"):
        _value_from(item)


def _projected(source: Obj) -> None:
    unset(source, _MODE)
    for part in items(source, "sources"):
        if part.get("serviceAccountToken") is not None:
            unset(part["serviceAccountToken"], (("expirationSeconds", 3600),))
        for item in items(part.get("downwardAPI") or {}, "items"):
            _value_from(item)


def _ephemeral(source: Obj) -> None:
    claim = source.get("volumeClaimTemplate")
    if claim is not None:
        spec = struct(claim, "spec")
        unset(spec, (("volumeMode", "Filesystem"),))
        struct(spec, "resources")
        struct(claim, "metadata")


def _image(source: Obj) -> None:
    zero(source, (("pullPolicy", pull_policy(source.get("reference") or "")),))


def _empty_dir(source: Obj) -> None:
    if source.get("sizeLimit") is not None:
        quantities(source)


def _pointers(*table: tuple[str, Any]) -> Callable[[Obj], None]:
    return lambda source: unset(source, table)


def _values(*table: tuple[str, Any]) -> Callable[[Obj], None]:
    return lambda source: zero(source, table)


_VOLUMES: dict[str, Callable[[Obj], None]] = {
    "configMap": _files,
    "secret": _files,
    "downwardAPI": _downward,
    "projected": _projected,
    "hostPath": _pointers(("type", "")),
    "ephemeral": _ephemeral,
    "image": _image,
    "emptyDir": _empty_dir,
    "iscsi": _values(("iscsiInterface", "default")),
    "rbd": _values(("pool", "rbd"), ("user", "admin"), ("keyring", "/etc/ceph/keyring")),
    "scaleIO": _values(("storageMode", "ThinProvisioned"), ("fsType", "xfs")),
    "azureDisk": _pointers(("cachingMode", "ReadWrite"), ("fsType", "ext4"), ("readOnly", False), ("kind", "Shared")),
}
#: The same sources in a PersistentVolume.
VOLUME_SOURCES = _VOLUMES
