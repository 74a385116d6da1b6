"""Pods and what is made into pods (pkg/api/pod/warnings.go, pkg/registry/core/pod/strategy.go)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from seatrial.twin.admission.warnings import addresses, labels, quantities, volumes
from seatrial.world.admission.causes import quote
from seatrial.world.admission.validation import names
from seatrial.world.objects import Obj, annotations_of

_DEPRECATED_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_SECCOMP_POD, _SECCOMP = "seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/"
_NO_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_NO_APP_ARMOR = 'deprecated since v1.30; use the "appArmorProfile" field instead'
_MOUNTABLE = "kubernetes.io/enforce-mountable-secrets"
_NULL_SELECTOR = "a null labelSelector results in matching no pod"
_KINDS = ("initContainers", "containers", "ephemeralContainers")

#: A container, and where it is.
_Placed = list[tuple[str, Obj]]


def pod(obj: Obj, old: Obj | None) -> Iterator[str]:
    """Only of new pods: nobody changes pods by hand."""
    if old is None:
        yield from unfit_name(obj, "the Pod's hostname")
        yield from template(obj, "")


def unfit_name(obj: Obj, used: str) -> Iterator[str]:
    reasons = names.dns_label(obj["metadata"].get("name", ""))
    if reasons:
        why = "which can result in surprising behavior; a DNS label is recommended"
        yield f"metadata.name: this is used in {used}, {why}: [{' '.join(reasons)}]"


def service_account(obj: Obj, old: Obj | None) -> Iterator[str]:
    if _MOUNTABLE in annotations_of(obj) and (old is None or _MOUNTABLE not in annotations_of(old)):
        why = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
        yield f"metadata.annotations[{_MOUNTABLE}]: {why}"


def runtime_class(obj: Obj, old: Obj | None) -> Iterator[str]:
    for key in sorted((obj.get("scheduling") or {}).get("nodeSelector") or ()):
        if key in labels.DEPRECATED:
            yield f"scheduling.nodeSelector: {labels.DEPRECATED[key]}"


def template(obj: Obj, at: str) -> Iterator[str]:
    """A pod (`at` is "") or a template of pods (`at` is where it is, with a dot)."""
    spec, annotations = obj.get("spec") or {}, (obj.get("metadata") or {}).get("annotations") or {}
    where = f"{at}spec"
    containers = [
        (f"{where}.{kind}[{index}]", container) for kind in _KINDS for index, container in enumerate(spec.get(kind) or ())
    ]
    yield from _placement(spec, where)
    yield from (f"{at}metadata.annotations[{key}]: {why}" for key, why in _DEPRECATED_ANNOTATIONS.items() if key in annotations)
    yield from volumes.volumes(spec.get("volumes") or (), f"{where}.volumes")
    yield from _repeated(spec.get("hostAliases") or (), "ip", f"{where}.hostAliases")
    yield from _pull_secrets(spec.get("imagePullSecrets") or (), f"{where}.imagePullSecrets")
    yield from quantities.fractions(spec.get("overhead"), f"{where}.overhead")
    if annotations:
        yield from _profiles(spec, annotations, containers, at)
    for place, container in containers:
        resources = container.get("resources") or {}
        yield from quantities.fractions(resources.get("limits"), f"{place}.resources.limits")
        yield from quantities.fractions(resources.get("requests"), f"{place}.resources.requests")
        yield from _environment(container.get("env") or (), f"{place}.env")
    yield from _ports(containers)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        yield f"{where}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
    yield from _pod_affinity(spec.get("affinity") or {}, f"{where}.affinity")
    for index, server in enumerate((spec.get("dnsConfig") or {}).get("nameservers") or ()):
        yield from addresses.ip(server, f"{where}.dnsConfig.nameservers[{index}]")
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        yield from addresses.ip(alias.get("ip", ""), f"{where}.hostAliases[{index}].ip")


def _placement(spec: Obj, where: str) -> Iterator[str]:
    for key in sorted(spec.get("nodeSelector") or ()):
        if key in labels.DEPRECATED:
            yield f"{where}.nodeSelector[{key}]: {labels.DEPRECATED[key]}"
    rules = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    at = f"{where}.affinity.nodeAffinity"
    required = rules.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for index, term in enumerate(required.get("nodeSelectorTerms") or ()):
        place = f"{at}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[{index}]"
        yield from labels.node_term(term, place)
    for index, term in enumerate(rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
        place = f"{at}.preferredDuringSchedulingIgnoredDuringExecution[{index}].preference"
        yield from labels.node_term(term.get("preference") or {}, place, values=True)
    for index, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        place, key = f"{where}.topologySpreadConstraints[{index}]", constraint.get("topologyKey", "")
        if key in labels.DEPRECATED:
            yield f"{place}.topologyKey: {key} is {labels.DEPRECATED[key]}"
        if constraint.get("labelSelector") is None:
            yield f"{place}.labelSelector: {_NULL_SELECTOR}"


def _pod_affinity(rules: Obj, at: str) -> Iterator[str]:
    for kind in ("podAffinity", "podAntiAffinity"):
        side = rules.get(kind) or {}
        for index, term in enumerate(side.get("requiredDuringSchedulingIgnoredDuringExecution") or ()):
            if term.get("labelSelector") is None:
                yield f"{at}.{kind}.requiredDuringSchedulingIgnoredDuringExecution[{index}].labelSelector: {_NULL_SELECTOR}"
        for index, term in enumerate(side.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
            if (term.get("podAffinityTerm") or {}).get("labelSelector") is None:
                place = f"{at}.{kind}.preferredDuringSchedulingIgnoredDuringExecution[{index}].podAffinityTerm"
                yield f"{place}.labelSelector: {_NULL_SELECTOR}"


def _repeated(items: Iterable[Obj], key: str, at: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, item in enumerate(items):
        value = item.get(key) or ""
        if value in seen:
            yield f"{at}[{index}].{key}: duplicate {key} {quote(value)}"
        seen.add(value)


def _pull_secrets(secrets: Iterable[Obj], at: str) -> Iterator[str]:
    yield from _repeated(secrets, "name", at)
    yield from (f'{at}[{index}].name: invalid empty name ""' for index, secret in enumerate(secrets) if not secret.get("name"))


def _profiles(spec: Obj, annotations: dict[str, str], containers: _Placed, at: str) -> Iterator[str]:
    """Annotations that fields have replaced."""
    of_pod: dict[str, Any] = spec.get("securityContext") or {}
    place = f"{at}metadata.annotations"
    if _SECCOMP_POD in annotations and not of_pod.get("seccompProfile"):
        yield f"{place}[{_SECCOMP_POD}]: {_NO_SECCOMP}"
    for _, container in containers:
        own = container.get("securityContext") or {}
        seccomp, app_armor = _SECCOMP + container["name"], _APP_ARMOR + container["name"]
        if seccomp in annotations and not own.get("seccompProfile"):
            yield f"{place}[{seccomp}]: {_NO_SECCOMP}"
        if app_armor in annotations and not (own.get("appArmorProfile") or of_pod.get("appArmorProfile")):
            yield f"{place}[{app_armor}]: {_NO_APP_ARMOR}"


def _environment(variables: Iterable[Obj], at: str) -> Iterator[str]:
    """A name given twice, unless the second extends the first (`$(A) and more`)."""
    seen: set[str] = set()
    for index, variable in enumerate(variables):
        name, value = variable.get("name", ""), variable.get("value") or ""
        reference = f"$({name})"
        extends = reference in value and value != reference and not variable.get("valueFrom")
        if name in seen and not extends:
            yield f"{at}[{index}]: hides previous definition of {quote(name)}, which may be dropped when using apply"
        seen.add(name)


def _ports(containers: _Placed) -> Iterator[str]:
    placed = [
        (f"{place}.ports[{index}]", port)
        for place, container in containers
        for index, port in enumerate(container.get("ports") or ())
    ]
    same: dict[tuple[Any, Any], _Placed] = {}
    for place, port in placed:
        if port.get("hostIP") and not port.get("hostPort"):
            yield f"{place}: hostIP set without hostPort: {_go(port)}"
        before = same.setdefault((port.get("containerPort"), port.get("protocol")), [])
        for where, other in before:
            how = _clash(port, other)
            if how:
                yield f"{place}: {how} port definition with {where}"
        before.append((place, port))
    named: dict[str, str] = {}
    for place, port in placed:
        name = port.get("name")
        first = named.setdefault(name, place) if name else place
        if first != place:
            why = f"services and probes that select ports by name will use {first}"
            yield f"{place}: duplicate port name {quote(name)} with {first}, {why}"


def _clash(port: Obj, other: Obj) -> str:
    mine, theirs = (port.get("hostIP") or "", port.get("hostPort") or 0), (other.get("hostIP") or "", other.get("hostPort") or 0)
    if mine == theirs:
        return "duplicate"
    if not mine[1] or not theirs[1]:
        return "overlapping"
    return "dangerously ambiguous" if mine[1] == theirs[1] and "" in (mine[0], theirs[0]) else ""


def _go(port: Obj) -> str:
    """A port as Go's %+v shows it."""
    numbers = f"HostPort:{port.get('hostPort') or 0} ContainerPort:{port.get('containerPort') or 0}"
    return f"{{Name:{port.get('name') or ''} {numbers} Protocol:{port.get('protocol') or ''} HostIP:{port['hostIP']}}}"
