"""Deployments, ReplicaSets, StatefulSets, DaemonSets, ReplicationControllers (pkg/apis/apps/validation)."""

from __future__ import annotations

from collections.abc import Iterable

from seatrial.world import selectors
from seatrial.world.admission.causes import Causes, Raw, go_json
from seatrial.world.admission.validation import internal, meta, names, numbers, pods, storage
from seatrial.world.objects import Obj, labels_of

MISMATCH = "`selector` does not match template `labels`"
_APPS = "api.apps.v1"
_UPDATABLE_SET = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy',"
    " 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_MUTABLE_SET = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit", "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)  # fmt: skip
_RETENTION = ("Retain", "Delete")


def deployment(obj: Obj, causes: Causes) -> None:
    spec = obj.get("spec") or {}
    causes.not_negative("spec.replicas", spec.get("replicas"))
    selector(spec, "empty selector is invalid for deployment", causes)
    _template(spec, "ReplicaSet", causes)
    _strategy(spec.get("strategy") or {}, "spec.strategy", causes)
    for key in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        causes.not_negative(f"spec.{key}", spec.get(key))
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
        causes.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def selector(spec: Obj, empty: str, causes: Causes, field: str = "spec.selector") -> None:
    """A selector that must be there and must not be empty."""
    given = spec.get("selector")
    if given is None:
        causes.required(field)
        return
    meta.label_selector(given, field, causes)
    if meta.is_empty(given):
        causes.invalid(field, meta.shown_selector(given), empty)


def matches_template(spec: Obj, causes: Causes) -> None:
    given = spec.get("selector")
    if given is not None and meta.is_empty(given):
        return
    template_labels = labels_of(spec.get("template") or {})
    try:
        fits = selectors.matches(given, template_labels)
    except ValueError:
        causes.invalid("spec.selector", meta.shown_selector(given or {}), "invalid label selector")
        return
    if not fits:
        shown = Raw(go_json(dict(sorted(template_labels.items())))) if template_labels else None
        causes.invalid("spec.template.metadata.labels", shown, MISMATCH)


def _template(spec: Obj, owner: str, causes: Causes, field: str = "spec.template") -> None:
    matches_template(spec, causes)
    pods.template(spec.get("template") or {}, field, causes)
    _always_running(spec, owner, causes)


def _always_running(spec: Obj, owner: str, causes: Causes) -> None:
    pod_spec = (spec.get("template") or {}).get("spec") or {}
    policy = pod_spec.get("restartPolicy", "")
    if policy != "Always":
        causes.unsupported("spec.template.spec.restartPolicy", policy, ("Always",))
    if pod_spec.get("activeDeadlineSeconds") is not None:
        why = f"activeDeadlineSeconds in {owner} is not Supported"
        causes.forbidden("spec.template.spec.activeDeadlineSeconds", why)


def _strategy(strategy: Obj, field: str, causes: Causes) -> None:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            causes.forbidden(f"{field}.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'")
    elif kind == "RollingUpdate":
        if rolling is None:
            causes.required(f"{field}.rollingUpdate", "this should be defaulted and never be nil")
        else:
            _rolling(rolling, f"{field}.rollingUpdate", causes)
    else:
        shown = internal.dump(f"{_APPS}.DeploymentStrategy", strategy)
        causes.unsupported(field, shown, ("Recreate", "RollingUpdate"))


def _rolling(rolling: Obj, field: str, causes: Causes) -> None:
    down, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    numbers.int_or_percent(down, f"{field}.maxUnavailable", causes)
    numbers.int_or_percent(surge, f"{field}.maxSurge", causes)
    if numbers.amount(down) == 0 and numbers.amount(surge) == 0:
        causes.invalid(f"{field}.maxUnavailable", down, "may not be 0 when `maxSurge` is 0")
    numbers.at_most_all(down, f"{field}.maxUnavailable", causes)


def deployment_update(obj: Obj, old: Obj, causes: Causes) -> None:
    deployment(obj, causes)
    same_selector(obj, old, causes)


def same_selector(obj: Obj, old: Obj, causes: Causes) -> None:
    new, before = ((one.get("spec") or {}).get("selector") for one in (obj, old))
    causes.same("spec.selector", new, before, shown=meta.shown_selector(new or {}))


def replica_set(obj: Obj, causes: Causes) -> None:
    spec = obj.get("spec") or {}
    for key in ("replicas", "minReadySeconds"):
        causes.not_negative(f"spec.{key}", spec.get(key))
    selector(spec, "empty selector is invalid for replicaset", causes)
    _template(spec, "ReplicaSet", causes)


def replica_set_update(obj: Obj, old: Obj, causes: Causes) -> None:
    new, before = obj.get("spec") or {}, old.get("spec") or {}
    if new.get("template") == before.get("template") and new.get("selector") == before.get("selector"):
        for key in ("replicas", "minReadySeconds"):  # a mere change of size, which happens all the time
            causes.not_negative(f"spec.{key}", new.get(key))
        return
    replica_set(obj, causes)
    same_selector(obj, old, causes)


def replication_controller(obj: Obj, causes: Causes) -> None:
    spec = obj.get("spec") or {}
    causes.not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    wanted = spec.get("selector") or {}
    if not wanted:
        causes.required("spec.selector")
    causes.not_negative("spec.replicas", spec.get("replicas"))
    if spec.get("template") is None:
        causes.required("spec.template")
        return
    given = labels_of(spec["template"])
    if wanted and not selectors.matches_labels(wanted, given):
        causes.invalid("spec.template.metadata.labels", given or None, MISMATCH)
    pods.template(spec["template"], "spec.template", causes)
    _always_running(spec, "ReplicationController", causes)


# daemon sets


def daemon_set(obj: Obj, causes: Causes) -> None:
    spec = obj.get("spec") or {}
    given = spec.get("selector")
    if given is None:
        causes.required("spec.selector")
    meta.label_selector(given, "spec.selector", causes)
    if given is not None:
        matches_template(spec, causes)
        if meta.is_empty(given):
            causes.invalid("spec.selector", meta.shown_selector(given), "empty selector is invalid for daemonset")
    pods.template(spec.get("template") or {}, "spec.template", causes)
    _always_running(spec, "DaemonSet", causes)
    causes.not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    _daemon_strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy", causes)
    causes.not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def _daemon_strategy(strategy: Obj, field: str, causes: Causes) -> None:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    if kind == "OnDelete":
        return
    if kind != "RollingUpdate":
        shown = internal.dump(f"{_APPS}.DaemonSetUpdateStrategy", strategy)
        causes.unsupported(field, shown, ("RollingUpdate", "OnDelete"))
        return
    if rolling is None:
        causes.required(f"{field}.rollingUpdate")
        return
    for key in ("maxUnavailable", "maxSurge"):
        numbers.int_or_percent(rolling.get(key), f"{field}.rollingUpdate.{key}", causes)
        numbers.at_most_all(rolling.get(key), f"{field}.rollingUpdate.{key}", causes)
    down, surge = numbers.amount(rolling.get("maxUnavailable")), numbers.amount(rolling.get("maxSurge"))
    if down and surge:
        why = "may not be set when maxUnavailable is non-zero"
        causes.invalid(f"{field}.rollingUpdate.maxSurge", rolling.get("maxSurge"), why)
    elif not down and not surge:
        causes.required(f"{field}.rollingUpdate.maxUnavailable", "cannot be 0 when maxSurge is 0")


def daemon_set_update(obj: Obj, old: Obj, causes: Causes) -> None:
    daemon_set(obj, causes)
    same_selector(obj, old, causes)


# stateful sets


def stateful_set(obj: Obj, causes: Causes) -> None:
    spec = obj.get("spec") or {}
    policy = spec.get("podManagementPolicy", "")
    if not policy:
        causes.required("spec.podManagementPolicy")
    elif policy not in ("OrderedReady", "Parallel"):
        causes.invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    _set_strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy", causes)
    for key in ("whenDeleted", "whenScaled"):
        chosen = (spec.get("persistentVolumeClaimRetentionPolicy") or {}).get(key, "Retain")
        if chosen not in _RETENTION:
            causes.unsupported(f"spec.persistentVolumeClaimRetentionPolicy.{key}", chosen, _RETENTION)
    for key in ("replicas", "minReadySeconds"):
        causes.not_negative(f"spec.{key}", spec.get(key))
    causes.not_negative("spec.ordinals.start", (spec.get("ordinals") or {}).get("start"))
    selector(spec, "empty selector is invalid for statefulset", causes)
    matches_template(spec, causes)
    _claims_and_template(spec, causes)
    _always_running(spec, "StatefulSet", causes)
    causes.not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def _claims_and_template(spec: Obj, causes: Causes) -> None:
    """The template is checked with the volumes that its claims will be."""
    template = spec.get("template") or {}
    pod_spec = template.get("spec") or {}
    own = {volume.get("name") for volume in pod_spec.get("volumes") or ()}
    claims = [one["metadata"]["name"] for one in spec.get("volumeClaimTemplates") or () if _name(one)]
    added = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims if name not in own]
    whole = {**pod_spec, "volumes": [*(pod_spec.get("volumes") or ()), *added]}
    pods.template({**template, "spec": whole}, "spec.template", causes)
    for number, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        storage.claim_spec(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{number}].spec", causes)


def _name(claim: Obj) -> str:
    return str((claim.get("metadata") or {}).get("name") or "")


def _set_strategy(strategy: Obj, field: str, causes: Causes) -> None:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    if not kind:
        causes.required(field)
    elif kind == "OnDelete":
        if rolling is not None:
            shown = internal.dump(f"{_APPS}.RollingUpdateStatefulSetStrategy", rolling)
            causes.invalid(f"{field}.rollingUpdate", shown, "only allowed for updateStrategy 'RollingUpdate'")
    elif kind == "RollingUpdate":
        causes.not_negative(f"{field}.rollingUpdate.partition", (rolling or {}).get("partition"))
    else:
        shown = internal.dump(f"{_APPS}.StatefulSetUpdateStrategy", strategy)
        causes.invalid(field, shown, "must be 'RollingUpdate' or 'OnDelete'")


def stateful_set_update(obj: Obj, old: Obj, causes: Causes) -> None:
    stateful_set(obj, causes)
    new, before = (_without(one.get("spec") or {}, _MUTABLE_SET) for one in (obj, old))
    if new != before:
        causes.forbidden("spec", _UPDATABLE_SET)


def _without(spec: Obj, keys: Iterable[str]) -> Obj:
    """What is compared of a spec: without the keys that may change, and without the status of claim templates."""
    kept = {key: value for key, value in spec.items() if key not in keys}
    if kept.get("volumeClaimTemplates"):
        kept["volumeClaimTemplates"] = [
            {key: value for key, value in claim.items() if key not in ("status", "apiVersion", "kind")}
            for claim in kept["volumeClaimTemplates"]
        ]
    return kept


def stateful_set_name(name: str) -> names.Reasons:
    return names.dns_label(name)


# status


_COUNTS = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "updatedReplicas", "currentReplicas",
           "unavailableReplicas", "observedGeneration", "collisionCount")  # fmt: skip
_PARTS = ("updatedReplicas", "fullyLabeledReplicas", "readyReplicas", "currentReplicas", "availableReplicas")


def replicas_status(obj: Obj, old: Obj, causes: Causes) -> None:
    """The counts in a status: none negative, no part larger than the whole."""
    status = obj.get("status") or {}
    for key in _COUNTS:
        causes.not_negative(f"status.{key}", status.get(key))
    total, ready = status.get("replicas") or 0, status.get("readyReplicas") or 0
    for key in _PARTS:
        if (status.get(key) or 0) > total:
            causes.invalid(f"status.{key}", status.get(key) or 0, "cannot be greater than status.replicas")
    if (status.get("availableReplicas") or 0) > ready:
        why = "cannot be greater than readyReplicas"
        causes.invalid("status.availableReplicas", status.get("availableReplicas") or 0, why)
