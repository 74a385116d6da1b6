"""PodSecurity: holds pods to the level that their namespace's labels ask for, and warns of what would not pass.

pod-security-admission, admission/admission.go and api/helpers.go; the checks themselves are in `checks`. Audit
annotations have nobody to read them here, so the audit labels are read only for their mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.twin import errors
from seatrial.twin.admission.plugins.pod_security.checks import LATEST, violations
from seatrial.twin.admission.plugins.refusal import forbidden
from seatrial.twin.errors import Cause
from seatrial.world.objects import Obj, controller_of, dig, labels_of

if TYPE_CHECKING:
    from seatrial.twin.registry.options import Options
    from seatrial.twin.registry.registry import Registry

PREFIX = "pod-security.kubernetes.io/"
LEVELS = ("privileged", "baseline", "restricted")  # from lax to strict
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


@dataclass(frozen=True, slots=True)
class Level:
    level: str = "privileged"
    version: str = "latest"

    def __str__(self) -> str:
        return f"{self.level}:{self.version}"

    @property
    def minor(self) -> int:
        return LATEST if self.version == "latest" else int(self.version.removeprefix("v1."))

    def violations(self, pod: Obj) -> list[tuple[str, str]]:
        return violations(self.level, self.minor, pod)


@dataclass(frozen=True, slots=True)
class Policy:
    enforce: Level
    warn: Level


def policy_of(labels: Mapping[str, str]) -> tuple[Policy, list[Cause]]:
    """What a namespace's labels ask for, and what is wrong with them; what cannot be read is enforced as restricted."""
    causes: list[Cause] = []
    read: dict[str, Level] = {}
    for mode in ("enforce", "audit", "warn"):
        read[mode] = _level_of(labels, mode, causes)
    enforce, warn = read["enforce"], read["warn"]
    explicit = labels.get(f"{PREFIX}enforce") in LEVELS and f"{PREFIX}warn" not in labels
    if explicit and LEVELS.index(enforce.level) > LEVELS.index(warn.level):
        warn = Level(enforce.level, warn.version if f"{PREFIX}warn-version" in labels else enforce.version)
    return Policy(enforce, warn), causes


def _level_of(labels: Mapping[str, str], mode: str, causes: list[Cause]) -> Level:
    level, version = labels.get(PREFIX + mode, "privileged"), labels.get(f"{PREFIX}{mode}-version", "latest")
    if level not in LEVELS:
        causes.append(_wrong(PREFIX + mode, level, "must be one of privileged, baseline, restricted"))
        level = "restricted" if mode == "enforce" else "privileged"
    if version != "latest" and not re.fullmatch(r"v1\.([0-9]|[1-9][0-9]*)", version):
        causes.append(_wrong(f"{PREFIX}{mode}-version", version, 'must be "latest" or "v1.x"'))
        version = "latest"
    return Level(level, version)


def _wrong(label: str, value: str, why: str) -> Cause:
    return Cause("FieldValueInvalid", f'Invalid value: "{value}": {why}', f"metadata.labels[{label}]")


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
        raise forbidden(registry, "pods", pod, f'violates PodSecurity "{policy.enforce}": {_details(found)}')
    _warn(policy.warn, pod, options)


def _warn(level: Level, pod: Obj, options: Options) -> None:
    found = level.violations(pod) if options.warnings is not None else []
    if found:
        options.warn(f'would violate PodSecurity "{level}": {_details(found)}')


def _details(found: list[tuple[str, str]]) -> str:
    return ", ".join(f"{reason} ({detail})" if detail else reason for reason, detail in found)


def _is_significant(pod: Obj, old: Obj) -> bool:
    """Whether an update changes what the checks look at: the containers there are, or their images."""
    return any(
        [(c.get("name"), c.get("image")) for c in pod["spec"].get(kind) or ()]
        != [(c.get("name"), c.get("image")) for c in old["spec"].get(kind) or ()]
        for kind in ("containers", "initContainers", "ephemeralContainers")
    )


# namespaces


def _check_namespace(registry: Registry, namespace: Obj, old: Obj | None, options: Options) -> None:
    policy, causes = policy_of(labels_of(namespace))
    before, old_causes = policy_of(labels_of(old)) if old is not None else (policy, [])
    if causes and causes != old_causes:
        raise errors.invalid("", "Namespace", namespace["metadata"].get("name", ""), causes)
    if old is None or policy.enforce == before.enforce or policy.enforce.level == "privileged":
        return
    relaxed = LEVELS.index(policy.enforce.level) <= LEVELS.index(before.enforce.level)
    if policy.enforce.version == before.enforce.version and relaxed:
        return
    for warning in _warnings(registry, namespace["metadata"]["name"], policy.enforce):
        options.warn(warning)


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
