"""What controllers ask of a pod (active? ready? available?) and how they make and find pods.

The answers are those of pkg/api/v1/pod/util.go and pkg/controller/controller_utils.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from seatrial.twin.clock import seconds_of
from seatrial.twin.context import Context
from seatrial.twin.controllers.base import OPTIONS
from seatrial.twin.controllers.ownership import is_deleting, owner_reference, selects
from seatrial.twin.errors import ApiError
from seatrial.world.objects import Obj, clone, labels_of, name_of, namespace_of

FINISHED = ("Succeeded", "Failed")


def condition_of(obj: Obj, type_: str) -> Obj | None:
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition["type"] == type_:
            return condition  # type: ignore[no-any-return]
    return None


def phase_of(pod: Obj) -> str:
    return (pod.get("status") or {}).get("phase") or "Pending"


def node_of(pod: Obj) -> str:
    return pod["spec"].get("nodeName") or ""


def is_finished(pod: Obj) -> bool:
    return phase_of(pod) in FINISHED


def is_active(pod: Obj) -> bool:
    """Neither finished nor on its way out."""
    return not is_deleting(pod) and phase_of(pod) not in FINISHED


def is_terminating(pod: Obj) -> bool:
    """On its way out and not finished yet."""
    return is_deleting(pod) and phase_of(pod) not in FINISHED


def is_ready(pod: Obj) -> bool:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition["type"] == "Ready":
            return bool(condition["status"] == "True")
    return False


def ready_since(pod: Obj) -> float:
    """When the pod became ready, in seconds since the epoch; 0 when it is not ready."""
    ready = condition_of(pod, "Ready")
    if ready is None or ready["status"] != "True":
        return 0.0
    return seconds_of(ready["lastTransitionTime"]) if ready.get("lastTransitionTime") else 0.0


def available_in(pod: Obj, min_ready: int, now: float) -> float | None:
    """The seconds until a ready pod is available, 0 or less when it is; None when it is not ready."""
    if not is_ready(pod):
        return None
    return ready_since(pod) + min_ready - now if min_ready else 0.0


def is_available(pod: Obj, min_ready: int, now: float) -> bool:
    left = available_in(pod, min_ready, now)
    return left is not None and left <= 0


def next_available(pods: Iterable[Obj], min_ready: int, now: float) -> float | None:
    """The seconds until the next ready pod becomes available; None when there is none to wait for."""
    if not min_ready:
        return None
    waits = [left for pod in pods if (left := available_in(pod, min_ready, now)) is not None and left > 0]
    return min(waits, default=None)


def restarts_of(pod: Obj) -> int:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return max((status.get("restartCount", 0) for status in statuses), default=0)


def select_pods(context: Context, namespace: str, selector: dict[str, Any] | None) -> list[Obj]:
    """The pods of a namespace that a LabelSelector matches, by the label index where it can help."""
    if selector is None:
        return []
    wanted = selector.get("matchLabels") or {}
    if not wanted:
        return [pod for pod in context.store.list("pods", namespace) if selects(selector, labels_of(pod))]
    groups = [context.store.by_index("pods", "label", f"{namespace}/{key}={value}") for key, value in wanted.items()]
    fewest = min(groups, key=len)
    if len(groups) == 1 and not selector.get("matchExpressions"):
        return fewest
    return [pod for pod in fewest if selects(selector, labels_of(pod))]


def new_pod(template: Obj, owner: Obj, name: str = "") -> Obj:
    """A pod from a template, controlled by `owner`: called `name`, or for "" after its owner with a random end."""
    given = template.get("metadata") or {}
    metadata: Obj = {part: given[part] for part in ("labels", "annotations", "finalizers") if given.get(part)}
    metadata = {part: value.copy() for part, value in metadata.items()}
    metadata |= {"name": name} if name else {"generateName": _prefix(name_of(owner))}
    metadata["namespace"] = namespace_of(owner)
    metadata["ownerReferences"] = [owner_reference(owner)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": clone(template["spec"])}


def _prefix(name: str) -> str:
    """The name with a dash, as long as a pod could be called by it (pkg/controller/controller_utils.go)."""
    return f"{name}-" if len(name) < 253 else name


class PodControl:
    """Creates and deletes pods for one kind of controller, and tells of it in Events."""

    def __init__(self, context: Context, component: str) -> None:
        self._context, self._component = context, component

    def create(self, pod: Obj, owner: Obj) -> Obj:
        """Raises the ApiError with which the API refuses the pod, after an Event that says so."""
        try:
            made = self._context.registry.create("pods", pod, OPTIONS)
        except ApiError as error:
            if not namespace_terminating(error):
                self.tell(owner, "Warning", "FailedCreate", f"Error creating: {error.message}")
            raise
        self.tell(owner, "Normal", "SuccessfulCreate", f"Created pod: {name_of(made)}")
        return made

    def delete(self, pod: Obj, owner: Obj) -> None:
        """Delete a pod; one that is gone already is no error."""
        if is_deleting(pod):
            return
        name = name_of(pod)
        try:
            self._context.registry.delete("pods", namespace_of(pod), name, uid=pod["metadata"]["uid"], options=OPTIONS)
        except ApiError as error:
            if error.code == 404:
                return
            self.tell(owner, "Warning", "FailedDelete", f"Error deleting: {error.message}")
            raise
        self.tell(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {name}")

    def tell(self, owner: Obj, type_: str, reason: str, message: str) -> None:
        self._context.events.emit(owner, type_, reason, message, self._component)


def namespace_terminating(error: ApiError) -> bool:
    """Whether a creation was refused because its namespace is being deleted."""
    causes = (error.details or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


def create_in_batches(count: int, create: Callable[[], object]) -> int:
    """Call `create` up to `count` times in batches of 1, 2, 4, …, and stop after the batch in which one fails.

    Returns how many succeeded; raises the first failure (slowStartBatch in pkg/controller/replicaset/replica_set.go).
    """
    done, batch = 0, 1
    while done < count:
        failure: ApiError | None = None
        for _ in range(min(batch, count - done)):
            try:
                create()
            except ApiError as error:
                failure = failure or error
            else:
                done += 1
        if failure is not None:
            raise failure
        batch *= 2
    return done
