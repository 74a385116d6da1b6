"""Endpoints that people write for a Service without a selector, copied into EndpointSlices, which are what proxies read.

It follows k8s.io/endpointslice's mirroring controller (pkg/controller/endpointslicemirroring): one slice a subset.
"""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.twin.context import Context
from seatrial.twin.controllers.base import OPTIONS, Watch, controller_key, own_key
from seatrial.twin.controllers.endpoints import ENDPOINTS, SERVICES, selector_of
from seatrial.twin.controllers.endpointslice import MANAGED_BY, SERVICE_NAME, SLICES
from seatrial.twin.controllers.ownership import is_deleting, owner_reference
from seatrial.twin.store import Key
from seatrial.world.objects import Obj, annotations_of, labels_of, name_of, namespace_of

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIPPED = "endpointslice.kubernetes.io/skip-mirror"
_LEADER = "control-plane.alpha.kubernetes.io/leader"


class EndpointSliceMirroring:
    name = "endpointslice-mirroring"

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        self.watches: Sequence[Watch] = (
            Watch(ENDPOINTS, own_key),
            Watch(SERVICES, own_key),
            Watch(SLICES, controller_key("Endpoints")),
        )

    def reconcile(self, key: Key) -> float | None:
        found = self._registry.find(ENDPOINTS, *key)
        if found is None:
            return None
        old = self._context.store.by_index(SLICES, "controller", found["metadata"]["uid"])
        wanted = [_slice(found, subset) for subset in found.get("subsets") or ()] if self._is_mirrored(found) else []
        for place, slice_ in zip(sorted(old, key=name_of), wanted, strict=False):
            if any(place.get(part) != slice_[part] for part in ("ports", "endpoints", "addressType")):
                changed = {**place, **{part: slice_[part] for part in ("ports", "endpoints")}}
                self._registry.update(SLICES, {**changed, "metadata": {**place["metadata"]}}, OPTIONS)
        for slice_ in wanted[len(old) :]:
            self._registry.create(SLICES, slice_, OPTIONS)
        for place in sorted(old, key=name_of)[len(wanted) :]:
            self._registry.delete(SLICES, key[0], name_of(place), options=OPTIONS)
        return None

    def _is_mirrored(self, found: Obj) -> bool:
        service = self._registry.find(SERVICES, namespace_of(found), name_of(found))
        if service is None or selector_of(service) or is_deleting(found):
            return False
        return labels_of(found).get(SKIPPED) != "true" and _LEADER not in annotations_of(found)


def _slice(found: Obj, subset: Obj) -> Obj:
    ready = [_endpoint(each, True) for each in subset.get("addresses") or ()]
    unready = [_endpoint(each, False) for each in subset.get("notReadyAddresses") or ()]
    first = (ready + unready)[0]["addresses"][0]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{name_of(found)}-",
            "namespace": namespace_of(found),
            "labels": {**labels_of(found), SERVICE_NAME: name_of(found), MANAGED_BY: MANAGER},
            "ownerReferences": [owner_reference(found)],
        },
        "addressType": "IPv6" if ":" in first else "IPv4",
        "endpoints": ready + unready,
        "ports": [{"name": port.get("name", ""), **port} for port in subset.get("ports") or ()],
    }


def _endpoint(address: Obj, ready: bool) -> Obj:
    endpoint: Obj = {"addresses": [address["ip"]], "conditions": {"ready": ready}}
    return endpoint | {part: address[part] for part in ("hostname", "nodeName", "targetRef") if address.get(part)}
