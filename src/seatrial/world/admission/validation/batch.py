"""Jobs and CronJobs (pkg/apis/batch/validation/validation.go)."""

from __future__ import annotations

from seatrial.world.admission.causes import Causes
from seatrial.world.admission.validation import cron, internal, meta, names, pods, workloads
from seatrial.world.objects import Obj, dig

_MODES = ("NonIndexed", "Indexed")
_CONCURRENCY = ("Allow", "Forbid", "Replace")
_INDEXED_ONLY = "requires indexed completion mode"
_COUNTS = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
           "backoffLimitPerIndex", "maxFailedIndexes")  # fmt: skip
#: The most that an indexed Job may run at once.
MAX_PARALLEL = 100_000
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
#: A CronJob's Jobs are named after it, with eleven characters more.
CRON_JOB_NAME = 52


def job(obj: Obj, causes: Causes) -> None:
    spec = obj.get("spec") or {}
    job_spec(spec, "spec", causes)
    if spec.get("selector") is None:
        causes.required("spec.selector")
        return
    meta.label_selector(spec["selector"], "spec.selector", causes)
    workloads.matches_template(spec, causes)


def job_spec(spec: Obj, field: str, causes: Causes) -> None:
    """A Job's spec, in a Job or in a CronJob."""
    for key in _COUNTS:
        causes.not_negative(f"{field}.{key}", spec.get(key))
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        causes.required(f"{field}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    _managed_by(spec.get("managedBy"), f"{field}.managedBy", causes)
    _completion_mode(spec, field, causes)
    if spec.get("podFailurePolicy") is not None:
        _failure_policy(spec, f"{field}.podFailurePolicy", causes)
    if spec.get("successPolicy") is not None:
        _success_policy(spec, f"{field}.successPolicy", causes)
    _replacement(spec, f"{field}.podReplacementPolicy", causes)
    template = spec.get("template") or {}
    pods.template(template, f"{field}.template", causes)
    _restart_policy(spec, dig(template, "spec.restartPolicy", ""), f"{field}.template.spec.restartPolicy", causes)


def _managed_by(value: str | None, field: str, causes: Causes) -> None:
    if value is None:
        return
    host, slash, path = value.partition("/")
    if not value:
        causes.required(field)
    elif not slash or not host or not path:
        causes.invalid(field, value, 'must be a domain-prefixed path (such as "acme.io/foo")')
    else:
        causes.each(field, host, names.dns_subdomain(host))
        if not names.is_http_path(path):
            causes.invalid(field, path, names.http_path_reason())
    if len(value) > 63:
        causes.too_long(field, 63)


def _completion_mode(spec: Obj, field: str, causes: Causes) -> None:
    mode = spec.get("completionMode")
    if mode is not None and mode not in _MODES:
        causes.unsupported(f"{field}.completionMode", mode, _MODES)
    if mode == "Indexed":
        completions = spec.get("completions")
        if completions is None:
            causes.required(f"{field}.completions", "when completion mode is Indexed")
        if (spec.get("parallelism") or 0) > MAX_PARALLEL:
            why = f"must be less than or equal to {MAX_PARALLEL} when completion mode is Indexed"
            causes.invalid(f"{field}.parallelism", spec["parallelism"], why)
        failed = spec.get("maxFailedIndexes")
        if completions is not None and failed is not None and failed > completions:
            causes.invalid(f"{field}.maxFailedIndexes", failed, "must be less than or equal to completions")
        return
    for key in ("backoffLimitPerIndex", "maxFailedIndexes"):
        if spec.get(key) is not None:
            causes.invalid(f"{field}.{key}", spec[key], _INDEXED_ONLY)


def _restart_policy(spec: Obj, policy: str, field: str, causes: Causes) -> None:
    if policy in ("Always", ""):
        causes.required(field, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        causes.unsupported(field, policy, ("OnFailure", "Never"))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        causes.invalid(field, policy, 'only "Never" is supported when podFailurePolicy is specified')


def _replacement(spec: Obj, field: str, causes: Causes) -> None:
    policy = spec.get("podReplacementPolicy")
    if policy is None:
        return
    allowed = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
    if policy not in allowed:
        causes.unsupported(field, policy, allowed)


def _failure_policy(spec: Obj, field: str, causes: Causes) -> None:
    names_ = {one.get("name") for kind in ("containers", "initContainers") for one in dig(spec, f"template.spec.{kind}") or ()}
    rules = spec["podFailurePolicy"].get("rules") or []
    if len(rules) > 20:
        causes.too_many(f"{field}.rules", len(rules), 20)
    for number, rule in enumerate(rules):
        _failure_rule(rule, spec, names_, f"{field}.rules[{number}]", causes)


def _failure_rule(rule: Obj, spec: Obj, known: set[str], field: str, causes: Causes) -> None:
    action = rule.get("action", "")
    if not action:
        causes.required(f"{field}.action", 'valid values: "Count", "FailIndex", "FailJob", "Ignore"')
    elif action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        causes.invalid(f"{field}.action", action, "requires the backoffLimitPerIndex to be set")
    elif action not in _ACTIONS:
        causes.unsupported(f"{field}.action", action, _ACTIONS)
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions")
    if codes is not None:
        _exit_codes(codes, known, f"{field}.onExitCodes", causes)
    for number, pattern in enumerate(conditions or ()):
        _condition(pattern, f"{field}.onPodConditions[{number}]", causes)
    if len(conditions or ()) > 20:
        causes.too_many(f"{field}.onPodConditions", len(conditions or ()), 20)
    if codes is not None and conditions:
        shown = internal.dump("api.batch.v1.PodFailurePolicyRule", rule)
        causes.invalid(field, shown, "specifying both OnExitCodes and OnPodConditions is not supported")
    if codes is None and not conditions:
        shown = internal.dump("api.batch.v1.PodFailurePolicyRule", rule)
        causes.invalid(field, shown, "specifying one of OnExitCodes and OnPodConditions is required")


def _exit_codes(codes: Obj, known: set[str], field: str, causes: Causes) -> None:
    operator, values, name = codes.get("operator", ""), codes.get("values") or [], codes.get("containerName")
    if not operator:
        causes.required(f"{field}.operator", 'valid values: "In", "NotIn"')
    elif operator not in ("In", "NotIn"):
        causes.unsupported(f"{field}.operator", operator, ("In", "NotIn"))
    if name is not None and name not in known:
        causes.invalid(f"{field}.containerName", name, "must be one of the container or initContainer names in the pod template")
    if not values:
        causes.invalid(f"{field}.values", values, "at least one value is required")
    elif len(values) > 255:
        causes.too_many(f"{field}.values", len(values), 255)
    seen: set[int] = set()
    for number, value in enumerate(values):
        at = f"{field}.values[{number}]"
        if operator == "In" and value == 0:
            causes.invalid(at, value, "must not be 0 for the In operator")
        if value in seen:
            causes.duplicate(at, value)
        if values != sorted(values) and number and values[number - 1] > value:
            causes.invalid(f"{field}.values", values, "must be ordered")
        seen.add(value)


def _condition(pattern: Obj, field: str, causes: Causes) -> None:
    kind, status = pattern.get("type", ""), pattern.get("status", "")
    causes.each(f"{field}.type", kind, names.qualified(kind))
    if not status:
        causes.required(f"{field}.status", 'valid values: "False", "True", "Unknown"')
    elif status not in ("False", "True", "Unknown"):
        causes.unsupported(f"{field}.status", status, ("False", "True", "Unknown"))


def _success_policy(spec: Obj, field: str, causes: Causes) -> None:
    policy = spec["successPolicy"]
    if spec.get("completionMode") != "Indexed":
        causes.invalid(field, internal.dump("api.batch.v1.SuccessPolicy", policy), _INDEXED_ONLY)
        return
    rules = policy.get("rules") or []
    if not rules:
        causes.required(f"{field}.rules", "at least one rules must be specified when the successPolicy is specified")
    if len(rules) > 20:
        causes.too_many(f"{field}.rules", len(rules), 20)
    for number, rule in enumerate(rules):
        at = f"{field}.rules[{number}]"
        if rule.get("succeededCount") is None and rule.get("succeededIndexes") is None:
            causes.required(at, "at least one of succeededCount or succeededIndexes must be specified")
        count, completions = rule.get("succeededCount"), spec.get("completions") or 0
        causes.not_negative(f"{at}.succeededCount", count)
        if count is not None and count > completions:
            why = f"must be less than or equal to {completions} (the number of specified completions)"
            causes.invalid(f"{at}.succeededCount", count, why)


def job_update(obj: Obj, old: Obj, causes: Causes) -> None:
    new, before = obj.get("spec") or {}, old.get("spec") or {}
    job(obj, causes)
    _completions_update(new, before, causes)
    causes.same("spec.selector", new.get("selector"), before.get("selector"), meta.shown_selector(new.get("selector") or {}))
    _template_update(new, before, old, causes)
    for key in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        causes.same(f"spec.{key}", new.get(key), before.get(key))


def _completions_update(new: Obj, old: Obj, causes: Causes) -> None:
    completions = new.get("completions")
    if completions == old.get("completions"):
        return
    if new.get("completionMode") != "Indexed":
        causes.same("spec.completions", completions, old.get("completions"))
    elif completions != new.get("parallelism"):
        causes.invalid("spec.completions", completions, "can only be modified in tandem with spec.parallelism")


#: What of the template of a Job that has not started may still change.
_DIRECTIVES = ("nodeSelector", "affinity", "tolerations", "schedulingGates")


def _template_update(new: Obj, old: Obj, stored: Obj, causes: Causes) -> None:
    template, before = new.get("template") or {}, old.get("template") or {}
    if old.get("suspend") and not dig(stored, "status.startTime"):
        spec = {key: value for key, value in (template.get("spec") or {}).items() if key not in _DIRECTIVES}
        kept = {key: value for key, value in (before.get("spec") or {}).items() if key in _DIRECTIVES}
        metadata = template.get("metadata") or {}
        old_metadata = before.get("metadata") or {}
        for key in ("labels", "annotations"):
            metadata = {k: v for k, v in metadata.items() if k != key}
            if key in old_metadata:
                metadata[key] = old_metadata[key]
        template = {**template, "metadata": metadata, "spec": {**spec, **kept}}
    if template != before:
        causes.same("spec.template", template, before, internal.dump("api.core.v1.PodTemplateSpec", template))


def cron_job(obj: Obj, causes: Causes) -> None:
    spec = obj.get("spec") or {}
    schedule, zone = spec.get("schedule") or "", spec.get("timeZone")
    if not schedule:
        causes.required("spec.schedule")
    else:
        _schedule(schedule, zone, causes)
    causes.not_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    if zone is not None:
        _time_zone(zone, causes)
    causes.one_of("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), _CONCURRENCY)
    template = spec.get("jobTemplate") or {}
    inner = template.get("spec") or {}
    job_spec(inner, "spec.jobTemplate.spec", causes)
    if inner.get("selector") is not None:
        shown = meta.shown_selector(inner["selector"])
        causes.invalid("spec.jobTemplate.spec.selector", shown, "`selector` will be auto-generated")
    if inner.get("manualSelector"):
        causes.unsupported("spec.jobTemplate.spec.manualSelector", True, ("nil", "false"))
    for key in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        causes.not_negative(f"spec.{key}", spec.get(key))


def new_cron_job(obj: Obj, causes: Causes) -> None:
    cron_job(obj, causes)
    name = obj["metadata"].get("name", "")
    if len(name) > CRON_JOB_NAME:
        causes.invalid("metadata.name", name, names.longest(CRON_JOB_NAME))


def cron_job_update(obj: Obj, old: Obj, causes: Causes) -> None:
    cron_job(obj, causes)


def _schedule(schedule: str, zone: str | None, causes: Causes) -> None:
    try:
        cron.check(schedule)
    except ValueError as error:
        causes.invalid("spec.schedule", schedule, str(error))
    if "TZ" in schedule:
        why = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        if zone is None:
            why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        causes.invalid("spec.schedule", schedule, why)


def _time_zone(zone: str, causes: Causes) -> None:
    if not zone:
        causes.invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string")
        return
    if zone.lower() == "local":
        why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        causes.invalid("spec.timeZone", zone, why)
        return
    import zoneinfo  # seldom asked, and slow to import

    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        causes.invalid("spec.timeZone", zone, f"unknown time zone {zone}")
