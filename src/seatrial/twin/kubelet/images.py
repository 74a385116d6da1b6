"""Images on one node: who has to pull, one pull at a time, and the back-off after a failure.

Reasons, messages and events are those of pkg/kubelet/images/image_manager.go and pkg/kubelet/events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from seatrial.twin.clock import Clock
from seatrial.twin.kubelet.backoff import Backoff
from seatrial.twin.kubelet.runtime import PullResult, Runtime
from seatrial.twin.kubelet.tasks import Resume, Steps
from seatrial.world.images import REFERENCE

#: How an event about a container is recorded: type, reason, message.
Say = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True)
class Image:
    """What came of asking for an image: its id, or the reason why the container waits and the message beside it."""

    id: str = ""
    reason: str = ""
    message: str = ""


def valid_reference(image: str) -> bool:
    """Whether a name can be an image's at all (distribution/reference)."""
    return REFERENCE.fullmatch(image) is not None


def render_seconds(seconds: float) -> str:
    """A duration as Go prints it, in milliseconds: `850ms`, `1.234s`, `1m2.5s`."""
    millis = round(seconds * 1000)
    if millis < 1000:
        return f"{millis}ms"
    minutes, rest = divmod(millis, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{text}s" if minutes else f"{text}s"


class Images:
    """The images of one node."""

    def __init__(self, clock: Clock, runtime: Runtime) -> None:
        self._clock, self._runtime = clock, runtime
        self._ids: dict[str, str] = {}
        self._queue: deque[tuple[str, Resume]] = deque()
        self._pulling = False
        self._backoff = Backoff()
        self._failed: dict[str, tuple[float, str]] = {}  # key -> when, and what it said

    def ensure(self, pod_uid: str, image: str, policy: str, say: Say) -> Steps[Image]:
        """Make an image present as the pull policy asks; records the events of it."""
        if not valid_reference(image):
            wrong = f'couldn\'t parse image name "{image}": invalid reference format'
            message = f'Failed to apply default image tag "{image}": {wrong}'
            say("Warning", "InspectFailed", message)
            return Image(reason="InvalidImageName", message=message)
        present = image in self._ids or self._runtime.has_image(image)
        if present and policy != "Always":
            say("Normal", "Pulled", f'Container image "{image}" already present on machine and can be accessed by the pod')
            return Image(self._id(image))
        if policy == "Never":
            message = f'Container image "{image}" is not present with pull policy of Never'
            say("Warning", "ErrImageNeverPull", message)
            return Image(reason="ErrImageNeverPull", message=message)
        key = f"{pod_uid}_{image}"
        failed = self._failed.get(key)
        if failed and self._backoff.left(key, failed[0], self._clock.now()) > 0:
            message = f'Back-off pulling image "{image}"'
            say("Normal", "BackOff", message)
            return Image(reason="ImagePullBackOff", message=f"{message}: {failed[1]}")
        return (yield from self._pull(key, image, say))

    def _pull(self, key: str, image: str, say: Say) -> Steps[Image]:
        say("Normal", "Pulling", f'Pulling image "{image}"')
        asked = self._clock.now()
        result: PullResult = yield partial(self._enqueue, image)
        now = self._clock.now()
        if result.error:
            say("Warning", "Failed", f'Failed to pull image "{image}": {result.error}')
            self._backoff.next(key, now, now)
            self._failed[key] = now, f"ErrImagePull: {result.error}"
            return Image(reason="ErrImagePull", message=result.error)
        self._failed.pop(key, None)
        self._ids[image] = result.image_id or image
        took, waited = render_seconds(result.seconds), render_seconds(now - asked)
        size = f" Image size: {result.size} bytes."
        say("Normal", "Pulled", f'Successfully pulled image "{image}" in {took} ({waited} including waiting).{size}')
        return Image(self._id(image))

    def _id(self, image: str) -> str:
        return self._ids.get(image) or image

    def _enqueue(self, image: str, resume: Resume) -> None:
        self._queue.append((image, resume))
        self._next()

    def _next(self) -> None:
        if self._pulling or not self._queue:
            return
        self._pulling = True
        image, resume = self._queue.popleft()

        def done(result: PullResult) -> None:
            self._pulling = False
            resume(result)
            self._next()

        self._runtime.pull(image, done)

    def forget(self, pod_uid: str) -> None:
        """A pod is gone: its failures no longer hold anything back."""
        self._backoff.forget(pod_uid)
        for key in [key for key in self._failed if key.startswith(pod_uid)]:
            del self._failed[key]
