"""Workloads: their names, their templates (strategy.go of pkg/registry/apps and batch, pkg/api/job/warnings.go)."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.twin.admission.warnings import pods, quantities
from seatrial.world.objects import Obj

_POD_NAMES = "Pod names and hostnames"
_MANY_COMPLETIONS, _MANY_AT_ONCE = 10**5, 10**4
_TOO_MANY = (
    "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, "
    "Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
)


def pod_template(obj: Obj, old: Obj | None) -> Iterator[str]:
    if _changed(obj, old):
        yield from pods.template(obj.get("template") or {}, "template.")


def templated(obj: Obj, old: Obj | None) -> Iterator[str]:
    if _changed(obj, old):
        yield from pods.template(obj["spec"].get("template") or {}, "spec.template.")


def named_and_templated(obj: Obj, old: Obj | None) -> Iterator[str]:
    if old is None:
        yield from pods.unfit_name(obj, _POD_NAMES)
    yield from templated(obj, old)


def stateful_set(obj: Obj, old: Obj | None) -> Iterator[str]:
    yield from templated(obj, old)
    if not _changed(obj, old):
        return
    part = "" if old is None else ".Spec"  # as Kubernetes writes it
    for index, claim in enumerate(obj["spec"].get("volumeClaimTemplates") or ()):
        yield from quantities.storage(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{index}]{part}")
    if (obj["spec"].get("revisionHistoryLimit") or 0) < 0:
        yield "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"


def job(obj: Obj, old: Obj | None) -> Iterator[str]:
    if old is None:
        yield from pods.unfit_name(obj, _POD_NAMES)
    if _changed(obj, old):
        yield from _job(obj["spec"], "spec")


def cron_job(obj: Obj, old: Obj | None) -> Iterator[str]:
    if old is None:
        yield from pods.unfit_name(obj, _POD_NAMES)
    if _changed(obj, old):
        yield from _job((obj["spec"].get("jobTemplate") or {}).get("spec") or {}, "spec.jobTemplate.spec")
        if "TZ" in obj["spec"].get("schedule", ""):
            see = "see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
            yield f"CRON_TZ or TZ used in spec.schedule is not officially supported, {see}"


def _job(spec: Obj, at: str) -> Iterator[str]:
    many = (spec.get("completions") or 0) > _MANY_COMPLETIONS and (spec.get("parallelism") or 0) > _MANY_AT_ONCE
    if spec.get("completionMode") == "Indexed" and many:
        yield f"{at}: {_TOO_MANY}"
    yield from pods.template(spec.get("template") or {}, f"{at}.template.")


def _changed(obj: Obj, old: Obj | None) -> bool:
    """New, or more than its metadata changed."""
    return old is None or obj["metadata"].get("generation") != old["metadata"].get("generation")
