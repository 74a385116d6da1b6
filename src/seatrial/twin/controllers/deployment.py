"""The Deployment controller: makes a ReplicaSet for each revision of the template and moves replicas from the old to the new.

It follows pkg/controller/deployment: rolling and recreate, pause and resume, rollover, proportional scaling, history.
What the numbers come to is in `deployment_math`; the pods are the ReplicaSet controller's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from seatrial.twin.clock import seconds_of
from seatrial.twin.context import Context
from seatrial.twin.controllers import deployment_math as math
from seatrial.twin.controllers.base import OPTIONS, Watch, controller_key, own_key, owned_by
from seatrial.twin.controllers.hashing import hash_of
from seatrial.twin.controllers.ownership import claim, claimants, is_deleting, owner_reference
from seatrial.twin.controllers.pods import is_finished, namespace_terminating
from seatrial.twin.errors import ApiError
from seatrial.twin.store import Change, Key
from seatrial.world.objects import Obj, clone, controller_of, name_of, namespace_of

DEPLOYMENTS, REPLICA_SETS = "deployments.apps", "replicasets.apps"
COMPONENT = "deployment-controller"


class DeploymentController:
    name = "deployment"

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        self.watches: Sequence[Watch] = (
            Watch(DEPLOYMENTS, own_key),
            Watch(REPLICA_SETS, controller_key("Deployment")),
            Watch(REPLICA_SETS, claimants(context, DEPLOYMENTS)),
            Watch("pods", self._of_deleted_pod),
        )

    def _of_deleted_pod(self, change: Change) -> Iterable[Key]:
        """A Deployment that recreates waits for the last of its old pods."""
        owner = controller_of(change.object) if change.type == "DELETED" else None
        if owner is None or owner["kind"] != "ReplicaSet":
            return ()
        namespace = namespace_of(change.object)
        rs = self._registry.find(REPLICA_SETS, namespace, owner["name"])
        above = controller_of(rs) if rs else None
        deployment = self._registry.find(DEPLOYMENTS, namespace, above["name"]) if above else None
        if deployment is None or math.is_rolling(deployment):
            return ()
        return ((namespace, name_of(deployment)),)

    def reconcile(self, key: Key) -> float | None:
        deployment = self._registry.find(DEPLOYMENTS, *key)
        if deployment is None:
            return None
        return _Sync(self._context, deployment).run()


class _Sync:
    """One look at one Deployment. `_deployment` is the object as last written; `_old` and `_new` its ReplicaSets likewise."""

    def __init__(self, context: Context, deployment: Obj) -> None:
        self._context, self._registry, self._deployment = context, context.registry, deployment
        self._now = context.clock.now()
        self._new: Obj | None = None
        self._old: list[Obj] = []

    @property
    def _all(self) -> list[Obj | None]:
        return [*self._old, self._new]

    def run(self) -> float | None:
        selector = self._deployment["spec"].get("selector")
        if not selector:
            self._tell("Warning", "SelectingAll", "This deployment is selecting all pods. A non-empty selector is required.")
            return None
        replica_sets = claim(self._context, REPLICA_SETS, self._deployment, selector)
        self._new = math.find_new(self._deployment, replica_sets)
        uid = self._new["metadata"]["uid"] if self._new else None
        self._old = sorted((rs for rs in replica_sets if rs["metadata"]["uid"] != uid), key=math.age_of)
        if is_deleting(self._deployment):
            return self._only_status()
        self._note_pause()
        if self._deployment["spec"].get("paused"):
            return self._resize(clean=True)
        if self._was_scaled(replica_sets):
            return self._resize(clean=False)
        return self._roll() if math.is_rolling(self._deployment) else self._recreate()

    # rolling (rolling.go)

    def _roll(self) -> float | None:
        self._have_new()
        if not self._grow_new() and not self._shrink_old() and self._is_complete():
            self._clean_history()
        return self._finish()

    def _grow_new(self) -> bool:
        new, replicas = self._new, math.wanted(self._deployment)
        if new is None or math.wanted(new) == replicas:
            return False
        if math.wanted(new) > replicas:
            return self._scale(new, replicas)
        return self._scale(new, math.new_size(self._deployment, self._all, math.wanted(new)))

    def _shrink_old(self) -> bool:
        """Take old pods away as far as availability allows, those that are not available first."""
        if not math.size(self._old):
            return False
        least = math.wanted(self._deployment) - math.max_unavailable(self._deployment)
        starting = math.size([self._new]) - math.count([self._new], "availableReplicas")
        may_go = math.size(self._all) - least - starting
        if may_go <= 0:
            return False
        cleaned = self._take(may_go, lambda rs: math.wanted(rs) - math.count([rs], "availableReplicas"))
        spare = math.count(self._all, "availableReplicas") - least
        taken = self._take(spare, math.wanted) if spare > 0 else 0
        return cleaned + taken > 0

    def _take(self, budget: int, of: Callable[[Obj], int]) -> int:
        """Shrink old ReplicaSets, the oldest first, by up to `of` each and `budget` in all."""
        taken = 0
        for rs in math.active(self._old):
            part = min(budget - taken, of(rs))
            if part > 0:
                self._scale(rs, math.wanted(rs) - part)
                taken += part
        return taken

    # recreate (recreate.go)

    def _recreate(self) -> float | None:
        shrunk = [self._scale(rs, 0) for rs in math.active(self._old)]
        if any(shrunk):
            return self._finish()
        if self._old_pods_run():
            return self._finish()
        self._have_new()
        if self._new is not None:
            self._scale(self._new, math.wanted(self._deployment))
        if self._is_complete():
            self._clean_history()
        return self._finish()

    def _old_pods_run(self) -> bool:
        return any(not is_finished(pod) for rs in self._old for pod in owned_by(self._context, "pods", rs))

    # scaling and pausing (sync.go)

    def _note_pause(self) -> None:
        """Say in the conditions that the rollout is paused or resumed, so that the pause is not taken for a lack of progress."""
        if math.deadline_of(self._deployment) is None:
            return
        status = self._deployment.get("status") or {}
        progressing = math.get_condition(status, "Progressing")
        reason = progressing["reason"] if progressing else ""
        paused = bool(self._deployment["spec"].get("paused"))
        if reason == "ProgressDeadlineExceeded" or paused == (reason == "DeploymentPaused"):
            return
        words = ("DeploymentPaused", "Deployment is paused") if paused else ("DeploymentResumed", "Deployment is resumed")
        self._write_status(math.with_condition(status, math.condition("Progressing", "Unknown", *words, self._now)))

    def _was_scaled(self, replica_sets: Sequence[Obj]) -> bool:
        desired = (math.number(rs, math.DESIRED) for rs in math.active(replica_sets))
        return any(each is not None and each != math.wanted(self._deployment) for each in desired)

    def _resize(self, *, clean: bool) -> float | None:
        self._revise()
        self._spread()
        if clean:
            self._clean_history()
        self._write_status(math.calculate_status(self._deployment, self._all, self._new, self._now))
        return None

    def _spread(self) -> None:
        """Share a change of replicas among the ReplicaSets in proportion to their sizes, so that a rollout can go on safely."""
        deployment = self._deployment
        alone = self._active_or_latest()
        if alone is not None:
            if math.wanted(alone) != math.wanted(deployment):
                self._scale(alone, math.wanted(deployment))
            return
        if math.is_saturated(deployment, self._new):
            for rs in math.active(self._old):
                self._scale(rs, 0)
            return
        if math.is_rolling(deployment):
            self._spread_in_proportion(math.active(self._all))

    def _spread_in_proportion(self, replica_sets: list[Obj]) -> None:
        deployment = self._deployment
        replicas = math.wanted(deployment)
        to_add = (replicas + math.max_surge(deployment) if replicas else 0) - math.size(replica_sets)
        replica_sets.sort(key=math.age_of, reverse=to_add > 0)
        replica_sets.sort(key=math.wanted, reverse=True)
        sizes, added = [], 0
        for rs in replica_sets:
            part = math.share(rs, deployment, to_add, added)
            sizes.append(math.wanted(rs) + part)
            added += part
        sizes[0] = max(0, sizes[0] + to_add - added)
        for rs, new_size in zip(replica_sets, sizes, strict=True):
            self._scale(rs, new_size)

    def _active_or_latest(self) -> Obj | None:
        running = math.active(self._all)
        if len(running) > 1:
            return None
        if running:
            return running[0]
        return self._new or (self._old[-1] if self._old else None)

    def _scale(self, rs: Obj, replicas: int) -> bool:
        """Bring a ReplicaSet to a size; True when that changed it."""
        before = math.wanted(rs)
        old = rs["metadata"].get("annotations") or {}
        annotations = math.size_annotations(old, self._deployment)
        if before == replicas and annotations == old:
            return False
        self._replace(
            rs, {**rs, "metadata": {**rs["metadata"], "annotations": annotations}, "spec": {**rs["spec"], "replicas": replicas}}
        )
        if before != replicas:
            self._tell_scaled(name_of(rs), before, replicas)
        return before != replicas

    def _replace(self, rs: Obj, changed: Obj) -> None:
        written = self._registry.update(REPLICA_SETS, changed, OPTIONS)
        if rs is self._new:
            self._new = written
        else:
            self._old = [written if each is rs else each for each in self._old]

    def _tell_scaled(self, name: str, before: int, after: int) -> None:
        direction = "up" if after > before else "down"
        self._tell("Normal", "ScalingReplicaSet", f"Scaled {direction} replica set {name} from {before} to {after}")

    # the new ReplicaSet (getNewReplicaSet in sync.go)

    def _have_new(self) -> None:
        if self._new is None:
            self._create_new()
        else:
            self._revise()

    def _revise(self) -> None:
        """Bring the new ReplicaSet's annotations and the Deployment's revision up to date."""
        new = self._new
        if new is None:
            return
        old = new["metadata"].get("annotations") or {}
        annotations = math.revised_annotations(old, self._deployment, math.max_revision(self._old) + 1)
        min_ready = self._deployment["spec"].get("minReadySeconds", 0)
        if annotations != old or new["spec"].get("minReadySeconds", 0) != min_ready:
            spec = {**new["spec"], "minReadySeconds": min_ready}
            self._replace(new, {**new, "metadata": {**new["metadata"], "annotations": annotations}, "spec": spec})
            return
        status = self._deployment.get("status") or {}
        if math.deadline_of(self._deployment) is not None and math.get_condition(status, "Progressing") is None:
            found = f'Found new replica set "{name_of(new)}"'
            status = math.with_condition(status, math.condition("Progressing", "True", "FoundNewReplicaSet", found, self._now))
        self._write_status(status, annotations.get(math.REVISION, ""))

    def _create_new(self) -> None:
        deployment, revision = self._deployment, math.max_revision(self._old) + 1
        wanted = self._replica_set(revision)
        name, replicas = name_of(wanted), math.wanted(wanted)
        existed = False
        try:
            self._new = self._registry.create(REPLICA_SETS, wanted, OPTIONS)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                self._creation_failed(name, error)
                raise
            self._new = self._same_or_collision(name, error)
            existed = True
        if not existed and replicas > 0:
            self._tell_scaled(name, 0, replicas)
        status = deployment.get("status") or {}
        if not existed and math.deadline_of(deployment) is not None:
            created = f'Created new replica set "{name}"'
            status = math.with_condition(
                status, math.condition("Progressing", "True", "NewReplicaSetCreated", created, self._now)
            )
        self._write_status(status, str(revision))

    def _replica_set(self, revision: int) -> Obj:
        """The ReplicaSet of the Deployment's template as it is now, in the size it may have."""
        deployment = self._deployment
        spec, template = deployment["spec"], clone(deployment["spec"]["template"])
        digest = hash_of(template, (deployment.get("status") or {}).get("collisionCount"))
        metadata = template.setdefault("metadata", {})
        metadata["labels"] = {**(metadata.get("labels") or {}), math.HASH_LABEL: digest}
        selector = clone(spec["selector"])
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), math.HASH_LABEL: digest}
        annotations = math.revised_annotations({}, deployment, revision)
        made: Obj = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{name_of(deployment)}-{digest}",
                "namespace": namespace_of(deployment),
                "labels": dict(metadata["labels"]),
                "annotations": math.size_annotations(annotations, deployment),
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": {"replicas": 0, "selector": selector, "template": template},
        }
        if spec.get("minReadySeconds"):
            made["spec"]["minReadySeconds"] = spec["minReadySeconds"]
        made["spec"]["replicas"] = math.new_size(deployment, self._old, 0)
        return made

    def _same_or_collision(self, name: str, error: ApiError) -> Obj:
        """Our own ReplicaSet of that name; a foreign one makes us take another hash at the next try."""
        deployment = self._deployment
        rs = self._registry.get(REPLICA_SETS, namespace_of(deployment), name)
        owner = controller_of(rs)
        template = deployment["spec"]["template"]
        if owner and owner["uid"] == deployment["metadata"]["uid"] and math.same_template(rs["spec"]["template"], template):
            return rs
        status = deployment.get("status") or {}
        self._write_status({**status, "collisionCount": status.get("collisionCount", 0) + 1})
        raise error

    def _creation_failed(self, name: str, error: ApiError) -> None:
        if namespace_terminating(error):
            return
        message = f'Failed to create new replica set "{name}": {error.message}'
        if math.deadline_of(self._deployment) is not None:
            failed = math.condition("Progressing", "False", "ReplicaSetCreateError", message, self._now)
            self._write_status(math.with_condition(self._deployment.get("status") or {}, failed))
        self._tell("Warning", "ReplicaSetCreateError", message)

    # the end of a look

    def _is_complete(self) -> bool:
        return math.is_complete(self._deployment, self._deployment.get("status") or {})

    def _clean_history(self) -> None:
        for rs in math.surplus_revisions(self._deployment, self._old):
            self._registry.delete(REPLICA_SETS, namespace_of(rs), name_of(rs), options=OPTIONS)
            self._old = [each for each in self._old if each is not rs]

    def _only_status(self) -> float | None:
        self._write_status(math.calculate_status(self._deployment, self._all, self._new, self._now))
        return None

    def _finish(self) -> float | None:
        """Write the status; when nothing changed, say when the deadline is due to be looked at (requeueStuckDeployment)."""
        status = math.rollout_status(self._deployment, self._all, self._new, self._now)
        if self._write_status(status):
            return None
        deadline, progressing = math.deadline_of(self._deployment), math.get_condition(status, "Progressing")
        if deadline is None or progressing is None or math.is_complete(self._deployment, status):
            return None
        if progressing["reason"] == "ProgressDeadlineExceeded":
            return None
        left = seconds_of(progressing["lastUpdateTime"]) + deadline - self._now
        return max(0.005, left + 0.001) if left < 1 else left + 1

    def _write_status(self, status: Obj, revision: str = "") -> bool:
        """Write status and revision annotation where they changed; True when they did."""
        old, metadata = self._deployment.get("status") or {}, self._deployment["metadata"]
        annotations = metadata.get("annotations") or {}
        changed = {**annotations, math.REVISION: revision} if revision else annotations
        if status == old and changed == annotations:
            return False
        written = {**self._deployment, "metadata": {**metadata}, "status": status}
        if changed:
            written["metadata"]["annotations"] = changed
        self._deployment = self._registry.update_status(DEPLOYMENTS, written, OPTIONS)
        return True

    def _tell(self, type_: str, reason: str, message: str) -> None:
        self._context.events.emit(self._deployment, type_, reason, message, COMPONENT)
