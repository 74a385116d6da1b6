"""What the downward API gives a container: fields of its pod and resources of a container, as text.

Follows pkg/fieldpath/fieldpath.go and pkg/api/v1/resource/helpers.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from math import ceil

from seatrial.world import quantity
from seatrial.world.objects import Obj, annotations_of, labels_of

_SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['(.*)'\]")


class FieldError(Exception):
    """A field or resource that cannot be given; the words are the kubelet's."""


def pod_field(pod: Obj, path: str, addresses: Mapping[str, str]) -> str:
    """The value of a fieldRef. `addresses` holds what the kubelet knows better than the status: podIP and hostIP."""
    metadata, spec = pod["metadata"], pod["spec"]
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        source = labels_of(pod) if subscript[1].endswith("labels") else annotations_of(pod)
        return source.get(subscript[2], "")
    match path:
        case "metadata.name" | "metadata.namespace" | "metadata.uid":
            return str(metadata.get(path.partition(".")[2], ""))
        case "metadata.labels":
            return _lines(labels_of(pod))
        case "metadata.annotations":
            return _lines(annotations_of(pod))
        case "spec.nodeName":
            return str(spec.get("nodeName", ""))
        case "spec.serviceAccountName":
            return str(spec.get("serviceAccountName", ""))
        case "status.podIP" | "status.podIPs":
            return addresses.get("podIP", "")
        case "status.hostIP" | "status.hostIPs":
            return addresses.get("hostIP", "")
    raise FieldError(f"unsupported fieldPath: {path}")


def _lines(pairs: Mapping[str, str]) -> str:
    return "\n".join(f'{key}="{_escape(pairs[key])}"' for key in sorted(pairs))


def _escape(text: str) -> str:
    """As Go quotes a string (strconv.Quote), for what labels and annotations hold."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


def container_resource(pod: Obj, ref: Obj, container_name: str, allocatable: Mapping[str, str]) -> str:
    """The value of a resourceFieldRef, rounded up to whole divisors; a missing limit counts as the node's allocatable."""
    name = ref.get("containerName") or container_name
    spec = pod["spec"]
    container = next(
        (c for c in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())) if c["name"] == name), None
    )
    if container is None:
        raise FieldError(f"container {name} not found")
    kind, _, resource = ref["resource"].partition(".")
    resources = container.get("resources") or {}
    found = (resources.get(kind) or {}).get(resource)
    if found is None and kind == "limits":
        found = allocatable.get(resource)
    if kind not in ("limits", "requests"):
        raise FieldError(f"unsupported container resource : {ref['resource']}")
    divisor = quantity.parse(ref.get("divisor") or "1") or Fraction(1)
    if resource == "cpu":
        millis = ceil(quantity.parse(found or "0") * 1000)
        return str(ceil(Fraction(millis, ceil(divisor * 1000))))
    return str(ceil(quantity.parse(found or "0") / divisor))
