"""What a controller is, and the queue that calls it: deduplicated keys, retries with back-off, one key at a time.

Reads come straight from the store, so a controller never sees a stale cache and needs no expectations.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from seatrial.twin.clock import Timer
from seatrial.twin.context import Context
from seatrial.twin.errors import ApiError
from seatrial.twin.registry.options import Options
from seatrial.twin.store import Change, Key
from seatrial.world.objects import Obj, controller_of, name_of, namespace_of

log = logging.getLogger(__name__)

#: A failed key waits 5 ms doubling to 1,000 s (client-go/util/workqueue/default_rate_limiters.go).
FIRST_RETRY, LAST_RETRY = 0.005, 1000.0

#: Seconds a key rests after it was looked at: about what one look takes on a real cluster, with its writes. What changes
#: meanwhile is seen in one look, which keeps the work of a rollout in proportion to its pods.
PACE = 0.02

#: Seconds more for each object that a look went through.
PACE_PER_OBJECT = 0.000_05

#: A key that has failed less often than this does not rest, and every change of it gets a look of its own: on a real
#: cluster, where changes come one by one, each is another failure that makes the next wait longer
#: (`rollouts/golden/quota-allows-unavailable-4.json`).
RESTLESS = 16

#: Who the controllers are to the API.
OPTIONS = Options(user="system:kube-controller-manager", groups=("system:authenticated",), manager="kube-controller-manager")


@dataclass(frozen=True)
class Watch:
    """A resource a controller watches (None: every one), and the keys that a change of it makes worth a look.

    `delay`: seconds to wait for more changes before the look.
    """

    resource: str | None
    keys: Callable[[Change], Iterable[Key]]
    delay: float = 0.0


class Controller(Protocol):
    """`reconcile` brings the object with this key one step nearer to its spec.

    It returns the seconds after which it wants to look again, or None; an ApiError it lets through is retried with back-off.
    A controller may have a `pace` of its own: the seconds a key rests between two looks; and a `weight`: how many objects
    its last look went through, for which the key rests the longer.
    """

    name: str
    watches: Sequence[Watch]

    def reconcile(self, key: Key) -> float | None: ...


def own_key(change: Change) -> Iterable[Key]:
    return ((namespace_of(change.object), name_of(change.object)),)


def controller_key(kind: str) -> Callable[[Change], Iterable[Key]]:
    """The keys of the controllers of this kind that own, or owned, the changed object."""

    def keys(change: Change) -> Iterable[Key]:
        found = set()
        for obj in (change.object, change.old):
            owner = controller_of(obj) if obj else None
            if owner and owner["kind"] == kind:
                found.add((namespace_of(change.object), owner["name"]))
        return found

    return keys


class Queue:
    """The keys one controller has yet to look at."""

    def __init__(self, context: Context, controller: Controller) -> None:
        self._clock, self._controller = context.clock, controller
        self._pace: float = getattr(controller, "pace", PACE)
        self._waiting: dict[Key, None] = {}
        self._failures: dict[Key, int] = {}
        self._later: dict[Key, tuple[float, Timer]] = {}
        self._looked: dict[Key, float] = {}
        self._resting: set[Key] = set()
        self._repeat: dict[Key, int] = {}  # looks still owed to changes of a failing key
        self._looking: Key | None = None
        self._changed_meanwhile = False
        self._scheduled = self._closed = False

    def add(self, key: Key) -> None:
        if key in self._resting:
            return
        if key in self._waiting:
            self._repeat[key] = self._repeat.get(key, 0) + self._is_failing(key)
            return
        if key == self._looking:
            self._changed_meanwhile = True
            return
        rest = self._looked.get(key, 0.0) + self._pace - self._clock.now()
        if rest > 0:
            self._resting.add(key)
            self._clock.call_later(rest, self._rested, key)
        else:
            self._push(key)

    def add_after(self, key: Key, delay: float) -> None:
        """Add a key later; of several times asked for, the earliest counts."""
        due = self._clock.now() + delay
        pending = self._later.get(key)
        if pending is not None:
            if pending[0] <= due:
                return
            pending[1].cancel()
        self._later[key] = due, self._clock.call_later(delay, self._due, key)

    def close(self) -> None:
        """Call the controller no more."""
        self._closed = True
        for _, timer in self._later.values():
            timer.cancel()

    def _push(self, key: Key) -> None:
        self._waiting[key] = None
        if not self._scheduled:
            self._scheduled = True
            self._clock.call_soon(self._next)

    def _rested(self, key: Key) -> None:
        self._resting.discard(key)
        self._push(key)

    def _due(self, key: Key) -> None:
        self._later.pop(key, None)
        self._push(key)

    def _next(self) -> None:
        if self._closed:
            return
        key = next(iter(self._waiting))
        del self._waiting[key]
        self._scheduled = bool(self._waiting)
        if self._scheduled:
            self._clock.call_soon(self._next)
        self._looking, self._changed_meanwhile = key, False
        try:
            again = self._controller.reconcile(key)
        except ApiError as error:
            log.debug("%s %s: %s", self._controller.name, "/".join(key), error)
            self._retry(key)
        except Exception:
            log.exception("%s failed on %s", self._controller.name, "/".join(key))
            self._retry(key)
        else:
            self._failures.pop(key, None)
            if again is not None:
                self.add_after(key, again)
        self._looking = None
        repeats = self._repeat.pop(key, 0)
        if not self._is_failing(key):
            self._note(key)
        elif repeats:
            self._push(key)
            self._repeat[key] = repeats - 1
        if self._changed_meanwhile:
            self.add(key)

    def _is_failing(self, key: Key) -> bool:
        return 0 < self._failures.get(key, 0) < RESTLESS

    def _note(self, key: Key) -> None:
        if not self._pace:
            return
        now = self._clock.now()
        if len(self._looked) > 1000:
            self._looked = {known: at for known, at in self._looked.items() if at + self._pace > now}
        self._looked[key] = now + PACE_PER_OBJECT * getattr(self._controller, "weight", 0)

    def _retry(self, key: Key) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, min(LAST_RETRY, FIRST_RETRY * 2 ** min(failures, 30)))


class Manager:
    """Runs controllers over one cluster: looks at everything once, then at what changes."""

    def __init__(self, context: Context, controllers: Sequence[Controller]) -> None:
        self._context, self._controllers = context, controllers
        self._queues: list[Queue] = []
        self._ends: list[Callable[[], None]] = []

    def start(self) -> None:
        store = self._context.store
        for controller in self._controllers:
            queue = Queue(self._context, controller)
            self._queues.append(queue)
            for watch in controller.watches:
                feed = _feeder(queue, watch)
                self._ends.append(store.subscribe(watch.resource, feed))
                for resource in (watch.resource,) if watch.resource else tuple(store.resources()):
                    for obj in store.list(resource):
                        feed(Change("ADDED", resource, obj, None, 0))

    def stop(self) -> None:
        for end in self._ends:
            end()
        for queue in self._queues:
            queue.close()
        self._ends.clear()
        self._queues.clear()


def _feeder(queue: Queue, watch: Watch) -> Callable[[Change], None]:
    def feed(change: Change) -> None:
        for key in watch.keys(change):
            queue.add(key)

    def feed_later(change: Change) -> None:
        for key in watch.keys(change):
            queue.add_after(key, watch.delay)

    return feed_later if watch.delay else feed


def owned_by(context: Context, resource: str, owner: Obj) -> list[Obj]:
    """The objects of a resource whose controller is `owner`, by the index that `context` keeps."""
    return context.store.by_index(resource, "controller", owner["metadata"]["uid"])
