"""The CronJob controller: creates a Job at each moment of its schedule, and keeps the last few.

It follows pkg/controller/cronjob (cronjob_controllerv2.go, utils.go); schedules are read by cronsim, which agrees with
the parser of Kubernetes on five fields, and `@every` and the other nicknames are understood here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from seatrial.twin.clock import seconds_of, timestamp
from seatrial.twin.context import Context
from seatrial.twin.controllers.base import OPTIONS, Watch, controller_key, own_key, owned_by
from seatrial.twin.controllers.job import JOBS, end_of
from seatrial.twin.controllers.ownership import is_deleting, owner_reference
from seatrial.twin.errors import ApiError
from seatrial.twin.store import Key
from seatrial.world import duration
from seatrial.world.objects import Obj, clone, name_of, namespace_of

CRON_JOBS = "cronjobs.batch"
COMPONENT = "cronjob-controller"
SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
MOST_MISSED = 100  # schedules missed before the controller complains
LATE = 0.1  # seconds after the moment at which to look, so that it has surely come
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def moments(schedule: str, zone: tzinfo, after: float) -> Iterator[float]:
    """The moments of a schedule after a time, in seconds since the epoch. Raises ValueError when it cannot be read."""
    if schedule.startswith("@every "):
        period = max(1.0, float(int(duration.parse(schedule.removeprefix("@every ").strip()))))
        return (int(after) + period * number for number in range(1, 2**31))
    text = _NICKNAMES.get(schedule, schedule).replace("?", "*")
    if schedule.startswith("@") and schedule not in _NICKNAMES:
        raise ValueError(f"unrecognized descriptor: {schedule}")
    try:
        simulated = CronSim(text, datetime.fromtimestamp(after, zone))
    except CronSimError as error:
        raise ValueError(str(error)) from None
    return (moment.timestamp() for moment in simulated)


class CronJobController:
    name = "cronjob"

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        self.watches: Sequence[Watch] = (Watch(CRON_JOBS, own_key), Watch(JOBS, controller_key("CronJob")))

    def reconcile(self, key: Key) -> float | None:
        found = self._registry.find(CRON_JOBS, *key)
        return None if found is None else _Sync(self._context, found).run()


class _Sync:
    """One look at one CronJob. `_status` is what will be written."""

    def __init__(self, context: Context, cron_job: Obj) -> None:
        self._context, self._registry, self._cron_job = context, context.registry, cron_job
        self._spec: Obj = cron_job["spec"]
        self._now = context.clock.now()
        self._status: Obj = dict(cron_job.get("status") or {})
        self._active: list[Obj] = list(self._status.get("active") or ())
        self._jobs = owned_by(context, JOBS, cron_job)

    def run(self) -> float | None:
        self._note_jobs()
        again = None if is_deleting(self._cron_job) else self._schedule()
        self._clean("successfulJobsHistoryLimit", 3, "Complete")
        self._clean("failedJobsHistoryLimit", 1, "Failed")
        self._write_status()
        return again

    # jobs that are there

    def _note_jobs(self) -> None:
        """Strike finished and missing Jobs off the list of active ones."""
        active = {each["uid"] for each in self._active}
        for job in self._jobs:
            end, uid = end_of(job), job["metadata"]["uid"]
            if end is None:
                if uid not in active:
                    self._tell(
                        "Warning", "UnexpectedJob", f"Saw a job that the controller did not create or forgot: {name_of(job)}"
                    )
                continue
            if uid in active:
                self._strike(uid)
                self._tell("Normal", "SawCompletedJob", f"Saw completed job: {name_of(job)}, condition: {end['type']}")
            if end["type"] == "Complete":
                done = (job.get("status") or {}).get("completionTime", "")
                self._status["lastSuccessfulTime"] = max(done, self._status.get("lastSuccessfulTime", ""))
        present = {job["metadata"]["uid"] for job in self._jobs}
        for each in [each for each in self._active if each["uid"] not in present]:
            self._strike(each["uid"])
            self._tell("Normal", "MissingJob", f"Active job went missing: {each['name']}")

    def _strike(self, uid: str) -> None:
        self._active = [each for each in self._active if each["uid"] != uid]

    def _clean(self, limit: str, default: int, type_: str) -> None:
        """Delete the oldest finished Jobs beyond a history limit."""
        ended = [job for job in self._jobs if (end_of(job) or {}).get("type") == type_]
        ended.sort(key=lambda job: ((job.get("status") or {}).get("startTime") or "", name_of(job)))
        for job in ended[: max(0, len(ended) - self._spec.get(limit, default))]:
            self._delete(job)

    def _delete(self, job: Obj) -> None:
        if is_deleting(job):
            return
        self._registry.delete(JOBS, namespace_of(job), name_of(job), propagation="Background", options=OPTIONS)
        self._strike(job["metadata"]["uid"])
        self._tell("Normal", "SuccessfulDelete", f"Deleted job {name_of(job)}")

    # the schedule

    def _schedule(self) -> float | None:
        """Start what is due; returns the seconds until the next moment."""
        if self._spec.get("suspend"):
            return None
        try:
            zone = ZoneInfo(self._spec["timeZone"]) if self._spec.get("timeZone") else UTC
        except (KeyError, ValueError, OSError) as error:
            self._tell("Warning", "UnknownTimeZone", f'invalid timeZone: "{self._spec["timeZone"]}": {error}')
            return None
        try:
            due = self._due(zone)
            next_moment = next(moments(self._spec["schedule"], zone, self._now), None)
        except ValueError as error:
            self._tell("Warning", "UnparseableSchedule", f'unparseable schedule: "{self._spec["schedule"]}" : {error}')
            return None
        if due is not None:
            self._start_if_allowed(due, zone)
        return None if next_moment is None else next_moment - self._now + LATE

    def _due(self, zone: tzinfo) -> float | None:
        """The latest moment that has come and was not used yet (mostRecentScheduleTime)."""
        since = seconds_of(self._status.get("lastScheduleTime") or self._cron_job["metadata"]["creationTimestamp"])
        deadline = self._spec.get("startingDeadlineSeconds")
        if deadline is not None:
            since = max(since, self._now - deadline)
        missed = [each for each in islice(moments(self._spec["schedule"], zone, since), MOST_MISSED + 1) if each <= self._now]
        if len(missed) > MOST_MISSED:
            words = "Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            self._tell("Warning", "TooManyMissedTimes", f"too many missed start times. {words}")
            # Many were missed: the last one is near now, so look for it from the period of the schedule.
            period = missed[-1] - missed[-2]
            recent = moments(self._spec["schedule"], zone, max(missed[-1], self._now - 10 * period))
            for moment in recent:
                if moment > self._now:
                    break
                missed.append(moment)
        return missed[-1] if missed else None

    def _start_if_allowed(self, due: float, zone: tzinfo) -> None:
        deadline, name = self._spec.get("startingDeadlineSeconds"), f"{name_of(self._cron_job)}-{int(due) // 60}"
        if deadline is not None and due + deadline < self._now:
            moment = datetime.fromtimestamp(due, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
            self._tell("Warning", "MissSchedule", f"Missed scheduled time to start a job: {moment}")
            return
        if any(each["name"] == name for each in self._active) or self._status.get("lastScheduleTime") == timestamp(due):
            return
        policy = self._spec.get("concurrencyPolicy", "Allow")
        if policy == "Forbid" and self._active:
            why = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._tell("Normal", "JobAlreadyActive", why)
            return
        if policy == "Replace":
            for job in [job for job in self._jobs if any(each["uid"] == job["metadata"]["uid"] for each in self._active)]:
                self._delete(job)
        self._start(name, due, zone)

    def _start(self, name: str, due: float, zone: tzinfo) -> None:
        try:
            job = self._registry.create(JOBS, self._job(name, due, zone), OPTIONS)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                self._tell("Warning", "FailedCreate", f"Error creating job: {error.message}")
                raise
            job = self._registry.get(JOBS, namespace_of(self._cron_job), name)
        else:
            self._tell("Normal", "SuccessfulCreate", f"Created job {name}")
        metadata = job["metadata"]
        reference = {part: metadata[part] for part in ("name", "namespace", "uid", "resourceVersion")}
        self._active.append({"apiVersion": "batch/v1", "kind": "Job", **reference})
        self._status["lastScheduleTime"] = timestamp(due)

    def _job(self, name: str, due: float, zone: tzinfo) -> Obj:
        template = clone(self._spec["jobTemplate"])
        given = template.get("metadata") or {}
        moment = datetime.fromtimestamp(due, zone).isoformat().replace("+00:00", "Z")
        metadata: Obj = {
            "name": name,
            "namespace": namespace_of(self._cron_job),
            "annotations": {**(given.get("annotations") or {}), SCHEDULED_AT: moment},
            "ownerReferences": [owner_reference(self._cron_job)],
        }
        if given.get("labels"):
            metadata["labels"] = given["labels"]
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}

    def _write_status(self) -> None:
        self._status.pop("active", None)
        if self._active:
            self._status["active"] = self._active
        if self._status != (self._cron_job.get("status") or {}):
            written = {**self._cron_job, "metadata": {**self._cron_job["metadata"]}, "status": self._status}
            self._registry.update_status(CRON_JOBS, written, OPTIONS)

    def _tell(self, type_: str, reason: str, message: str) -> None:
        self._context.events.emit(self._cron_job, type_, reason, message, COMPONENT)
