"""Which pods stand behind a Service, for the EndpointSlice and the Endpoints controller: candidates, ports, conditions.

The rules are those of k8s.io/endpointslice (utils.go) and pkg/controller/endpoint; `endpointslice` writes the slices,
and the controller here the Endpoints object that older clients read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from seatrial.twin.context import Context
from seatrial.twin.controllers.base import OPTIONS, Watch, own_key
from seatrial.twin.controllers.ownership import is_deleting
from seatrial.twin.controllers.pods import is_finished, is_ready, select_pods
from seatrial.twin.store import Change, Key
from seatrial.world.objects import Obj, labels_of, name_of, namespace_of

SERVICES, ENDPOINTS = "services", "endpoints"
HEADLESS = "service.kubernetes.io/headless"
CAPACITY = 1000  # addresses an Endpoints object holds
_MANAGED_BY = {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}


def selector_of(service: Obj) -> dict[str, str]:
    """The selector of a Service that has endpoints of its own; empty for all others."""
    spec = service.get("spec") or {}
    return {} if spec.get("type") == "ExternalName" else spec.get("selector") or {}


def is_headless(service: Obj) -> bool:
    return bool(service["spec"].get("clusterIP") == "None")


def candidates(context: Context, service: Obj) -> list[Obj]:
    """The pods behind a Service that can be reached, in the order of their names."""
    return sorted((pod for pod in selected(context, service) if is_candidate(pod)), key=name_of)


def selected(context: Context, service: Obj) -> list[Obj]:
    """The pods that a Service's selector matches."""
    return select_pods(context, namespace_of(service), {"matchLabels": selector_of(service)})


def is_candidate(pod: Obj) -> bool:
    """Whether a pod has an address and has not finished."""
    return not is_finished(pod) and bool(address_of(pod))


def address_of(pod: Obj) -> str:
    return (pod.get("status") or {}).get("podIP") or ""


def ports_for(service: Obj, pod: Obj) -> list[Obj]:
    """The Service's ports as this pod serves them; a named port that the pod does not have is left out."""
    ports = []
    for port in service["spec"].get("ports") or ():
        number = _target(port, pod)
        if number is not None:
            entry = {"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")}
            if port.get("appProtocol"):
                entry["appProtocol"] = port["appProtocol"]
            ports.append(entry)
    return ports


def _target(port: Obj, pod: Obj) -> int | None:
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    spec = pod["spec"]
    sidecars = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    for container in (*(spec.get("containers") or ()), *sidecars):
        for each in container.get("ports") or ():
            if each.get("name") == target and each.get("protocol", "TCP") == port.get("protocol", "TCP"):
                return int(each["containerPort"])
    return None


def hostname_of(pod: Obj, service: Obj) -> str:
    """The name under which a headless Service publishes the pod itself."""
    spec = pod["spec"]
    return spec.get("hostname", "") if spec.get("subdomain") == name_of(service) else ""


def target_ref(pod: Obj) -> Obj:
    metadata = pod["metadata"]
    return {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}


def services_of_pod(context: Context) -> Callable[[Change], Iterable[Key]]:
    """For a watch of pods: the Services that a change of one matters to."""

    def keys(change: Change) -> Iterable[Key]:
        new, old = change.object, change.old
        labels = labels_of(new)
        if change.type == "MODIFIED" and old is not None:
            if _face(new) == _face(old):
                return ()
            before = labels_of(old)
        else:
            before = labels
        namespace = new["metadata"]["namespace"]
        found = []
        for service in context.store.list(SERVICES, namespace):
            wanted = selector_of(service).items()
            if wanted and (wanted <= labels.items() or (before is not labels and wanted <= before.items())):
                found.append((namespace, name_of(service)))
        return found

    return keys


def _face(pod: Obj) -> tuple[Any, ...]:
    """All of a pod that its Services show."""
    spec, metadata = pod["spec"], pod["metadata"]
    return (
        is_ready(pod),
        address_of(pod),
        is_deleting(pod),
        is_finished(pod),
        spec.get("nodeName"),
        metadata.get("labels"),
        spec.get("hostname"),
    )


class EndpointsController:
    """Keeps the Endpoints object of each Service with a selector, and removes it with its Service."""

    name = "endpoints"
    pace = 0.1  # what it writes is as long as the Service has pods, and few read it
    weight = 0

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        self.watches: Sequence[Watch] = (
            Watch(SERVICES, own_key),
            Watch(ENDPOINTS, own_key),
            Watch("pods", services_of_pod(context)),
        )

    def reconcile(self, key: Key) -> float | None:
        service = self._registry.find(SERVICES, *key)
        old = self._registry.find(ENDPOINTS, *key)
        if service is None:
            if old is not None and _MANAGED_BY.items() <= labels_of(old).items():
                self._registry.delete(ENDPOINTS, *key, options=OPTIONS)
            return None
        if not selector_of(service) or is_deleting(service):
            return None
        pods = candidates(self._context, service)
        self.weight = len(pods)
        subsets = _subsets(service, pods)
        labels = {**labels_of(service), **_MANAGED_BY, **({HEADLESS: ""} if is_headless(service) else {})}
        if old is None:
            self._registry.create(ENDPOINTS, _endpoints(key, {"labels": labels}, subsets), OPTIONS)
        elif (old.get("subsets") or []) != subsets or labels_of(old) != labels:
            self._registry.update(ENDPOINTS, _endpoints(key, {**old["metadata"], "labels": labels}, subsets), OPTIONS)
        return None


def _endpoints(key: Key, metadata: Obj, subsets: list[Obj]) -> Obj:
    made: Obj = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {**metadata, "namespace": key[0], "name": key[1]}}
    if subsets:
        made["subsets"] = subsets
    return made


def _subsets(service: Obj, pods: Iterable[Obj]) -> list[Obj]:
    """Addresses grouped by the ports they serve."""
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    groups: dict[str, tuple[list[Obj], list[Obj], list[Obj]]] = {}
    for number, pod in enumerate(pods):
        if number >= CAPACITY:
            break
        if is_deleting(pod) and not publish:
            continue
        ports = ports_for(service, pod)
        _, ready, unready = groups.setdefault(repr(ports), (ports, [], []))
        (ready if publish or is_ready(pod) else unready).append(_address(pod, service))
    return [_subset(*group) for _, group in sorted(groups.items()) if group[0] or is_headless(service)]


def _unnamed(port: Obj) -> Obj:
    """A port without its name where that is empty, as Endpoints write it."""
    return {part: value for part, value in port.items() if value != ""}


def _subset(ports: list[Obj], ready: list[Obj], unready: list[Obj]) -> Obj:
    parts = {"addresses": ready, "notReadyAddresses": unready, "ports": [_unnamed(port) for port in ports]}
    return {name: part for name, part in parts.items() if part}


def _address(pod: Obj, service: Obj) -> Obj:
    address: Obj = {"ip": address_of(pod), "targetRef": target_ref(pod)}
    if pod["spec"].get("nodeName"):
        address["nodeName"] = pod["spec"]["nodeName"]
    if hostname_of(pod, service):
        address["hostname"] = hostname_of(pod, service)
    return address
