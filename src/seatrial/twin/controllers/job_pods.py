"""What a Job's pods come to: which have finished, which failures count, when to try again, which indexes are done.

The rules are those of pkg/controller/job: tracking_utils.go, backoff_utils.go, indexed_job_utils.go, pod_failure_policy.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from seatrial.twin.clock import seconds_of
from seatrial.twin.controllers.ownership import is_deleting
from seatrial.twin.controllers.pods import condition_of, is_active, is_ready, phase_of
from seatrial.world.objects import Obj, annotations_of, name_of, namespace_of

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
INDEX_FAILURES = "batch.kubernetes.io/job-index-failure-count"
FIRST_BACKOFF, LAST_BACKOFF = 10.0, 600.0  # seconds


def is_tracked(pod: Obj) -> bool:
    """Whether a pod is still to be counted."""
    return FINALIZER in (pod["metadata"].get("finalizers") or ())


def is_indexed(job: Obj) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def replaces_only_failed(job: Obj) -> bool:
    """Whether a pod on its way out is replaced only once it has failed."""
    return bool(job["spec"].get("podReplacementPolicy") == "Failed" or job["spec"].get("podFailurePolicy"))


def has_failed(pod: Obj, job: Obj) -> bool:
    """A pod that failed, or that is deleted before it could finish."""
    if phase_of(pod) == "Failed":
        return True
    return not replaces_only_failed(job) and is_deleting(pod) and phase_of(pod) != "Succeeded"


def finished_at(pod: Obj) -> float:
    """When a pod ended: its last container's end, else what is known best. Seconds since the epoch."""
    status = pod.get("status") or {}
    ends = [
        seconds_of(each["state"]["terminated"]["finishedAt"])
        for each in status.get("containerStatuses") or ()
        if ((each.get("state") or {}).get("terminated") or {}).get("finishedAt")
    ]
    if ends:
        return max(ends)
    if is_deleting(pod):
        grace = pod["metadata"].get("deletionGracePeriodSeconds") or 0
        return seconds_of(pod["metadata"]["deletionTimestamp"]) - grace
    ready = condition_of(pod, "Ready")
    if ready is not None and ready.get("lastTransitionTime"):
        return seconds_of(ready["lastTransitionTime"])
    return seconds_of(pod["metadata"]["creationTimestamp"])


# back-off


@dataclass(slots=True)
class Failures:
    """The failures of a Job since its last success."""

    count: int = 0
    last: float = 0.0

    def note(self, succeeded: Iterable[Obj], failed: Iterable[Obj]) -> None:
        """Take newly finished pods into account, in the order in which they ended."""
        ended = [(finished_at(pod), True) for pod in succeeded] + [(finished_at(pod), False) for pod in failed]
        for at, success in sorted(ended):
            if success:
                self.count, self.last = 0, 0.0
            else:
                self.count, self.last = self.count + 1, max(self.last, at)

    def wait(self, now: float) -> float:
        """Seconds until the next pod may be created."""
        if not self.count:
            return 0.0
        backoff: float = min(LAST_BACKOFF, FIRST_BACKOFF * 2 ** min(self.count - 1, 30))
        return max(0.0, self.last + backoff - now)


# indexes


def index_of(pod: Obj) -> int | None:
    """The completion index of a pod of an Indexed Job."""
    try:
        return int(annotations_of(pod)[INDEX])
    except (KeyError, ValueError):
        return None


def parse_indexes(text: str) -> set[int]:
    """The numbers of a text such as `1,3-5,7`."""
    numbers: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def format_indexes(numbers: Iterable[int]) -> str:
    """The numbers as text: three and more in a row become a range (indexed_job_utils.go, orderedIntervals)."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(_run(first, last) for first, last in runs)


def _run(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first},{last}" if last == first + 1 else f"{first}-{last}"


def free_indexes(job: Obj, done: set[int], pods: Iterable[Obj]) -> Iterator[int]:
    """The indexes that are neither done nor held by a pod."""
    held = {index_of(pod) for pod in pods}
    return (index for index in range(job["spec"].get("completions") or 0) if index not in done and index not in held)


def failures_before(pod: Obj) -> int:
    """How often its index had failed when a pod was made."""
    text = annotations_of(pod).get(INDEX_FAILURES, "0")
    return int(text) if text.isdigit() else 0


def failures_by_index(job: Obj, pods: Iterable[Obj]) -> dict[int, Failures]:
    """The failures of each index, by the pods of it that are still there (backoff_utils.go)."""
    found: dict[int, Failures] = {}
    for pod in pods:
        index = index_of(pod)
        if index is None or not has_failed(pod, job):
            continue
        known = found.setdefault(index, Failures())
        known.count = max(known.count, failures_before(pod) + (judge(job, pod).action != "Ignore"))
        known.last = max(known.last, finished_at(pod))
    return found


def first_removed(job: Obj, active: Sequence[Obj], surplus: int, done: set[int]) -> list[Obj]:
    """Which active pods go when there are too many: of Indexed Jobs the superfluous indexes first, then the unready and young."""
    going: list[Obj] = []
    left = list(active)
    if is_indexed(job):
        seen: set[int | None] = set()
        for pod in sorted(active, key=lambda pod: pod["metadata"]["creationTimestamp"]):
            index = index_of(pod)
            if index is None or index in seen or index in done or index >= (job["spec"].get("completions") or 0):
                going.append(pod)
                left.remove(pod)
            seen.add(index)
    left.sort(key=lambda pod: seconds_of(pod["metadata"]["creationTimestamp"]), reverse=True)
    left.sort(key=lambda pod: (bool(pod["spec"].get("nodeName")), phase_of(pod) == "Running", is_ready(pod)))
    return going + left[: max(0, surplus - len(going))]


# the pod failure policy


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the policy says of a failed pod: `action` is Count, Ignore, FailIndex or FailJob, with the words for FailJob."""

    action: str = "Count"
    message: str = ""


def judge(job: Obj, pod: Obj) -> Judgement:
    """The first rule of the podFailurePolicy that matches a failed pod decides; without one it counts."""
    for number, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or ()):
        why = _matches_exit_code(rule.get("onExitCodes"), pod) or _matches_condition(rule.get("onPodConditions"), pod)
        if why:
            return Judgement(rule["action"], f"{why} matching {rule['action']} rule at index {number}")
    return Judgement()


def _matches_exit_code(rule: Obj | None, pod: Obj) -> str:
    if rule is None:
        return ""
    status = pod.get("status") or {}
    for each in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())):
        ended = (each.get("state") or {}).get("terminated")
        if not ended or ended.get("exitCode", 0) == 0 or rule.get("containerName", each["name"]) != each["name"]:
            continue
        if (ended["exitCode"] in rule["values"]) == (rule["operator"] == "In"):
            who = f"Container {each['name']} for pod {namespace_of(pod)}/{name_of(pod)}"
            return f"{who} failed with exit code {ended['exitCode']}"
    return ""


def _matches_condition(patterns: Sequence[Obj] | None, pod: Obj) -> str:
    for pattern in patterns or ():
        found = condition_of(pod, pattern["type"])
        if found is not None and found["status"] == pattern.get("status", "True"):
            return f"Pod {namespace_of(pod)}/{name_of(pod)} has condition {pattern['type']}"
    return ""


# limits


def restarted_too_often(job: Obj, pods: Iterable[Obj]) -> bool:
    """Whether containers that restart in place have passed the limit (pastBackoffLimitOnFailure)."""
    if job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    limit, restarts = job["spec"].get("backoffLimit", 6), 0
    for pod in pods:
        status = pod.get("status") or {}
        if phase_of(pod) in ("Running", "Pending"):
            every = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
            restarts += sum(each.get("restartCount", 0) for each in every)
    return restarts > 0 if limit == 0 else restarts >= limit


def success_rule(job: Obj, done: set[int]) -> int | None:
    """The index of the successPolicy rule that the finished indexes meet, None when none does."""
    for number, rule in enumerate((job["spec"].get("successPolicy") or {}).get("rules") or ()):
        wanted = parse_indexes(rule["succeededIndexes"]) if rule.get("succeededIndexes") is not None else None
        met = done if wanted is None else done & wanted
        enough = rule.get("succeededCount")
        if len(met) >= enough if enough is not None else wanted is not None and met == wanted:
            return number
    return None


def count_ready(pods: Iterable[Obj]) -> int:
    return sum(1 for pod in pods if is_active(pod) and is_ready(pod))
