"""The DaemonSet controller: one pod on every node that takes it, replaced a few at a time when the template changes.

It follows pkg/controller/daemon (daemon_controller.go, update.go). A pod is tied to its node by an affinity to the node's
name, and the scheduler binds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seatrial.twin.context import Context
from seatrial.twin.controllers.base import OPTIONS, Watch, controller_key, own_key
from seatrial.twin.controllers.daemonset_nodes import pin, should_run, target_of, with_tolerations
from seatrial.twin.controllers.ownership import claim, claimants, is_deleting
from seatrial.twin.controllers.pods import (
    PodControl,
    create_in_batches,
    is_available,
    is_ready,
    new_pod,
    next_available,
    node_of,
    phase_of,
)
from seatrial.twin.controllers.revisions import REVISION_LABEL, REVISIONS, History
from seatrial.twin.controllers.scaling import scaled
from seatrial.twin.errors import ApiError
from seatrial.twin.store import Change, Key
from seatrial.world.objects import Obj, annotations_of, labels_of, name_of, namespace_of

DAEMON_SETS = "daemonsets.apps"
BURST = 250  # pods created or deleted in one look
FIRST_BACKOFF, LAST_BACKOFF = 1.0, 900.0  # seconds before a failed pod is replaced on its node
_GENERATION = "deprecated.daemonset.template.generation"


class DaemonSetController:
    name = "daemonset"

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        self._backoffs: dict[tuple[str, str], tuple[float, float]] = {}  # (uid, node) -> (wait, since)
        self.watches: Sequence[Watch] = (
            Watch(DAEMON_SETS, own_key),
            Watch("pods", controller_key("DaemonSet")),
            Watch("pods", claimants(context, DAEMON_SETS)),
            Watch(REVISIONS, controller_key("DaemonSet")),
            Watch("nodes", self._of_node),
        )

    def _of_node(self, change: Change) -> Iterable[Key]:
        """A node that comes, goes, or changes what it takes matters to every DaemonSet; its status does not."""
        new, old = change.object, change.old if change.type == "MODIFIED" else None
        if old is not None and new.get("spec") == old.get("spec") and labels_of(new) == labels_of(old):
            return ()
        return [(namespace_of(each), name_of(each)) for each in self._context.store.list(DAEMON_SETS)]

    def reconcile(self, key: Key) -> float | None:
        found = self._registry.find(DAEMON_SETS, *key)
        return None if found is None else _Sync(self._context, found, self._backoffs).run()


class _Sync:
    """One look at one DaemonSet. `_by_node`: its pods by the node they are on or meant for."""

    def __init__(self, context: Context, daemon_set: Obj, backoffs: dict[tuple[str, str], tuple[float, float]]) -> None:
        self._context, self._registry, self._set = context, context.registry, daemon_set
        self._pods = PodControl(context, "daemonset-controller")
        self._now = context.clock.now()
        self._backoffs = backoffs
        self._again: float | None = None
        self._min_ready: int = daemon_set["spec"].get("minReadySeconds", 0)
        self._template = with_tolerations(daemon_set["spec"]["template"])
        self._verdicts = {name_of(node): should_run(self._template, node) for node in context.store.list("nodes")}

    def run(self) -> float | None:
        history = History(self._context, self._set, REVISION_LABEL)
        current = history.current()
        self._hash = history.digest(current)
        self._collisions = history.collisions
        self._collect()
        if is_deleting(self._set):
            return None
        failure: ApiError | None = None
        try:
            self._manage()
            if (self._set["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate":
                self._collect()
                self._roll()
        except ApiError as error:
            failure = error
        self._collect()
        self._write_status()
        hashes = {labels_of(pod).get(REVISION_LABEL, "") for pod in self._all}
        live = [name_of(revision) for revision in history.revisions if history.digest(revision) in hashes]
        history.clean(live, (current,))
        if failure is not None:
            raise failure
        waits = (self._again, next_available(self._all, self._min_ready, self._now))
        return min((wait for wait in waits if wait is not None), default=None)

    def _collect(self) -> None:
        self._all = claim(self._context, "pods", self._set, self._set["spec"]["selector"])
        self._by_node: dict[str, list[Obj]] = {}
        for pod in sorted(self._all, key=lambda pod: (pod["metadata"]["creationTimestamp"], name_of(pod))):
            self._by_node.setdefault(target_of(pod), []).append(pod)

    # one pod a node (manage)

    def _manage(self) -> None:
        missing: list[str] = []
        surplus: list[Obj] = []
        for node, (runs, stays) in self._verdicts.items():
            pods = self._by_node.get(node, [])
            if runs and not pods:
                missing.append(node)
            elif stays:
                surplus += self._surplus(node, [pod for pod in pods if not is_deleting(pod)])
            else:
                surplus += [pod for pod in pods if not is_deleting(pod)]
        # Pods meant for nodes that are gone would wait for ever.
        for node, pods in self._by_node.items():
            if node not in self._verdicts:
                surplus += [pod for pod in pods if not is_deleting(pod) and not node_of(pod)]
        self._sync(missing, surplus)

    def _surplus(self, node: str, pods: Sequence[Obj]) -> list[Obj]:
        going, running = [], []
        for pod in pods:
            if phase_of(pod) == "Failed":
                if self._may_replace(node):
                    self._tell_replaced("Warning", "FailedDaemonPod", "failed", pod)
                    going.append(pod)
            elif phase_of(pod) == "Succeeded":
                self._tell_replaced("Normal", "SucceededDaemonPod", "succeeded", pod)
                going.append(pod)
            else:
                running.append(pod)
        if self._surge():
            new, old = self._split(running)
            return going + new[1:] + old[1:]
        return going + running[1:]

    def _may_replace(self, node: str) -> bool:
        """Whether a failed pod may be replaced on this node already; each time makes the next one wait longer."""
        key = self._set["metadata"]["uid"], node
        wait, since = self._backoffs.get(key, (0.0, 0.0))
        left = since + wait - self._now
        if left > 0:
            self._again = left if self._again is None else min(self._again, left)
            return False
        fresh = not wait or self._now - since > 2 * LAST_BACKOFF
        self._backoffs[key] = (FIRST_BACKOFF if fresh else min(LAST_BACKOFF, wait * 2)), self._now
        return True

    def _tell_replaced(self, type_: str, reason: str, state: str, pod: Obj) -> None:
        where = f"{namespace_of(pod)}/{name_of(pod)} on node {node_of(pod)}"
        ending = "kill" if state == "failed" else "delete"
        self._pods.tell(self._set, type_, reason, f"Found {state} daemon pod {where}, will try to {ending} it")

    def _sync(self, nodes: Sequence[str], surplus: Sequence[Obj]) -> None:
        turn = iter(nodes)
        try:
            create_in_batches(min(BURST, len(nodes)), lambda: self._create(next(turn)))
        finally:
            for pod in surplus[:BURST]:
                self._pods.delete(pod, self._set)

    def _create(self, node: str) -> None:
        pod = new_pod(self._template, self._set)
        labels = pod["metadata"].setdefault("labels", {})
        labels[REVISION_LABEL] = self._hash
        labels["pod-template-generation"] = annotations_of(self._set).get(_GENERATION, "1")
        pin(pod["spec"], node)
        self._pods.create(pod, self._set)

    # rolling update (update.go)

    def _limits(self) -> tuple[int, int]:
        """(surge, unavailable) in pods; percentages are of the nodes that want one, rounded up."""
        update = (self._set["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
        desired = sum(1 for runs, _ in self._verdicts.values() if runs)
        surge = scaled(update.get("maxSurge", 0), desired, up=True)
        unavailable = scaled(update.get("maxUnavailable", 1), desired, up=True)
        return surge, unavailable or (0 if surge else 1)

    def _surge(self) -> int:
        return self._limits()[0]

    def _split(self, pods: Iterable[Obj]) -> tuple[list[Obj], list[Obj]]:
        """(of the current template, of older ones)"""
        staying = [pod for pod in pods if not is_deleting(pod)]
        new = [pod for pod in staying if labels_of(pod).get(REVISION_LABEL) == self._hash]
        return new, [pod for pod in staying if labels_of(pod).get(REVISION_LABEL) != self._hash]

    def _available(self, pod: Obj) -> bool:
        return is_available(pod, self._min_ready, self._now)

    def _roll(self) -> None:
        surge, unavailable = self._limits()
        wanted = [node for node, (runs, _) in self._verdicts.items() if runs]
        pods = {node: self._split(self._by_node.get(node, ())) for node in wanted}
        if surge:
            self._roll_over(pods, surge)
        else:
            self._roll_down(pods, unavailable)

    def _roll_down(self, pods: dict[str, tuple[list[Obj], list[Obj]]], unavailable: int) -> None:
        """Delete old pods: those that are down anyway, and others as far as the number of unavailable ones permits."""
        down, broken, candidates = 0, list[Obj](), list[Obj]()
        for new, old in pods.values():
            if len(new) > 1 or len(old) > 1 or not (new or old):
                down += 1
            elif new:
                down += not self._available(new[0])
            elif self._available(old[0]):
                candidates.append(old[0])
            else:
                broken.append(old[0])
        self._sync((), broken + candidates[: max(0, unavailable - down)])

    def _roll_over(self, pods: dict[str, tuple[list[Obj], list[Obj]]], surge: int) -> None:
        """Start new pods beside old ones, and delete the old where the new is available."""
        used, broken, candidates, done = 0, list[str](), list[str](), list[Obj]()
        for node, (new, old) in pods.items():
            if not old:
                continue
            if not new:
                (candidates if self._available(old[0]) else broken).append(node)
            elif self._available(new[0]):
                done += old
            else:
                used += 1
        self._sync(broken + candidates[: max(0, surge - used)], done)

    # status

    def _write_status(self) -> None:
        counts = dict.fromkeys(("desired", "current", "misscheduled", "ready", "available", "updated"), 0)
        for node, (runs, _) in self._verdicts.items():
            pods = self._by_node.get(node, [])
            if not runs:
                counts["misscheduled"] += bool(pods)
                continue
            counts["desired"] += 1
            if not pods:
                continue
            counts["current"] += 1
            counts["ready"] += is_ready(pods[0])
            counts["available"] += self._available(pods[0])
            counts["updated"] += any(labels_of(pod).get(REVISION_LABEL) == self._hash for pod in pods[:1])
        status: Obj = {
            "currentNumberScheduled": counts["current"],
            "numberMisscheduled": counts["misscheduled"],
            "desiredNumberScheduled": counts["desired"],
            "numberReady": counts["ready"],
            "observedGeneration": self._set["metadata"].get("generation", 0),
        }
        optional = {
            "updatedNumberScheduled": counts["updated"],
            "numberAvailable": counts["available"],
            "numberUnavailable": counts["desired"] - counts["available"],
            "collisionCount": self._collisions,
        }
        status |= {part: value for part, value in optional.items() if value}
        if status != self._set.get("status"):
            written = {**self._set, "metadata": {**self._set["metadata"]}, "status": status}
            self._registry.update_status(DAEMON_SETS, written, OPTIONS)
