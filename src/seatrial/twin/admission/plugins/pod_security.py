"""PodSecurity: holds pods to the level that their namespace's labels ask for, and warns of what would not pass.

pod-security-admission, admission/admission.go and api/helpers.go; levels and checks are `world.admission.pod_security`. Audit
annotations have nobody to read them here, so the audit labels are read only for their mistakes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.twin import errors
from seatrial.twin.admission.plugins.refusal import forbidden
from seatrial.world.admission.causes import Cause
from seatrial.world.admission.pod_security import LEVELS, PREFIX, Level, Policy, Wrong, details, policy_of
from seatrial.world.objects import Obj, controller_of, dig, labels_of

if TYPE_CHECKING:
    from seatrial.twin.registry.options import Options
    from seatrial.twin.registry.registry import Registry

#: How many pods of a namespace are looked at when its level is raised.
MAX_PODS = 3000
#: Where the pod template of each workload is.
TEMPLATES = {
    "podtemplates": "template",
    "replicationcontrollers": "spec.template",
    "deployments.apps": "spec.template",
    "replicasets.apps": "spec.template",
    "statefulsets.apps": "spec.template",
    "daemonsets.apps": "spec.template",
    "jobs.batch": "spec.template",
    "cronjobs.batch": "spec.jobTemplate.spec.template",
}


def check(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    if resource == "namespaces":
        _check_namespace(registry, obj, old, options)
    elif resource == "pods":
        _check_pod(registry, obj, old, options)
    elif resource in TEMPLATES:
        template = dig(obj, TEMPLATES[resource])
        if template is not None:
            policy = _policy_in_force(registry, obj)
            if policy is not None:
                _warn(policy.warn, template, options)


def _policy_in_force(registry: Registry, obj: Obj) -> Policy | None:
    namespace = registry.find("namespaces", "", obj["metadata"].get("namespace", ""))
    labels = labels_of(namespace) if namespace is not None else {}
    if not any(label.startswith(PREFIX) for label in labels):
        return None
    return policy_of(labels)[0]


def _check_pod(registry: Registry, pod: Obj, old: Obj | None, options: Options) -> None:
    policy = _policy_in_force(registry, pod)
    if policy is None or (old is not None and not _is_significant(pod, old)):
        return
    found = policy.enforce.violations(pod)
    if found:
        raise forbidden(registry, "pods", pod, f'violates PodSecurity "{policy.enforce}": {details(found)}')
    _warn(policy.warn, pod, options)


def _warn(level: Level, pod: Obj, options: Options) -> None:
    found = level.violations(pod) if options.warnings is not None else []
    if found:
        options.warn(f'would violate PodSecurity "{level}": {details(found)}')


def _is_significant(pod: Obj, old: Obj) -> bool:
    """Whether an update changes what the checks look at: the containers there are, or their images."""
    return any(
        [(c.get("name"), c.get("image")) for c in pod["spec"].get(kind) or ()]
        != [(c.get("name"), c.get("image")) for c in old["spec"].get(kind) or ()]
        for kind in ("containers", "initContainers", "ephemeralContainers")
    )


# namespaces


def _check_namespace(registry: Registry, namespace: Obj, old: Obj | None, options: Options) -> None:
    policy, wrong = policy_of(labels_of(namespace))
    before, old_wrong = policy_of(labels_of(old)) if old is not None else (policy, [])
    if wrong and wrong != old_wrong:
        raise errors.invalid("", "Namespace", namespace["metadata"].get("name", ""), [_cause(one) for one in wrong])
    if old is None or policy.enforce == before.enforce or policy.enforce.level == "privileged":
        return
    relaxed = LEVELS.index(policy.enforce.level) <= LEVELS.index(before.enforce.level)
    if policy.enforce.version == before.enforce.version and relaxed:
        return
    for warning in _warnings(registry, namespace["metadata"]["name"], policy.enforce):
        options.warn(warning)


def _cause(wrong: Wrong) -> Cause:
    return Cause("FieldValueInvalid", f'Invalid value: "{wrong.value}": {wrong.why}', f"metadata.labels[{wrong.label}]")


def _warnings(registry: Registry, name: str, level: Level) -> list[str]:
    """Which of the pods already there would be refused now: one line for all that break the same rules."""
    pods = _one_of_each_controller_first(registry.list("pods", name))
    guilty: dict[str, list[str]] = {}
    for pod in pods[:MAX_PODS]:
        found = level.violations(pod)
        if found:
            guilty.setdefault(", ".join(reason for reason, _ in found), []).append(pod["metadata"]["name"])
    warnings = []
    if len(pods) > MAX_PODS:
        warnings.append(f"new PodSecurity enforce level only checked against the first {MAX_PODS} of {len(pods)} existing pods")
    if guilty:
        warnings.append(f'existing pods in namespace "{name}" violate the new PodSecurity enforce level "{level}"')
    return warnings + sorted(f"{_named(names)}: {reason}" for reason, names in guilty.items())


def _named(names: list[str]) -> str:
    others = len(names) - 1
    return min(names) + (f" (and {others} other pod{'s' if others > 1 else ''})" if others else "")


def _one_of_each_controller_first(pods: list[Obj]) -> list[Obj]:
    first: list[Obj] = []
    rest: list[Obj] = []
    seen: set[str] = set()
    for pod in pods:
        owner = controller_of(pod)
        if owner is not None and owner["uid"] in seen:
            rest.append(pod)
            continue
        first.append(pod)
        if owner is not None:
            seen.add(owner["uid"])
    return first + rest
