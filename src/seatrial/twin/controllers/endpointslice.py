"""The EndpointSlice controller: the addresses behind each Service, at most 100 a slice, changed as little as possible.

It follows k8s.io/endpointslice (reconciler.go): an endpoint stays in its slice, new ones fill slices with room, slices
that lost all go, and a Service without endpoints keeps one empty slice. Which pods count is in `endpoints`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from seatrial.twin.context import Context
from seatrial.twin.controllers import endpoints
from seatrial.twin.controllers.base import OPTIONS, Watch, controller_key, own_key
from seatrial.twin.controllers.endpoints import HEADLESS, SERVICES, selector_of
from seatrial.twin.controllers.ownership import is_deleting, owner_reference
from seatrial.twin.controllers.pods import is_ready
from seatrial.twin.store import Change, Key
from seatrial.world.objects import Obj, labels_of, name_of, namespace_of

SLICES = "endpointslices.discovery.k8s.io"
LARGEST = 100  # endpoints a slice
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
_ZONE = "topology.kubernetes.io/zone"


class EndpointSliceController:
    name = "endpointslice"
    weight = 0

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        self._known: dict[str, _Known] = {}  # by the Service's uid
        self.watches: Sequence[Watch] = (
            Watch(SERVICES, own_key),
            Watch(SLICES, controller_key("Service")),
            Watch("pods", endpoints.services_of_pod(context)),
            Watch("nodes", self._of_node),
        )

    def _of_node(self, change: Change) -> Iterable[Key]:
        """A node that changes its zone changes the endpoints on it."""
        if change.old is not None and labels_of(change.old).get(_ZONE) == labels_of(change.object).get(_ZONE):
            return ()
        self._known.clear()
        pods = self._context.store.by_index("pods", "node", name_of(change.object))
        of_pod = endpoints.services_of_pod(self._context)
        return {key for pod in pods for key in of_pod(Change("ADDED", "pods", pod, None, 0))}

    def reconcile(self, key: Key) -> float | None:
        service = self._registry.find(SERVICES, *key)
        if service is None:
            self._known = {uid: known for uid, known in self._known.items() if known.key != key}
            return None
        if is_deleting(service) or not selector_of(service):
            return None
        wanted = self._wanted(service)
        slices = self._context.store.by_index(SLICES, "controller", service["metadata"]["uid"])
        slices = sorted((each for each in slices if labels_of(each).get(MANAGED_BY) == MANAGER), key=name_of)
        contents = _arrange(slices, wanted)
        for each, content in zip(slices, contents, strict=False):
            if content is None:
                self._registry.delete(SLICES, namespace_of(each), name_of(each), options=OPTIONS)
            else:
                self._update(service, each, content)
        for content in contents[len(slices) :]:
            if content is not None:
                self._create(service, content)
        return None

    def _wanted(self, service: Obj) -> list[Content]:
        """All endpoints, grouped by the ports they serve, in the order of their pods' names.

        What a pod comes to is kept as long as pod and Service are the very same objects: stored objects never change.
        """
        known = self._known.get(service["metadata"]["uid"])
        if known is None or known.service is not service:
            known = self._known[service["metadata"]["uid"]] = _Known(service)
        groups: dict[str, Content] = {}
        faces: dict[str, _Face] = {}
        for pod in endpoints.selected(self._context, service):
            uid = pod["metadata"]["uid"]
            face = known.faces.get(uid)
            if face is None or face.pod is not pod:
                face = self._face(service, pod)
            faces[uid] = face
            if face.endpoint is not None:
                groups.setdefault(face.group, (face.ports, []))[1].append(face.endpoint)
        known.faces = faces
        self.weight = len(faces)
        for _, group in groups.values():
            group.sort(key=lambda endpoint: endpoint["targetRef"]["name"])
        return [groups[key] for key in sorted(groups)]

    def _face(self, service: Obj, pod: Obj) -> _Face:
        if not endpoints.is_candidate(pod):
            return _Face(pod)
        ports = endpoints.ports_for(service, pod)
        return _Face(pod, self._endpoint(service, pod), ports, repr(ports))

    def _endpoint(self, service: Obj, pod: Obj) -> Obj:
        serving, terminating = is_ready(pod), is_deleting(pod)
        publish = bool(service["spec"].get("publishNotReadyAddresses"))
        ready = publish or (serving and not terminating)
        endpoint: Obj = {
            "addresses": [endpoints.address_of(pod)],
            "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
            "targetRef": endpoints.target_ref(pod),
        }
        node_name = pod["spec"].get("nodeName")
        if node_name:
            endpoint["nodeName"] = node_name
            node = self._registry.find("nodes", "", node_name)
            zone = labels_of(node).get(_ZONE) if node else None
            if zone:
                endpoint["zone"] = zone
                if service["spec"].get("trafficDistribution") in ("PreferClose", "PreferSameZone"):
                    endpoint["hints"] = {"forZones": [{"name": zone}]}
        hostname = endpoints.hostname_of(pod, service)
        if hostname:
            endpoint["hostname"] = hostname
        return endpoint

    def _update(self, service: Obj, old: Obj, content: Content) -> None:
        labels = _labels(service)
        if _content(old) == content and labels_of(old) == labels:
            return
        metadata = {**old["metadata"], "labels": labels}
        self._registry.update(SLICES, _filled({**old, "metadata": metadata}, content), OPTIONS)

    def _create(self, service: Obj, content: Content) -> None:
        made: Obj = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "generateName": f"{name_of(service)}-",
                "namespace": namespace_of(service),
                "labels": _labels(service),
                "ownerReferences": [owner_reference(service)],
            },
            "addressType": "IPv4",
        }
        self._registry.create(SLICES, _filled(made, content), OPTIONS)


#: Ports, and the endpoints that serve them.
Content = tuple[list[Obj], list[Obj]]


@dataclass(slots=True)
class _Face:
    """What a Service shows of a pod: nothing, where `endpoint` is None. `group` tells ports apart."""

    pod: Obj
    endpoint: Obj | None = None
    ports: list[Obj] = field(default_factory=list)
    group: str = ""


@dataclass(slots=True)
class _Known:
    """What the pods of a Service came to when it was last looked at, by their uids."""

    service: Obj
    faces: dict[str, _Face] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        return namespace_of(self.service), name_of(self.service)


def _labels(service: Obj) -> dict[str, str]:
    ours = {SERVICE_NAME: name_of(service), MANAGED_BY: MANAGER}
    return {**labels_of(service), **ours, **({HEADLESS: ""} if endpoints.is_headless(service) else {})}


def _content(slice_: Obj) -> Content:
    return slice_.get("ports") or [], slice_.get("endpoints") or []


def _filled(slice_: Obj, content: Content) -> Obj:
    """The slice with this content; what is empty is null, as in a slice that Kubernetes keeps for a Service without pods."""
    ports, inside = content
    return {**slice_, "endpoints": inside or None, "ports": ports or (None if not inside else [])}


def _arrange(slices: Sequence[Obj], wanted: Sequence[Content]) -> list[Content | None]:
    """What each slice is to hold, then what new ones are: None for a slice that is to go. Never nothing at all."""
    contents: list[Content | None] = [None] * len(slices)
    for ports, inside in wanted:
        left = {each["targetRef"]["uid"]: each for each in inside}
        mine = [number for number, each in enumerate(slices) if (each.get("ports") or []) == ports and each.get("endpoints")]
        kept: dict[int, list[Obj]] = {}
        for number in mine:
            uids = (each["targetRef"]["uid"] for each in slices[number]["endpoints"])
            kept[number] = [left.pop(uid) for uid in uids if uid in left]
        new = list(left.values())
        for number in sorted(mine, key=lambda number: -len(kept[number])):
            room = LARGEST - len(kept[number])
            kept[number] += new[:room]
            new = new[room:]
        for number in mine:
            contents[number] = (ports, kept[number]) if kept[number] else None
        chunks = [new[start : start + LARGEST] for start in range(0, len(new), LARGEST)]
        _place(contents, slices, [(ports, chunk) for chunk in chunks])
    if not any(contents):
        _place(contents, slices, [([], [])])
    return contents


def _place(contents: list[Content | None], slices: Sequence[Obj], chunks: Iterable[Content]) -> None:
    """Put contents into slices that hold nothing else any more, else into new ones."""
    spare = [number for number in range(len(slices)) if contents[number] is None]
    for chunk in chunks:
        if spare:
            contents[spare.pop(0)] = chunk
        else:
            contents.append(chunk)
