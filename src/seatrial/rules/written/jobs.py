# ruff: noqa: E501 - a line of the table is one saying
"""Jobs and CronJobs: schedules that nobody can read or that never come, runs that overlap, pile up or never end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.slips import meant
from seatrial.rules.written.examples import cronjob, job
from seatrial.rules.written.reading import has, mapping, number, text
from seatrial.rules.written.telling import brief, put, tell
from seatrial.world.objects import Obj, annotations_of
from seatrial.world.world import World

_REFUSED = "The API server refuses the object."
_FINE = 'schedule: "0 3 * * *"\nconcurrencyPolicy: Forbid'

RULES = (
    Rule("schedule-invalid", "error", "has a schedule that nobody can read", _REFUSED,
         "Write five fields: minute, hour, day of month, month, day of week.",
         cronjob('schedule: "0 25 * * *"'), cronjob(_FINE)),
    Rule("schedule-never", "error", "has a schedule that never comes", "It is accepted and never runs, and nothing says so.",
         "Choose a day that its month has.",
         cronjob('schedule: "0 0 30 2 *"'), cronjob(_FINE)),
    Rule("time-zone-unknown", "error", "names a time zone that does not exist", _REFUSED + " A TZ= in the schedule is refused too.",
         "Use timeZone with a name such as Europe/Berlin.",
         cronjob(f"{_FINE}\ntimeZone: Berlin"), cronjob(f"{_FINE}\ntimeZone: Europe/Berlin")),
    Rule("cron-overlap", "note", "may run beside itself", "A run that takes longer than its interval meets the next one: work is done twice, locks and memory pile up.",
         "Set concurrencyPolicy: Forbid (or Replace).",
         cronjob('schedule: "*/5 * * * *"'), cronjob(_FINE)),
    Rule("cron-deadline", "warning", "skips runs for being seconds late", "The controller looks every 10 seconds: with a shorter startingDeadlineSeconds runs are missed silently.",
         "Set startingDeadlineSeconds to a minute at least, or leave it out.",
         cronjob(f"{_FINE}\nstartingDeadlineSeconds: 5"), cronjob(f"{_FINE}\nstartingDeadlineSeconds: 300")),
    Rule("cron-no-failures", "note", "keeps no failed run", "When it fails at night, there is no pod and no log left in the morning.",
         "Keep one: failedJobsHistoryLimit: 1.",
         cronjob(f"{_FINE}\nfailedJobsHistoryLimit: 0"), cronjob(_FINE)),
    Rule("cron-suspended", "note", "is suspended", "It does not run, and nothing reminds anybody of it.",
         "Take suspend out when it is to run again.",
         cronjob(f"{_FINE}\nsuspend: true"), cronjob(_FINE)),
    Rule("cron-endless", "note", "may run for ever", "A run that hangs keeps the next ones from starting (Forbid) or piles up (Allow), and nobody hears of it.",
         "Set activeDeadlineSeconds in the job's spec.",
         cronjob(_FINE), cronjob(_FINE, job="activeDeadlineSeconds: 3600")),
    Rule("job-never-gone", "note", "stays after it is done", "Finished Jobs and their pods stay until somebody deletes them, and the next release cannot reuse the name.",
         "Set ttlSecondsAfterFinished.",
         job(), job(spec="ttlSecondsAfterFinished: 86400")),
    Rule("job-indexed", "error", "counts by index without a number of completions", _REFUSED,
         "Set completions.",
         job(spec="completionMode: Indexed"), job(spec="completionMode: Indexed\ncompletions: 3")),
    Rule("job-parallel", "note", "may run more pods at once than it has work for", "parallelism above completions has no effect; one of the two is not what was meant.",
         "Let parallelism be at most completions.",
         job(spec="parallelism: 5\ncompletions: 2"), job(spec="parallelism: 2\ncompletions: 5")),
    Rule("job-retries", "warning", "is tried again many times", "Each try waits twice as long as the one before, up to six minutes: a migration that cannot succeed fails after hours.",
         "Leave backoffLimit at 6 or below.",
         job(spec="backoffLimit: 50"), job(spec="backoffLimit: 3")),
    Rule("cron-ttl", "note", "is forgotten before its history says so", "Its runs go by ttlSecondsAfterFinished, whatever successfulJobsHistoryLimit and failedJobsHistoryLimit keep: a failed one may be gone before anybody has looked.",
         "Leave ttlSecondsAfterFinished out of a CronJob, or make it a day at least.",
         cronjob("schedule: '0 3 * * *'", job="ttlSecondsAfterFinished: 60"), cronjob("schedule: '0 3 * * *'\nfailedJobsHistoryLimit: 3")),
)  # fmt: skip

#: Somebody looks at what failed at night within this many seconds.
DAY = 86400
#: The controller looks at schedules so often (pkg/controller/cronjob).
LOOKS = 10
RETRIES = 20


@lru_cache(maxsize=512)
def _schedule(written: str) -> str:
    """What is wrong with a schedule: `unreadable`, `never`, or "" when nothing is."""
    from cronsim import CronSim, CronSimError  # only worlds with CronJobs pay for it

    if written.startswith("@"):
        return (
            ""
            if written.split()[0] in ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly", "@every")
            else "unreadable"
        )
    try:
        next(CronSim(written, datetime(2024, 1, 1)))
    except CronSimError:
        return "unreadable" if len(written.split()) != 5 or not _never(written) else "never"
    except StopIteration:
        return "never"
    return ""


def _never(written: str) -> bool:
    """Whether a schedule's own words are fine and only its day never comes (cronsim refuses both alike)."""
    from cronsim import CronSim, CronSimError

    minute, hour, _, month, weekday = written.split()
    try:
        next(CronSim(f"{minute} {hour} 1 {month} {weekday}", datetime(2024, 1, 1)))
    except (CronSimError, StopIteration):
        return False
    day = written.split()[2]
    return all(part.isdigit() and 1 <= int(part) <= 31 for part in day.replace("-", ",").split(","))


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    from zoneinfo import available_timezones  # seldom asked, and slow to import

    return frozenset(available_timezones()) | {"UTC", "Local"}


@check("CronJob", rules=RULES[:8])
def cron(world: World, obj: Obj) -> Iterator[Finding]:
    """A CronJob's schedule and what becomes of its runs."""
    spec = mapping(obj, "spec")
    schedule, zone = text(spec, "schedule"), text(spec, "timeZone")
    at = ("spec", "schedule")
    if "TZ=" in schedule:
        yield tell(world, "time-zone-unknown", obj, at, f"schedule: {schedule}")
    elif not schedule or _schedule(schedule) == "unreadable":
        yield tell(world, "schedule-invalid", obj, at, f"schedule: {schedule or 'not set'}")
    elif _schedule(schedule) == "never":
        yield tell(world, "schedule-never", obj, at, f"schedule: {schedule}")
    if zone and len(_zones()) > 2 and zone not in _zones():
        right = meant(zone, _zones())
        ops = [put(obj, ("spec", "timeZone"), right)] if right else []
        yield tell(world, "time-zone-unknown", obj, ("spec", "timeZone"), f"timeZone: {zone}", ops=ops)
    if spec.get("concurrencyPolicy", "Allow") == "Allow":
        there = ("spec", "concurrencyPolicy")
        ops = [put(obj, there, "Forbid")]
        yield tell(world, "cron-overlap", obj, there, "concurrencyPolicy: Allow, the default", ops=ops)
    deadline = spec.get("startingDeadlineSeconds")
    if isinstance(deadline, int) and deadline < LOOKS:
        yield tell(world, "cron-deadline", obj, ("spec", "startingDeadlineSeconds"), f"startingDeadlineSeconds: {deadline}")
    if spec.get("failedJobsHistoryLimit") == 0:
        yield tell(world, "cron-no-failures", obj, ("spec", "failedJobsHistoryLimit"), "failedJobsHistoryLimit: 0")
    if spec.get("suspend") is True:
        yield tell(world, "cron-suspended", obj, ("spec", "suspend"), "suspend: true")
    inner = mapping(spec, "jobTemplate", "spec")
    if not has(inner, "activeDeadlineSeconds") and not has(inner, "template", "spec", "activeDeadlineSeconds"):
        end = ("spec", "jobTemplate", "spec", "activeDeadlineSeconds")
        yield tell(world, "cron-endless", obj, end, "activeDeadlineSeconds: not set")


@check("Job", "CronJob", rules=RULES[8:])
def jobs(world: World, obj: Obj) -> Iterator[Finding]:
    """A Job's counts and ends."""
    is_job = obj.get("kind") == "Job"
    at: tuple[str, ...] = ("spec",) if is_job else ("spec", "jobTemplate", "spec")
    spec = mapping(obj, *at)
    hooked = any(key in annotations_of(obj) for key in ("helm.sh/hook", "argocd.argoproj.io/hook"))
    if is_job and not has(spec, "ttlSecondsAfterFinished") and not hooked and not mapping(obj, "metadata").get("ownerReferences"):
        yield tell(world, "job-never-gone", obj, (*at, "ttlSecondsAfterFinished"), "ttlSecondsAfterFinished: not set")
    if not is_job and has(spec, "ttlSecondsAfterFinished") and number(spec, "ttlSecondsAfterFinished") < DAY:
        there = (*at, "ttlSecondsAfterFinished")
        yield tell(world, "cron-ttl", obj, there, f"ttlSecondsAfterFinished: {brief(spec['ttlSecondsAfterFinished'])}")
    if spec.get("completionMode") == "Indexed" and not has(spec, "completions"):
        yield tell(world, "job-indexed", obj, (*at, "completionMode"), "completionMode: Indexed, completions: not set")
    wide, count = number(spec, "parallelism", default=1), number(spec, "completions", default=0)
    if count and wide > count:
        yield tell(world, "job-parallel", obj, (*at, "parallelism"), f"parallelism: {wide:.0f}, completions: {count:.0f}")
    if number(spec, "backoffLimit", default=6) > RETRIES:
        yield tell(world, "job-retries", obj, (*at, "backoffLimit"), f"backoffLimit: {number(spec, 'backoffLimit'):.0f}")
