"""Pods and pod templates: the spec as a whole, and what of a pod may change (ValidatePodSpec, ValidatePodUpdate)."""

from __future__ import annotations

import re
from typing import Any

from seatrial.world.admission.causes import Causes
from seatrial.world.admission.validation import (
    containers,
    internal,
    meta,
    names,
    resources,
    scheduling,
    security,
    volumes,
)
from seatrial.world.admission.validation.containers import Pod
from seatrial.world.objects import Obj, annotations_of

MIRROR = "kubernetes.io/config.mirror"
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_PREEMPTION = ("PreemptLowerPriority", "Never")
_MOST = 2**31 - 1
#: What of a running pod may change.
UPDATABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only"
    " additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was"
    " previously negative)"
)
_DNS_NAMES = (("serviceAccountName", names.dns_subdomain), ("nodeName", names.dns_subdomain))


def pod(obj: Obj, causes: Causes) -> None:
    """A new pod."""
    _pod(obj, causes)
    spec = obj.get("spec") or {}
    if spec.get("ephemeralContainers"):
        causes.forbidden("spec.ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        causes.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")


def _pod(obj: Obj, causes: Causes) -> None:
    spec = obj.get("spec") or {}
    _annotations(obj, spec, "metadata.annotations", causes)
    pod_spec(spec, "spec", causes, name=obj["metadata"].get("name", ""), whole=True)
    if not spec.get("serviceAccountName"):
        _tokens_without_account(spec, causes)
    for kind in ("containers", "initContainers"):
        containers.images(spec.get(kind) or [], f"spec.{kind}", causes)


def _tokens_without_account(spec: Obj, causes: Causes) -> None:
    for number, volume in enumerate(spec.get("volumes") or ()):
        for part_number, part in enumerate((volume.get("projected") or {}).get("sources") or ()):
            if part.get("serviceAccountToken") is not None:
                at = f"spec.volumes[{number}].projected.sources[{part_number}].serviceAccountToken"
                causes.forbidden(at, "must not be specified when serviceAccountName is not set")


def template(obj: Obj, field: str, causes: Causes) -> None:
    """A PodTemplateSpec."""
    metadata, spec = obj.get("metadata") or {}, obj.get("spec") or {}
    if metadata.get("labels"):
        meta.check_labels(metadata["labels"], f"{field}.labels", causes)
    if metadata.get("annotations"):
        meta.check_annotations(metadata["annotations"], f"{field}.annotations", causes)
        _annotations(obj, spec, f"{field}.annotations", causes)
    pod_spec(spec, f"{field}.spec", causes)
    if spec.get("ephemeralContainers"):
        causes.forbidden(f"{field}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")


def pod_template(obj: Obj, causes: Causes) -> None:
    """The resource PodTemplate."""
    template(obj.get("template") or {}, "template", causes)


def _annotations(obj: Obj, spec: Obj, field: str, causes: Causes) -> None:
    """Annotations that mean something for a pod (ValidatePodSpecificAnnotations)."""
    annotations = annotations_of(obj)
    if not annotations:
        return
    if MIRROR in annotations and not spec.get("nodeName"):
        why = "must set spec.nodeName if mirror pod annotation is set"
        causes.invalid(f"{field}[{MIRROR}]", annotations[MIRROR], why)
    cost = annotations.get(_DELETION_COST)
    if cost is not None and not (re.fullmatch(r"-?(0|[1-9]\d*)", cost) and abs(int(cost)) <= _MOST):
        causes.invalid(f"{field}[{_DELETION_COST}]", cost, "must be a 32bit integer")


def pod_spec(spec: Obj, field: str, causes: Causes, name: str = "", whole: bool = False) -> None:
    """The spec of a pod (`whole`, with its name) or of a template."""
    if spec.get("terminationGracePeriodSeconds") is None:
        causes.required(f"{field}.terminationGracePeriodSeconds")
    good = volumes.volumes(spec.get("volumes") or [], f"{field}.volumes", causes, name)
    claims = [one.get("name", "") for one in spec.get("resourceClaims") or ()]
    pod_ = Pod(spec, good, whole, [claim for claim in claims if claim])
    _resource_claims(spec.get("resourceClaims") or [], f"{field}.resourceClaims", causes)
    containers.containers(pod_, f"{field}.containers", causes)
    if spec.get("initContainers"):
        containers.init_containers(pod_, f"{field}.initContainers", causes)
    if spec.get("ephemeralContainers"):
        containers.ephemeral_containers(pod_, f"{field}.ephemeralContainers", causes)
    if spec.get("resources"):
        _pod_resources(spec, f"{field}.resources", causes)
    if spec.get("hostNetwork"):
        _host_network(spec, field, whole, causes)
    causes.one_of(f"{field}.restartPolicy", spec.get("restartPolicy"), _RESTART_POLICIES)
    causes.one_of(f"{field}.dnsPolicy", spec.get("dnsPolicy"), _DNS_POLICIES)
    if spec.get("nodeSelector"):
        meta.check_labels(spec["nodeSelector"], f"{field}.nodeSelector", causes)
    security.pod(spec, field, causes)
    _placement(spec, field, causes)
    security.host_users(spec, field, causes)
    _names(spec, field, causes)
    _options(spec, field, causes)


def _placement(spec: Obj, field: str, causes: Causes) -> None:
    if spec.get("affinity"):
        scheduling.affinity(spec["affinity"], f"{field}.affinity", causes)
    if spec.get("dnsConfig") is not None or spec.get("dnsPolicy") == "None":
        _dns_config(spec, f"{field}.dnsConfig", causes)
    for number, gate in enumerate(spec.get("readinessGates") or ()):
        kind = gate.get("conditionType", "")
        causes.each(f"{field}.readinessGates[{number}].conditionType", kind, names.qualified(kind))
    _scheduling_gates(spec.get("schedulingGates") or [], f"{field}.schedulingGates", causes)
    if spec.get("topologySpreadConstraints"):
        constraints = spec["topologySpreadConstraints"]
        scheduling.topology_spread(constraints, f"{field}.topologySpreadConstraints", causes)


def _scheduling_gates(gates: list[Obj], field: str, causes: Causes) -> None:
    seen: set[str] = set()
    for number, gate in enumerate(gates):
        name = gate.get("name", "")
        causes.each(f"{field}[{number}]", name, names.qualified(name))
        if name in seen:
            causes.duplicate(f"{field}[{number}]", name)
        seen.add(name)


def _names(spec: Obj, field: str, causes: Causes) -> None:
    for key, rule in _DNS_NAMES:
        if spec.get(key):
            causes.each(f"{field}.{key}", spec[key], rule(spec[key]))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _MOST:
        causes.invalid(f"{field}.activeDeadlineSeconds", deadline, names.between(1, _MOST))
    for key in ("hostname", "subdomain"):
        if spec.get(key):
            causes.each(f"{field}.{key}", spec[key], names.dns_label(spec[key]))


def _options(spec: Obj, field: str, causes: Causes) -> None:
    if spec.get("tolerations"):
        scheduling.tolerations(spec["tolerations"], f"{field}.tolerations", causes)
    for number, alias in enumerate(spec.get("hostAliases") or ()):
        at = f"{field}.hostAliases[{number}]"
        causes.each(f"{at}.ip", alias.get("ip", ""), names.address(alias.get("ip", "")))
        for name_number, hostname in enumerate(alias.get("hostnames") or ()):
            causes.each(f"{at}.hostnames[{name_number}]", hostname, names.dns_subdomain(hostname))
    for key in ("priorityClassName", "runtimeClassName"):
        if spec.get(key):
            causes.each(f"{field}.{key}", spec[key], names.dns_subdomain(spec[key]))
    policy = spec.get("preemptionPolicy")
    if policy is not None and policy not in _PREEMPTION:
        causes.unsupported(f"{field}.preemptionPolicy", policy, _PREEMPTION)
    if spec.get("overhead"):
        resources.requirements({"limits": spec["overhead"]}, f"{field}.overhead", causes)
    if spec.get("os") is not None:
        security.operating_system(spec, field, causes)


def _resource_claims(claims: list[Obj], field: str, causes: Causes) -> None:
    seen: set[str] = set()
    for number, claim in enumerate(claims):
        at, name = f"{field}[{number}]", claim.get("name", "")
        if not name:
            causes.required(f"{at}.name")
        elif name in seen:
            causes.duplicate(f"{at}.name", name)
        else:
            causes.each(f"{at}.name", name, names.dns_label(name))
        seen.add(name)
        given = [key for key in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(key) is not None]
        shown = internal.dump("api.core.v1.PodResourceClaim", claim) if len(given) != 1 else ""
        if len(given) > 1:
            why = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            causes.invalid(at, shown, why)
        elif not given:
            causes.invalid(at, shown, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`")
        for key in given:
            causes.each(f"{at}.{key}", claim[key], names.dns_subdomain(claim[key]))


def _pod_resources(spec: Obj, field: str, causes: Causes) -> None:
    """Resources of the whole pod (KEP-2837)."""
    own: Obj = spec["resources"]
    if own.get("claims") is not None:
        causes.forbidden(f"{field}.claims", "claims cannot be set for Resources at pod-level")
    resources.requirements(own, field, causes, check=resources.pod_resource)
    for number, one in enumerate(spec.get("containers") or ()):
        for name, limit in sorted(((one.get("resources") or {}).get("limits") or {}).items()):
            most = (own.get("limits") or {}).get(name)
            if most is not None and resources.value_of(limit) > resources.value_of(most):
                why = f"must be less than or equal to pod limits of {most}"
                causes.invalid(f"{field}.containers[{number}][{name}].limits", str(limit), why)


def _host_network(spec: Obj, field: str, whole: bool, causes: Causes) -> None:
    for number, one in enumerate(spec.get("containers") or ()):
        for port_number, port in enumerate(one.get("ports") or ()):
            outside, inside = port.get("hostPort") or 0, port.get("containerPort") or 0
            if (whole or outside) and outside != inside:
                at = f"{field}.containers[{number}].ports[{port_number}].hostPort"
                causes.invalid(at, outside, "must match `containerPort` when `hostNetwork` is true")


def _dns_config(spec: Obj, field: str, causes: Causes) -> None:
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            causes.required(field, "must provide `dnsConfig` when `dnsPolicy` is None")
            return
        if not config.get("nameservers"):
            why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            causes.required(f"{field}.nameservers", why)
            return
    config = config or {}
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if len(servers) > 3:
        causes.invalid(f"{field}.nameservers", servers, "must not have more than 3 nameservers")
    for number, server in enumerate(servers):
        causes.each(f"{field}.nameservers[{number}]", server, names.address(server))
    if len(searches) > 32:
        causes.invalid(f"{field}.searches", searches, "must not have more than 32 search paths")
    if len(" ".join(searches)) > 2048:
        why = "must not have more than 2048 characters (including spaces) in the search list"
        causes.invalid(f"{field}.searches", searches, why)
    for number, search in enumerate(searches):
        if search != ".":
            domain = search.removesuffix(".")
            causes.each(f"{field}.searches[{number}]", domain, names.dns_subdomain_underscore(domain))
    for number, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            causes.required(f"{field}.options[{number}]", "must not be empty")


# updates


def update(obj: Obj, old: Obj, causes: Causes) -> None:
    """A changed pod: images, deadlines, added tolerations and removed gates, and nothing else."""
    new_spec, old_spec = obj.get("spec") or {}, old.get("spec") or {}
    if new_spec == old_spec and obj["metadata"].get("annotations") == old["metadata"].get("annotations"):
        return
    _pod(obj, causes)
    _annotation_updates(obj, old, causes)
    for kind in ("containers", "initContainers"):
        if len(new_spec.get(kind) or ()) != len(old_spec.get(kind) or ()):
            causes.forbidden(f"spec.{kind}", "pod updates may not add or remove containers")
            return
        for number, one in enumerate(new_spec.get(kind) or ()):
            if not one.get("image"):
                causes.required(f"spec.{kind}[{number}].image")
    if _deadline(new_spec.get("activeDeadlineSeconds"), old_spec.get("activeDeadlineSeconds"), causes):
        return
    _added_tolerations(new_spec.get("tolerations") or [], old_spec.get("tolerations") or [], causes)
    known = {gate.get("name") for gate in old_spec.get("schedulingGates") or ()}
    for number, gate in enumerate(new_spec.get("schedulingGates") or ()):
        if gate.get("name") not in known:
            why = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            causes.forbidden(f"spec.schedulingGates[{number}].name", why)
    munged = _munged(new_spec, old_spec)
    if munged != old_spec:
        changed = internal.diff("api.core.v1.PodSpec", old_spec, munged)
        causes.forbidden("spec", f"pod updates may not change fields other than {UPDATABLE}\n{changed}")


def ephemeral(obj: Obj, old: Obj, causes: Causes) -> None:
    """A pod with other ephemeral containers: they can be added, and neither changed nor removed."""
    _pod(obj, causes)
    if MIRROR in annotations_of(old):
        causes.forbidden("", "static pods do not support ephemeral containers")
        return
    now = {one.get("name"): one for one in obj["spec"].get("ephemeralContainers") or ()}
    for before in old["spec"].get("ephemeralContainers") or ():
        name = before["name"]
        if name not in now:
            causes.forbidden("spec.ephemeralContainers", f'existing ephemeral containers "{name}" may not be removed\n')
        elif now[name] != before:
            changed = internal.diff("api.core.v1.EphemeralContainer", before, now[name])
            causes.forbidden("spec.ephemeralContainers", f'existing ephemeral containers "{name}" may not be changed\n{changed}')


def _munged(new: Obj, old: Obj) -> Obj:
    """The new spec with all that may change as it was before."""
    munged = dict(new)
    for kind in ("containers", "initContainers"):
        if new.get(kind):
            pairs = zip(new[kind], old[kind], strict=True)
            munged[kind] = [{**one, "image": before.get("image")} for one, before in pairs]
    hidden = ["activeDeadlineSeconds", "schedulingGates", "tolerations"]
    grace, before = new.get("terminationGracePeriodSeconds"), old.get("terminationGracePeriodSeconds")
    if before is not None and before < 0 and grace == 1:
        hidden.append("terminationGracePeriodSeconds")
    if old.get("schedulingGates"):
        hidden += [key for key in ("nodeSelector",) if _only_added(new.get(key) or {}, old.get(key) or {})]
    for key in hidden:
        munged.pop(key, None)
        if key in old:
            munged[key] = old[key]
    return munged


def _only_added(new: Obj, old: Obj) -> bool:
    return all(new.get(key) == value for key, value in old.items())


def _deadline(new: int | None, old: int | None, causes: Causes) -> bool:
    """Check a change of the deadline; whether nothing else need be looked at."""
    field = "spec.activeDeadlineSeconds"
    if new is None:
        if old is not None:
            causes.invalid(field, None, "must not update from a positive integer to nil value")
        return False
    if not 0 <= new <= _MOST:
        causes.invalid(field, new, names.between(0, _MOST))
        return True
    if old is not None and old < new:
        causes.invalid(field, new, "must be less than or equal to previous value")
        return True
    return False


def _added_tolerations(new: list[Obj], old: list[Obj], causes: Causes) -> None:
    def bare(toleration: Obj) -> Obj:
        return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}

    kept = [bare(toleration) for toleration in new]
    if any(bare(toleration) not in kept for toleration in old):
        why = "existing toleration can not be modified except its tolerationSeconds"
        causes.forbidden("spec.tolerations", why)
        return
    scheduling.tolerations(new, "spec.tolerations", causes)


def _annotation_updates(obj: Obj, old: Obj, causes: Causes) -> None:
    new, before = annotations_of(obj), annotations_of(old)
    for key in sorted({*new, *before}):
        if new.get(key) == before.get(key):
            continue
        verb = "add" if key not in before else "remove or update"
        if key.startswith(_APPARMOR):
            causes.forbidden(f"metadata.annotations[{key}]", f"may not {verb} AppArmor annotations")
        if key == MIRROR:
            causes.forbidden(f"metadata.annotations[{key}]", f"may not {verb} mirror pod annotation")


def status(obj: Obj, old: Obj, causes: Causes) -> None:
    """A changed status: the kubelet may not resurrect a container that must not restart."""
    new_status, old_status = obj.get("status") or {}, old.get("status") or {}
    causes.same("status.qosClass", new_status.get("qosClass", ""), old_status.get("qosClass", ""))
    policy = (old.get("spec") or {}).get("restartPolicy")
    if policy != "Always":
        sidecars = {c["name"] for c in old["spec"].get("initContainers") or () if c.get("restartPolicy") == "Always"}
        for kind in ("containerStatuses", "initContainerStatuses"):
            _transitions(new_status.get(kind) or [], old_status.get(kind) or [], f"status.{kind}", policy, sidecars, causes)
    for number, address in enumerate(new_status.get("podIPs") or ()):
        causes.each(f"status.podIPs[{number}]", address.get("ip", ""), names.address(address.get("ip", "")))


def _transitions(new: list[Obj], old: list[Obj], field: str, policy: Any, spared: set[str], causes: Causes) -> None:
    now = {one.get("name"): one for one in new}
    for number, before in enumerate(old):
        ended = (before.get("state") or {}).get("terminated")
        if ended is None or before.get("name") in spared or (ended.get("exitCode") and policy == "OnFailure"):
            continue
        after = now.get(before.get("name"))
        if after is not None and (after.get("state") or {}).get("terminated") is None:
            causes.forbidden(f"{field}[{number}].state", "may not be transitioned to non-terminated state")
