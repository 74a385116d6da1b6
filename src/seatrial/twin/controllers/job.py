"""The Job controller: runs pods until enough have succeeded, or too many have failed, and counts each of them once.

It follows pkg/controller/job/job_controller.go. A finished pod is counted by way of `status.uncountedTerminatedPods` and
its finalizer, so that a stop at any moment neither loses nor doubles it. What the pods come to is in `job_pods`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from seatrial.twin.clock import seconds_of, timestamp
from seatrial.twin.context import Context
from seatrial.twin.controllers import job_pods
from seatrial.twin.controllers.base import OPTIONS, Watch, controller_key, own_key, owned_by
from seatrial.twin.controllers.job_pods import FINALIZER, INDEX, INDEX_FAILURES, Failures, is_indexed, is_tracked
from seatrial.twin.controllers.ownership import claim, is_deleting
from seatrial.twin.controllers.pods import (
    PodControl,
    create_in_batches,
    is_active,
    is_terminating,
    namespace_terminating,
    new_pod,
    phase_of,
)
from seatrial.twin.errors import ApiError
from seatrial.twin.store import Change, Key
from seatrial.world.objects import Obj, controller_of, name_of, namespace_of

JOBS = "jobs.batch"
COMPONENT = "job-controller"
BATCH = 1.0  # seconds in which the changes of a Job's pods are gathered
MOST_COUNTED = 500  # pods counted in one look
MOST_CREATED = 500
_ENDS = ("Complete", "Failed")
#: What says that a Job will end, before the last of its pods is gone.
_INTERIM = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}


def end_of(job: Obj) -> Obj | None:
    """The condition with which a Job has ended, None while it goes on."""
    return _true_condition((job.get("status") or {}).get("conditions") or (), _ENDS)


def _true_condition(conditions: Iterable[Obj], types: Iterable[str]) -> Obj | None:
    return next((each for each in conditions if each["type"] in types and each["status"] == "True"), None)


class JobController:
    name = "job"

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        self._failures: dict[str, Failures] = {}  # by the Job's uid
        self.watches: Sequence[Watch] = (
            Watch(JOBS, own_key),
            Watch("pods", controller_key("Job"), delay=BATCH),
        )

    def reconcile(self, key: Key) -> float | None:
        job = self._registry.find(JOBS, *key)
        if job is None or job["spec"].get("managedBy", "kubernetes.io/job-controller") != "kubernetes.io/job-controller":
            return None
        uid = job["metadata"]["uid"]
        if end_of(job) is not None:
            self._failures.pop(uid, None)
            self._let_go(job)
            return None
        return _Sync(self._context, job, self._failures.setdefault(uid, Failures())).run()

    def _let_go(self, job: Obj) -> None:
        for pod in owned_by(self._context, "pods", job):
            _untrack(self._context, pod)


class OrphanedJobPods:
    """Takes the tracking finalizer from pods whose Job is gone, so that they can go too."""

    name = "job-orphans"

    def __init__(self, context: Context) -> None:
        self._context = context
        self.watches: Sequence[Watch] = (Watch("pods", self._of_pod), Watch(JOBS, self._of_job))

    def _of_pod(self, change: Change) -> Iterable[Key]:
        pod = change.object
        if change.type == "DELETED" or not is_tracked(pod) or (change.type == "MODIFIED" and not is_deleting(pod)):
            return ()
        return own_key(change)

    def _of_job(self, change: Change) -> Iterable[Key]:
        if change.type != "DELETED":
            return ()
        return [(namespace_of(pod), name_of(pod)) for pod in owned_by(self._context, "pods", change.object)]

    def reconcile(self, key: Key) -> float | None:
        pod = self._context.registry.find("pods", *key)
        if pod is None or not is_tracked(pod):
            return None
        owner = controller_of(pod)
        job = self._context.registry.find(JOBS, key[0], owner["name"]) if owner and owner["kind"] == "Job" else None
        if job is None or owner is None or job["metadata"]["uid"] != owner["uid"]:
            _untrack(self._context, pod)
        return None


def _untrack(context: Context, pod: Obj) -> None:
    if not is_tracked(pod):
        return
    metadata = {**pod["metadata"], "finalizers": [each for each in pod["metadata"]["finalizers"] if each != FINALIZER]}
    if not metadata["finalizers"]:
        del metadata["finalizers"]
    context.registry.update("pods", {**pod, "metadata": metadata}, OPTIONS)


class _Sync:
    """One look at one Job. `_status` is what will be written; `_interim` the condition that ends the Job, once there is one."""

    def __init__(self, context: Context, job: Obj, failures: Failures) -> None:
        self._context, self._registry, self._job, self._failures = context, context.registry, job, failures
        self._pods = PodControl(context, COMPONENT)
        self._spec: Obj = job["spec"]
        self._now = context.clock.now()
        self._status: Obj = dict(job.get("status") or {})
        self._interim = _true_condition(self._status.get("conditions") or (), _INTERIM.values())
        self._again: float | None = None
        self._error: ApiError | None = None
        self._index_failures: dict[int, Failures] = {}

    def run(self) -> float | None:
        all_pods = claim(self._context, "pods", self._job, self._spec.get("selector"))
        self._active = [pod for pod in all_pods if is_active(pod)]
        self._terminating = [pod for pod in all_pods if is_terminating(pod)]
        self._start()
        self._count(all_pods)
        if self._interim is None:
            self._judge_failure(all_pods)
        if self._interim is not None:
            self._end_pods(self._active)
        else:
            self._manage()
            self._judge_success()
        self._finish()
        if self._error is not None:
            raise self._error
        return self._again

    @property
    def _suspended(self) -> bool:
        return bool(self._spec.get("suspend"))

    @property
    def _done(self) -> set[int]:
        """The indexes that have succeeded."""
        return job_pods.parse_indexes(self._status.get("completedIndexes", ""))

    @property
    def _given_up(self) -> set[int]:
        """The indexes that have failed for good."""
        return job_pods.parse_indexes(self._status.get("failedIndexes", ""))

    def _start(self) -> None:
        if not self._status.get("startTime") and not self._suspended:
            self._status["startTime"] = timestamp(self._now)

    # counting (trackJobStatusAndRemoveFinalizers)

    def _count(self, all_pods: Sequence[Obj]) -> None:
        """Count the pods that have finished: note their uids, take their finalizers, add them up."""
        tracked = [pod for pod in all_pods if is_tracked(pod)]
        succeeded = [pod for pod in tracked if phase_of(pod) == "Succeeded"]
        failed = [pod for pod in tracked if job_pods.has_failed(pod, self._job)]
        ended = (succeeded + failed)[:MOST_COUNTED]
        before = self._status.get("uncountedTerminatedPods") or {}
        noted = {"succeeded": list(before.get("succeeded") or ()), "failed": list(before.get("failed") or ())}
        known = {*noted["succeeded"], *noted["failed"]}
        new = [pod for pod in ended if pod["metadata"]["uid"] not in known]
        if new:
            self._note(new, noted)
        for pod in ended:
            _untrack(self._context, pod)
        for part, uids in noted.items():
            if uids:
                self._status[part] = self._status.get(part, 0) + len(uids)
        self._status["uncountedTerminatedPods"] = {}
        if len(succeeded) + len(failed) > MOST_COUNTED:
            self._again = 0.0

    def _note(self, new: Sequence[Obj], noted: dict[str, list[str]]) -> None:
        failures, successes = [], []
        done = self._done
        for pod in new:
            if phase_of(pod) == "Succeeded":
                successes.append(pod)
                index = job_pods.index_of(pod)
                if not is_indexed(self._job):
                    noted["succeeded"].append(pod["metadata"]["uid"])
                elif index is not None and index not in done:
                    done.add(index)
                    noted["succeeded"].append(pod["metadata"]["uid"])
            else:
                failures.append(pod)
                self._note_failure(pod, noted["failed"])
        if is_indexed(self._job):
            self._status["completedIndexes"] = job_pods.format_indexes(done)
        self._failures.note(successes, failures)
        self._status["uncountedTerminatedPods"] = {part: uids for part, uids in noted.items() if uids}
        self._status["active"] = len(self._active)
        self._write()

    def _note_failure(self, pod: Obj, uids: list[str]) -> None:
        verdict = job_pods.judge(self._job, pod)
        if verdict.action != "Ignore":
            uids.append(pod["metadata"]["uid"])
        limit, index = self._spec.get("backoffLimitPerIndex"), job_pods.index_of(pod)
        if limit is not None and index is not None:
            failures = job_pods.failures_before(pod) + (verdict.action != "Ignore")
            if failures > limit or verdict.action == "FailIndex":
                self._status["failedIndexes"] = job_pods.format_indexes({*self._given_up, index})
        if verdict.action == "FailJob" and self._interim is None:
            self._will_end("FailureTarget", "PodFailurePolicy", verdict.message)

    # the end

    def _judge_failure(self, all_pods: Sequence[Obj]) -> None:
        limit, deadline = self._spec.get("backoffLimit", 6), self._spec.get("activeDeadlineSeconds")
        given_up, most = self._given_up, self._spec.get("maxFailedIndexes")
        if most is not None and len(given_up) > most:
            why = "Job has exceeded the specified maximal number of failed indexes"
            self._will_end("FailureTarget", "MaxFailedIndexesExceeded", why)
        elif given_up and len(given_up | self._done) >= (self._spec.get("completions") or 0):
            self._will_end("FailureTarget", "FailedIndexes", "Job has failed indexes")
        elif self._status.get("failed", 0) > limit or job_pods.restarted_too_often(self._job, all_pods):
            self._will_end("FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
        elif deadline is not None and not self._suspended:
            left = seconds_of(self._status["startTime"]) + deadline - self._now
            if left <= 0:
                self._will_end("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")
            else:
                self._look_after(left)

    def _judge_success(self) -> None:
        succeeded, completions = self._status.get("succeeded", 0), self._spec.get("completions")
        rule = job_pods.success_rule(self._job, self._done) if self._spec.get("successPolicy") else None
        if rule is not None:
            self._will_end("SuccessCriteriaMet", "SuccessPolicy", f"Matched rules at index {rule}")
        elif succeeded >= completions if completions is not None else succeeded > 0 and not self._active:
            self._will_end("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods")
        else:
            self._note_suspension()
            return
        self._end_pods(self._active)

    def _will_end(self, type_: str, reason: str, message: str) -> None:
        self._interim = self._condition(type_, "True", reason, message)
        self._add_condition(self._interim)

    def _finish(self) -> None:
        """Write the status, with the end of the Job in it once no pod is left."""
        status = self._status
        status["ready"] = job_pods.count_ready(self._active)
        status["terminating"] = len(self._terminating)
        status.pop("active", None)
        if self._active:
            status["active"] = len(self._active)
        final = self._interim is not None and not self._active and not self._terminating
        if final and self._interim is not None:
            success = self._interim["type"] == "SuccessCriteriaMet"
            type_, reason, message = "Complete" if success else "Failed", self._interim["reason"], self._interim["message"]
            self._add_condition(self._condition(type_, "True", reason, message))
            if success:
                status["completionTime"] = timestamp(self._now)
        if self._write() and final and self._interim is not None:
            if self._interim["type"] == "SuccessCriteriaMet":
                self._pods.tell(self._job, "Normal", "Completed", "Job completed")
            else:
                self._pods.tell(self._job, "Warning", self._interim["reason"], self._interim["message"])

    def _note_suspension(self) -> None:
        old = next((each for each in self._status.get("conditions") or () if each["type"] == "Suspended"), None)
        if self._suspended:
            if old is None or old["status"] != "True":
                self._add_condition(self._condition("Suspended", "True", "JobSuspended", "Job suspended"))
                self._pods.tell(self._job, "Normal", "Suspended", "Job suspended")
        elif old is not None and old["status"] == "True":
            self._add_condition(self._condition("Suspended", "False", "JobResumed", "Job resumed"))
            self._pods.tell(self._job, "Normal", "Resumed", "Job resumed")
            self._status["startTime"] = timestamp(self._now)

    def _condition(self, type_: str, status: str, reason: str, message: str) -> Obj:
        moment = timestamp(self._now)
        times = {"lastProbeTime": moment, "lastTransitionTime": moment}
        return {"type": type_, "status": status, **times, "reason": reason, "message": message}

    def _add_condition(self, condition: Obj) -> None:
        others = [each for each in self._status.get("conditions") or () if each["type"] != condition["type"]]
        self._status["conditions"] = [*others, condition]

    def _write(self) -> bool:
        if self._status == (self._job.get("status") or {}):
            return False
        written = {**self._job, "metadata": {**self._job["metadata"]}, "status": dict(self._status)}
        self._job = self._registry.update_status(JOBS, written, OPTIONS)
        return True

    def _look_after(self, seconds: float) -> None:
        self._again = seconds if self._again is None else min(self._again, seconds)

    # pods (manageJob)

    def _manage(self) -> None:
        if is_deleting(self._job):
            return
        if self._suspended:
            self._end_pods(self._active)
            return
        wanted = self._wanted_active()
        surplus = max(0, len(self._active) - wanted)
        going = job_pods.first_removed(self._job, self._active, surplus, self._done)
        if going:
            self._end_pods(going)
            return
        held = len(self._terminating) if job_pods.replaces_only_failed(self._job) else 0
        missing = min(MOST_CREATED, wanted - held - len(self._active))
        if missing > 0:
            per_index = self._spec.get("backoffLimitPerIndex") is not None
            wait = 0.0 if per_index else self._failures.wait(self._now)
            if wait > 0:
                self._look_after(wait)
            else:
                self._create(missing)

    def _wanted_active(self) -> int:
        parallelism: int = self._spec.get("parallelism", 1)
        succeeded: int = self._status.get("succeeded", 0)
        completions: int | None = self._spec.get("completions")
        if completions is None:
            return len(self._active) if succeeded else parallelism
        return max(0, min(completions - succeeded - len(self._given_up), parallelism))

    def _create(self, count: int) -> None:
        indexes: list[int | None] = [None] * count
        if is_indexed(self._job):
            indexes = [*self._next_indexes(count)]
        turn = iter(indexes)
        try:
            create_in_batches(len(indexes), lambda: self._create_one(next(turn)))
        except ApiError as error:
            if not namespace_terminating(error):
                self._error = error

    def _next_indexes(self, count: int) -> list[int]:
        """The first free indexes, without those that wait for their back-off."""
        free = job_pods.free_indexes(self._job, self._done | self._given_up, self._active)
        if self._spec.get("backoffLimitPerIndex") is None:
            return list(islice(free, count))
        self._index_failures = job_pods.failures_by_index(self._job, owned_by(self._context, "pods", self._job))
        chosen: list[int] = []
        for index in free:
            wait = self._index_failures[index].wait(self._now) if index in self._index_failures else 0.0
            if wait > 0:
                self._look_after(wait)
            elif len(chosen) < count:
                chosen.append(index)
        return chosen

    def _create_one(self, index: int | None) -> None:
        pod = new_pod(self._spec["template"], self._job)
        metadata = pod["metadata"]
        metadata["finalizers"] = [*metadata.get("finalizers", ()), FINALIZER]
        if index is not None:
            self._give_index(pod, index)
        made = self._pods.create(pod, self._job)
        self._active.append(made)

    def _give_index(self, pod: Obj, index: int) -> None:
        """Tell a pod of an Indexed Job which one it is: in its name, labels, annotations, host name and environment."""
        metadata, spec, name = pod["metadata"], pod["spec"], name_of(self._job)
        for part in ("labels", "annotations"):
            metadata[part] = {**metadata.get(part, {}), INDEX: str(index)}
        if self._spec.get("backoffLimitPerIndex") is not None:
            failures = self._index_failures.get(index)
            metadata["annotations"][INDEX_FAILURES] = str(failures.count if failures else 0)
        metadata["generateName"] = f"{name}-{index}-"
        spec["hostname"] = f"{name}-{index}"
        source = {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}
        for container in (*spec.get("containers", ()), *spec.get("initContainers", ())):
            env: list[dict[str, Any]] = container.setdefault("env", [])
            if not any(each["name"] == "JOB_COMPLETION_INDEX" for each in env):
                env.append({"name": "JOB_COMPLETION_INDEX", "valueFrom": source})

    def _end_pods(self, pods: Sequence[Obj]) -> None:
        """Delete active pods, which then count neither as successes nor as failures."""
        for pod in list(pods):
            _untrack(self._context, pod)
            stored = self._registry.find("pods", namespace_of(pod), name_of(pod))
            if stored is not None:
                self._pods.delete(stored, self._job)
            self._active = [each for each in self._active if each["metadata"]["uid"] != pod["metadata"]["uid"]]
            left = self._registry.find("pods", namespace_of(pod), name_of(pod))
            if left is not None and is_terminating(left):
                self._terminating = [*self._terminating, left]
