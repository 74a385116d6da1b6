"""Which pod a node in trouble gives up first, which have broken a limit of their own, and what is said of them.

Pure; follows the rank functions, evictionMessage and localStorageEviction of pkg/kubelet/eviction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seatrial.twin.kubelet.consumption import Consumption
from seatrial.twin.kubelet.signals import SIGNALS, Observations, Threshold
from seatrial.world import pod_resources, quantity
from seatrial.world.objects import Obj

#: From this priority on a pod is critical: never evicted, and taken whatever state the node is in (kubelet/types).
CRITICAL = 2_000_000_000

_STORAGE = "ephemeral-storage"


def is_critical(pod: Obj) -> bool:
    return (pod["spec"].get("priority") or 0) >= CRITICAL


def order(pod: Obj, used: Consumption, resource: str) -> tuple[int, int, int]:
    """Sorts the first to go to the front: over its request, of low priority, far over its request."""
    priority = pod["spec"].get("priority") or 0
    amount = used.of(resource)
    if resource == "pids":
        return 0, priority, -amount
    asked = pod_resources.requests(pod["spec"]).get("memory" if resource == "memory" else _STORAGE, "0")
    over = amount - quantity.whole(asked)
    return (0 if over > 0 else 1), priority, -over


def message(pod: Obj, used: Consumption, resource: str, met: Iterable[Threshold], observations: Observations) -> str:
    """Why a pod is evicted for its node's sake; the blank at the end is Kubernetes' own."""
    text = f"The node was low on resource: {resource}. "
    for threshold in met:
        if SIGNALS[threshold.signal].resource == resource:
            observed = observations[threshold.signal]
            limit = quantity.render_bytes(threshold.quantity(observed.capacity))
            text += f"Threshold quantity: {limit}, available: {quantity.render_bytes(observed.available)}. "
            break
    if resource not in ("memory", _STORAGE):
        return text
    for container in pod["spec"]["containers"]:
        figures = used.containers.get(container["name"])
        if figures is None:
            continue
        amount = figures.memory if resource == "memory" else figures.disk
        asked = ((container.get("resources") or {}).get("requests") or {}).get(resource, "0")
        if amount > quantity.whole(asked):
            using = f"Container {container['name']} was using {quantity.render_bytes(amount)}"
            text += f"{using}, request is {quantity.canonical(asked)}, has larger consumption of {resource}. "
    return text


def broken_limit(pod: Obj, used: Consumption) -> str:
    """What a pod has filled beyond a limit of its own: an emptyDir, all its storage, a container's. "" when nothing."""
    spec = pod["spec"]
    for volume in spec.get("volumes") or ():
        limit = (volume.get("emptyDir") or {}).get("sizeLimit")
        if limit and 0 < quantity.whole(limit) < used.volumes.get(volume["name"], 0):
            return f'Usage of EmptyDir volume "{volume["name"]}" exceeds the limit "{quantity.canonical(limit)}". '
    total = pod_resources.limits(spec).get(_STORAGE)
    if total is not None and used.disk > quantity.whole(total):
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {quantity.canonical(total)}. "
    for container in spec["containers"]:
        limit = ((container.get("resources") or {}).get("limits") or {}).get(_STORAGE)
        figures = used.containers.get(container["name"])
        if limit and figures and quantity.whole(limit) and figures.disk > quantity.whole(limit):
            said = f'exceeded its local ephemeral storage limit "{quantity.canonical(limit)}". '
            return f"Container {container['name']} {said}"
    return ""


def refusal(pod: Obj, pressures: Sequence[str], best_effort: bool, tolerant: bool) -> str:
    """Why a node under these pressures does not take a pod; "" when it does. `tolerant`: of memory pressure."""
    if not pressures or is_critical(pod):
        return ""
    if list(pressures) == ["MemoryPressure"] and (not best_effort or tolerant):
        return ""
    return f"The node had condition: [{' '.join(pressures)}]. "
