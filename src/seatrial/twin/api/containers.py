"""Which container of a pod a request means, which run of it, and whether that run is over.

Messages are those of the API server (pkg/registry/core/pod/strategy.go) and of the kubelet (pkg/kubelet/kubelet_pods.go).
"""

from __future__ import annotations

from seatrial.twin import errors
from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import Obj, dig, name_of


def _names(pod: Obj, key: str) -> list[str]:
    return [container["name"] for container in dig(pod, f"spec.{key}") or ()]


def only(pod: Obj) -> str:
    """The container of a pod that has one. Raises ApiError (400) for a pod of several."""
    names, init = _names(pod, "containers"), _names(pod, "initContainers")
    if len(names) == 1:
        return names[0]
    message = f"a container name must be specified for pod {name_of(pod)}, choose one of: [{' '.join(names)}]"
    if init:
        message += f" or one of the init containers: [{' '.join(init)}]"
    raise errors.bad_request(message)


def check(pod: Obj, container: str) -> None:
    """Raises ApiError (400) for a container that the pod has not."""
    if not any(container in _names(pod, key) for key in ("containers", "initContainers", "ephemeralContainers")):
        raise errors.bad_request(f"container {container} is not valid for pod {name_of(pod)}")


def running(pod: Obj, name: str) -> str:
    """The container a command is for: the one named, or the only one. Raises ApiError for one that does not run."""
    name = name or only(pod)
    check(pod, name)
    status = status_of(pod, name) or {}
    if "running" not in (status.get("state") or {}):
        raise errors.ApiError(
            500, "InternalError", f'Internal error occurred: unable to upgrade connection: container not found ("{name}")'
        )
    return name


def status_of(pod: Obj, container: str) -> Obj | None:
    """What the pod says of a container, of any kind."""
    for key in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for status in dig(pod, f"status.{key}") or ():
            if status.get("name") == container:
                return dict(status)
    return None


def attempt_of(pod: Obj, container: str, previous: bool) -> tuple[int, str]:
    """Which run of the container is asked for, and its id (validateContainerLogStatus). Raises ApiError (400)."""
    named = f'container "{container}" in pod "{name_of(pod)}"'
    status = status_of(pod, container)
    if status is None:
        raise errors.bad_request(
            f"{named} is waiting to start: ContainerCreating" if not previous else f"previous terminated {named} not found"
        )
    state, restarts = status.get("state") or {}, status.get("restartCount", 0)
    last = dig(status, "lastState.terminated") or {}
    if previous:
        if not last.get("containerID"):
            raise errors.bad_request(f"previous terminated {named} not found")
        return (restarts if "waiting" in state else restarts - 1), last["containerID"]
    if "running" in state:
        return restarts, status.get("containerID", "")
    terminated = state.get("terminated")
    if terminated and terminated.get("containerID"):
        return restarts, terminated["containerID"]
    if terminated or last:
        if not last.get("containerID"):
            raise errors.bad_request(f"{named} is terminated")
        return restarts, last["containerID"]
    raise errors.bad_request(f"{named} is waiting to start{_why_waiting(state.get('waiting') or {})}")


def _why_waiting(waiting: Obj) -> str:
    reason = waiting.get("reason", "")
    if reason == "ErrImagePull":
        return ": image can't be pulled"
    if reason == "ImagePullBackOff":
        return ": trying and failing to pull image"
    return f": {reason}" if reason else " - no logs yet"


def is_over(registry: Registry, pod: Obj, container: str, attempt: int) -> bool:
    """Whether a run of a container has ended, or its pod is gone."""
    metadata = pod["metadata"]
    now = registry.find("pods", metadata["namespace"], metadata["name"])
    if now is None or now["metadata"]["uid"] != metadata["uid"]:
        return True
    status = status_of(now, container) or {}
    return status.get("restartCount", 0) > attempt or "running" not in (status.get("state") or {})
