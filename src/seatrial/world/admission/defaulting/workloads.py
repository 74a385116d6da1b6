"""Defaults of the workloads (pkg/apis/apps/v1/defaults.go, pkg/apis/batch/v1/defaults.go)."""

from __future__ import annotations

from seatrial.world.admission.defaulting.core import claim
from seatrial.world.admission.defaulting.fill import items, struct, unset, zero
from seatrial.world.admission.defaulting.pods import template
from seatrial.world.objects import Obj

_ROLLING = (("type", "RollingUpdate"),)
_QUARTER = (("maxUnavailable", "25%"), ("maxSurge", "25%"))
_ONE_DOWN = (("maxUnavailable", 1), ("maxSurge", 0))
_HISTORY = (("revisionHistoryLimit", 10),)
_ONE = (("replicas", 1),)
_DEPLOYMENT = (("replicas", 1), ("revisionHistoryLimit", 10), ("progressDeadlineSeconds", 600))
_RETAIN = (("whenDeleted", "Retain"), ("whenScaled", "Retain"))
_JOB = (
    ("parallelism", 1),
    ("backoffLimit", 6),
    ("completionMode", "NonIndexed"),
    ("suspend", False),
    ("manualSelector", False),
)
_CRON_JOB = (("suspend", False), ("successfulJobsHistoryLimit", 3), ("failedJobsHistoryLimit", 1))
#: What DaemonSets carry for clients of long ago (pkg/apis/apps/v1/conversion.go).
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def deployment(obj: Obj) -> None:
    spec = struct(obj, "spec")
    unset(spec, _DEPLOYMENT)
    _rolling(struct(spec, "strategy"), _QUARTER)
    template(struct(spec, "template"))


def replica_set(obj: Obj) -> None:
    spec = struct(obj, "spec")
    unset(spec, _ONE)
    template(struct(spec, "template"))


def daemon_set(obj: Obj) -> None:
    spec = struct(obj, "spec")
    unset(spec, _HISTORY)
    _rolling(struct(spec, "updateStrategy"), _ONE_DOWN)
    template(struct(spec, "template"))


def _rolling(strategy: Obj, table: tuple[tuple[str, object], ...]) -> None:
    zero(strategy, _ROLLING)
    if strategy["type"] == "RollingUpdate":
        unset(struct(strategy, "rollingUpdate"), table)


def stateful_set(obj: Obj) -> None:
    spec = struct(obj, "spec")
    unset(spec, _ONE)
    unset(spec, _HISTORY)
    zero(spec, (("podManagementPolicy", "OrderedReady"),))
    strategy = struct(spec, "updateStrategy")
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        struct(strategy, "rollingUpdate")
    if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
        unset(strategy["rollingUpdate"], (("partition", 0),))
    zero(struct(spec, "persistentVolumeClaimRetentionPolicy"), _RETAIN)
    for one in items(spec, "volumeClaimTemplates"):
        one["apiVersion"], one["kind"] = "v1", "PersistentVolumeClaim"
        struct(one, "metadata")
        claim(one)
    template(struct(spec, "template"))


def job(obj: Obj) -> None:
    spec = struct(obj, "spec")
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    unset(spec, _JOB)
    job_spec(spec)
    zero(spec, (("podReplacementPolicy", _replacement(spec)),))
    labels = struct(spec, "template").get("metadata", {}).get("labels")
    metadata = struct(obj, "metadata")
    if labels and not metadata.get("labels"):
        metadata["labels"] = dict(labels)


def job_spec(spec: Obj) -> None:
    """A Job's spec wherever it stands; in a CronJob's template only the pods in it are completed."""
    template(struct(spec, "template"))
    for rule in items(spec.get("podFailurePolicy") or {}, "rules"):
        for pattern in items(rule, "onPodConditions"):
            zero(pattern, (("status", "True"),))


def _replacement(spec: Obj) -> str:
    return "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"


def cron_job(obj: Obj) -> None:
    spec = struct(obj, "spec")
    zero(spec, (("concurrencyPolicy", "Allow"),))
    unset(spec, _CRON_JOB)
    job_template = struct(spec, "jobTemplate")
    struct(job_template, "metadata")
    job_spec(struct(job_template, "spec"))
