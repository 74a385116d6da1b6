"""Containers: names, images, ports, environment, probes, handlers (pkg/apis/core/validation, validateContainers)."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from seatrial.world.admission.causes import NEGATIVE, Causes
from seatrial.world.admission.validation import names, resources, security, volumes
from seatrial.world.admission.validation.downward import field_ref, resource_ref
from seatrial.world.admission.validation.volumes import Volumes
from seatrial.world.objects import Obj

_PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_SCHEMES = ("HTTP", "HTTPS")
_ENVIRONMENT_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_RESTARTS = ("Always", "Never", "OnFailure")
_RESIZE = ("NotRequired", "RestartContainer")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
#: What a debugging container may not have.
_NOT_EPHEMERAL = ("ports", "resources", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resizePolicy",
                  "restartPolicy")  # fmt: skip
_WHITESPACE = "must not have leading or trailing whitespace"


@dataclass(slots=True)
class Pod:
    """What the containers of a pod are checked against; `whole` for a pod itself, not a template of one."""

    spec: Obj
    volumes: Volumes
    whole: bool = False
    claims: list[str] = dataclass_field(default_factory=list)

    @property
    def grace(self) -> int | None:
        return self.spec.get("terminationGracePeriodSeconds")


def containers(pod: Pod, field: str, causes: Causes) -> None:
    listed = pod.spec.get("containers") or []
    if not listed:
        causes.required(field)
        return
    seen: set[str] = set()
    for number, one in enumerate(listed):
        at = f"{field}[{number}]"
        common(one, pod, at, causes)
        name = one.get("name", "")
        if name in seen:
            causes.duplicate(f"{at}.name", name)
        seen.add(name)
        _running(one, pod, at, causes)
        policy = one.get("restartPolicy")
        if policy is not None or one.get("restartPolicyRules"):
            _restart(one, at, causes)
    host_ports(listed, field, causes)


def _restart(one: Obj, at: str, causes: Causes) -> None:
    """Restart rules of a single container (KEP-5307)."""
    policy, rules = one.get("restartPolicy"), one.get("restartPolicyRules") or []
    if policy is not None and policy not in _RESTARTS:
        causes.unsupported(f"{at}.restartPolicy", policy, _RESTARTS)
    if rules and policy is None:
        causes.required(f"{at}.restartPolicy", "must specify restartPolicy when restart rules are used")


def init_containers(pod: Pod, field: str, causes: Causes) -> None:
    seen = {one.get("name") for one in pod.spec.get("containers") or ()}
    for number, one in enumerate(pod.spec.get("initContainers") or ()):
        at = f"{field}[{number}]"
        common(one, pod, at, causes)
        policy = one.get("restartPolicy")
        if policy is not None and policy not in _RESTARTS:
            causes.unsupported(f"{at}.restartPolicy", policy, _RESTARTS)
        name = one.get("name", "")
        if name in seen:
            causes.duplicate(f"{at}.name", name)
        elif name:
            seen.add(name)
        host_ports([one], field, causes)
        if policy == "Always":
            _running(one, pod, at, causes)
            continue
        for key in ("lifecycle", *_PROBES):
            if one.get(key) is not None:
                causes.forbidden(f"{at}.{key}", "may not be set for init containers without restartPolicy=Always")


def ephemeral_containers(pod: Pod, field: str, causes: Causes) -> None:
    others = {one.get("name") for kind in ("containers", "initContainers") for one in pod.spec.get(kind) or ()}
    seen = set(others)
    for number, one in enumerate(pod.spec.get("ephemeralContainers") or ()):
        at = f"{field}[{number}]"
        common(one, pod, at, causes)
        name = one.get("name", "")
        if name in seen:
            causes.duplicate(f"{at}.name", name)
        seen.add(name)
        target = one.get("targetContainerName")
        if target and target not in others:
            causes.not_found(f"{at}.targetContainerName", target)
        for key in _NOT_EPHEMERAL:
            if one.get(key):
                causes.forbidden(f"{at}.{key}", "cannot be set for an Ephemeral Container")
        for mount_number, mount in enumerate(one.get("volumeMounts") or ()):
            for key in ("subPath", "subPathExpr"):
                if mount.get(key):
                    where = f"{at}.volumeMounts[{mount_number}].{key}"
                    causes.forbidden(where, "cannot be set for an Ephemeral Container")


def images(listed: list[Obj], field: str, causes: Causes) -> None:
    """What is asked of images in a pod, but not in a template (validateContainerOnlyForPod)."""
    for number, one in enumerate(listed):
        image = one.get("image") or ""
        if image != image.strip():
            causes.invalid(f"{field}[{number}].image", image, _WHITESPACE)


def common(one: Obj, pod: Pod, at: str, causes: Causes) -> None:
    """What holds for every kind of container (validateContainerCommon)."""
    name = one.get("name", "")
    if not name:
        causes.required(f"{at}.name")
    else:
        causes.each(f"{at}.name", name, names.dns_label(name))
    if not one.get("image"):
        causes.required(f"{at}.image")
    causes.one_of(f"{at}.terminationMessagePolicy", one.get("terminationMessagePolicy"), _MESSAGE_POLICIES)
    if one.get("ports"):
        _ports(one["ports"], f"{at}.ports", causes)
    if one.get("env"):
        _environment(one["env"], f"{at}.env", causes)
    if one.get("envFrom"):
        _environment_from(one["envFrom"], f"{at}.envFrom", causes)
    if one.get("volumeMounts"):
        volumes.mounts(one, pod.volumes, f"{at}.volumeMounts", causes)
    if one.get("volumeDevices"):
        volumes.devices(one, pod.volumes, f"{at}.volumeDevices", causes)
    causes.one_of(f"{at}.imagePullPolicy", one.get("imagePullPolicy"), _PULL_POLICIES)
    if one.get("resources"):
        resources.requirements(one["resources"], f"{at}.resources", causes, pod.claims)
    if one.get("resizePolicy"):
        _resize(one["resizePolicy"], f"{at}.resizePolicy", pod.spec.get("restartPolicy"), causes)
    if one.get("securityContext"):
        security.container(one["securityContext"], pod.spec, f"{at}.securityContext", causes)


# ports


def _ports(ports: list[Obj], field: str, causes: Causes) -> None:
    seen: set[str] = set()
    for number, port in enumerate(ports):
        at, name = f"{field}[{number}]", port.get("name")
        if name:
            reasons = names.port_name(name)
            causes.each(f"{at}.name", name, reasons)
            if not reasons and name in seen:
                causes.duplicate(f"{at}.name", name)
            seen.add(name)
        inside = port.get("containerPort") or 0
        if not inside:
            causes.required(f"{at}.containerPort")
        else:
            causes.each(f"{at}.containerPort", inside, names.port(inside))
        if port.get("hostPort"):
            causes.each(f"{at}.hostPort", port["hostPort"], names.port(port["hostPort"]))
        causes.one_of(f"{at}.protocol", port.get("protocol"), _PROTOCOLS)


def host_ports(listed: list[Obj], field: str, causes: Causes) -> None:
    """No port of the host twice."""
    seen: set[str] = set()
    for number, one in enumerate(listed):
        for port_number, port in enumerate(one.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            taken = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{port['hostPort']}"
            if taken in seen:
                causes.duplicate(f"{field}[{number}].ports[{port_number}].hostPort", taken)
            seen.add(taken)


# environment


def _environment(variables: list[Obj], field: str, causes: Causes) -> None:
    for number, variable in enumerate(variables):
        at, name = f"{field}[{number}]", variable.get("name", "")
        if not name:
            causes.required(f"{at}.name")
        else:
            causes.each(f"{at}.name", name, names.environment_name(name))
        if variable.get("valueFrom") is not None:
            _value_from(variable, f"{at}.valueFrom", causes)


def _value_from(variable: Obj, field: str, causes: Causes) -> None:
    source: Obj = variable["valueFrom"]
    found = 0
    if source.get("fieldRef") is not None:
        found += 1
        field_ref(source["fieldRef"], _ENVIRONMENT_FIELDS, f"{field}.fieldRef", causes)
    if source.get("resourceFieldRef") is not None:
        found += 1
        resource_ref(source["resourceFieldRef"], f"{field}.resourceFieldRef", causes)
    for key in ("configMapKeyRef", "secretKeyRef"):
        if source.get(key) is not None:
            found += 1
            _key_selector(source[key], f"{field}.{key}", causes)
    if source.get("fileKeyRef") is not None:
        found += 1
    if not found:
        why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        causes.invalid(field, "", why)
    elif variable.get("value"):
        causes.invalid(field, "", "may not be specified when `value` is not empty")
    elif found > 1:
        causes.invalid(field, "", "may not have more than one field specified at a time")


def _key_selector(selector: Obj, field: str, causes: Causes) -> None:
    name, key = selector.get("name") or "", selector.get("key") or ""
    causes.each(f"{field}.name", name, names.dns_subdomain(name))
    if not key:
        causes.required(f"{field}.key")
    else:
        causes.each(f"{field}.key", key, names.config_key(key))


def _environment_from(sources: list[Obj], field: str, causes: Causes) -> None:
    for number, source in enumerate(sources):
        at = f"{field}[{number}]"
        if source.get("prefix"):
            causes.each(f"{at}.prefix", source["prefix"], names.environment_name(source["prefix"]))
        found = 0
        for key in ("configMapRef", "secretRef"):
            if source.get(key) is None:
                continue
            found += 1
            name = source[key].get("name") or ""
            if not name:
                causes.required(f"{at}.{key}.name")
            else:
                causes.each(f"{at}.{key}.name", name, names.as_prefix(names.dns_subdomain, name))
        if not found:
            causes.invalid(field, "", "must specify one of: `configMapRef` or `secretRef`")
        elif found > 1:
            causes.invalid(field, "", "may not have more than one field specified at a time")


def _resize(policies: list[Obj], field: str, restart: Any, causes: Causes) -> None:
    seen: set[str] = set()
    for number, policy in enumerate(policies):
        name, action = policy.get("resourceName", ""), policy.get("restartPolicy", "")
        if name in seen:
            causes.duplicate(f"{field}[{number}]", name)
        seen.add(name)
        causes.one_of(field, name, ("cpu", "memory"))
        causes.one_of(field, action, _RESIZE)
        if restart == "Never" and action != "NotRequired":
            causes.invalid(field, action, "must be 'NotRequired' when `restartPolicy` is 'Never'")


# probes and handlers


def _running(one: Obj, pod: Pod, at: str, causes: Causes) -> None:
    """Handlers and probes of what keeps running."""
    lifecycle = one.get("lifecycle")
    if lifecycle is not None:
        for key in ("postStart", "preStop"):
            if lifecycle.get(key) is not None:
                _handler(lifecycle[key], f"{at}.lifecycle.{key}", pod.grace, causes)
        _stop_signal(lifecycle, pod, f"{at}.lifecycle.stopSignal", causes)
    for key in _PROBES:
        probe = one.get(key)
        if probe is None:
            continue
        _probe(probe, f"{at}.{key}", pod.grace, causes)
        if key == "readinessProbe":
            grace = probe.get("terminationGracePeriodSeconds")
            if grace is not None:
                where = f"{at}.{key}.terminationGracePeriodSeconds"
                causes.invalid(where, grace, "must not be set for readinessProbes")
        elif probe.get("successThreshold") != 1:
            causes.invalid(f"{at}.{key}.successThreshold", probe.get("successThreshold") or 0, "must be 1")


def _stop_signal(lifecycle: Obj, pod: Pod, field: str, causes: Causes) -> None:
    if lifecycle.get("stopSignal") is not None and not (pod.spec.get("os") or {}).get("name"):
        causes.forbidden(field, "may not be set for containers with empty `spec.os.name`")


def _probe(probe: Obj, field: str, grace: int | None, causes: Causes) -> None:
    _handler(probe, field, grace, causes)
    for key in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        value = probe.get(key)
        if value is not None and value < 0:
            causes.invalid(f"{field}.{key}", value, NEGATIVE)
    own = probe.get("terminationGracePeriodSeconds")
    if own is not None and own <= 0:
        causes.invalid(f"{field}.terminationGracePeriodSeconds", own, "must be greater than 0")


def _handler(handler: Obj, field: str, grace: int | None, causes: Causes) -> None:
    found = 0
    for key in ("exec", "httpGet", "tcpSocket", "grpc", "sleep"):
        action = handler.get(key)
        if action is None:
            continue
        found += 1
        if found > 1:
            causes.forbidden(f"{field}.{key}", "may not specify more than 1 handler type")
        else:
            _action(key, action, f"{field}.{key}", grace, causes)
    if not found:
        causes.required(field, "must specify a handler type")


def _action(key: str, action: Obj, field: str, grace: int | None, causes: Causes) -> None:
    if key == "exec":
        if not action.get("command"):
            causes.required(f"{field}.command")
    elif key == "httpGet":
        _http_get(action, field, causes)
    elif key == "sleep":
        seconds = action.get("seconds") or 0
        if grace is not None and not 0 <= seconds <= grace:
            why = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
            causes.invalid(field, seconds, why)
    else:
        port = action.get("port") or 0
        causes.each(f"{field}.port", port, names.port_or_name(port))


def _http_get(action: Obj, field: str, causes: Causes) -> None:
    if not action.get("path"):
        causes.required(f"{field}.path")
    port = action.get("port", 0)
    causes.each(f"{field}.port", port, names.port_or_name(port))
    scheme = action.get("scheme", "")
    if scheme not in _SCHEMES:
        causes.unsupported(f"{field}.scheme", scheme, _SCHEMES)
    for header in action.get("httpHeaders") or ():
        causes.each(f"{field}.httpHeaders", header.get("name", ""), names.http_header(header.get("name", "")))
