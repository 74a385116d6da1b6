"""Security contexts of pods and containers (pkg/apis/core/validation, ValidateSecurityContext and below)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from seatrial.world.admission.causes import Causes
from seatrial.world.admission.validation import internal, names
from seatrial.world.objects import Obj

_SECCOMP = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = rf"({_SYSCTL_SEGMENT}[\./])*{_SYSCTL_SEGMENT}"
_IPC = ("kernel.sem", "kernel.msg", "kernel.shm", "fs.mqueue.")
_WINDOWS = "cannot be set for a windows pod"
_POD_CHOICES = (
    ("fsGroupChangePolicy", ("Always", "OnRootMismatch")),
    ("supplementalGroupsPolicy", ("Merge", "Strict")),
    ("seLinuxChangePolicy", ("MountOption", "Recursive")),
)


def container(context: Obj, spec: Obj, field: str, causes: Causes) -> None:
    _ids(context, ("runAsUser", "runAsGroup"), field, causes)
    mount = context.get("procMount")
    if mount is not None:
        if mount not in ("Default", "Unmasked"):
            causes.unsupported(f"{field}.procMount", mount, ("Default", "Unmasked"))
        if mount == "Unmasked" and spec.get("hostUsers") is not False:
            causes.invalid(f"{field}.procMount", mount, "`hostUsers` must be false to use `Unmasked`")
    _seccomp(context.get("seccompProfile"), f"{field}.seccompProfile", causes)
    if context.get("allowPrivilegeEscalation") is False:
        _escalation(context, field, causes)
    _apparmor(context.get("appArmorProfile"), f"{field}.appArmorProfile", causes)


def _escalation(context: Obj, field: str, causes: Causes) -> None:
    if context.get("privileged"):
        shown = internal.dump("api.core.v1.SecurityContext", context)
        causes.invalid(field, shown, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
    for name in (context.get("capabilities") or {}).get("add") or ():
        if name == "CAP_SYS_ADMIN":
            why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            shown = internal.dump("api.core.v1.SecurityContext", context)
            causes.invalid(field, shown, why)


def pod(spec: Obj, field: str, causes: Causes) -> None:
    context = spec.get("securityContext") or {}
    at = f"{field}.securityContext"
    if context:
        _ids(context, ("fsGroup", "runAsUser", "runAsGroup"), at, causes)
        for number, group in enumerate(context.get("supplementalGroups") or ()):
            causes.each(f"{at}.supplementalGroups[{number}]", group, names.user_id(group))
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        why = "ShareProcessNamespace and HostPID cannot both be enabled"
        causes.invalid(f"{at}.shareProcessNamespace", True, why)
    if not context:
        return
    _sysctls(context.get("sysctls") or [], spec, f"{at}.sysctls", causes)
    _choice(context, _POD_CHOICES[0], at, causes)
    _seccomp(context.get("seccompProfile"), f"{at}.seccompProfile", causes)
    _apparmor(context.get("appArmorProfile"), f"{at}.appArmorProfile", causes)
    for choice in _POD_CHOICES[1:]:
        _choice(context, choice, at, causes)


def _choice(context: Obj, choice: tuple[str, tuple[str, ...]], at: str, causes: Causes) -> None:
    key, allowed = choice
    if context.get(key) is not None and context[key] not in allowed:
        causes.unsupported(f"{at}.{key}", context[key], allowed)


def host_users(spec: Obj, field: str, causes: Causes) -> None:
    """A pod in its own user namespace shares no other with the host."""
    if spec.get("hostUsers") is not False:
        return
    for key, shown in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
        if spec.get(key):
            causes.forbidden(f"{field}.{shown}", "when `pod.Spec.HostUsers` is false")


def _ids(context: Obj, keys: Iterable[str], field: str, causes: Causes) -> None:
    for key in keys:
        value = context.get(key)
        if value is not None:
            causes.each(f"{field}.{key}", value, names.user_id(value))


def _seccomp(profile: Obj | None, field: str, causes: Causes) -> None:
    if profile is None:
        return
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    if not kind:
        causes.required(f"{field}.type", "type is required when seccompProfile is set")
    elif kind not in _SECCOMP:
        causes.unsupported(f"{field}.type", kind, _SECCOMP)
    if kind == "Localhost":
        if local is None:
            causes.required(f"{field}.localhostProfile", "must be set when seccomp type is Localhost")
        else:
            causes.each(f"{field}.localhostProfile", local, names.relative_path(local))
    elif local is not None:
        shown = internal.dump("api.core.v1.SeccompProfile", profile)
        causes.invalid(f"{field}.localhostProfile", shown, "can only be set when seccomp type is Localhost")


def _apparmor(profile: Obj | None, field: str, causes: Causes) -> None:
    if profile is None:
        return
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    given = str(local or "")
    if not kind:
        causes.required(f"{field}.type", "type is required when appArmorProfile is set")
    elif kind not in _SECCOMP:
        causes.unsupported(f"{field}.type", kind, _SECCOMP)
    elif kind != "Localhost" and local is not None:
        causes.invalid(f"{field}.localhostProfile", local, "can only be set when AppArmor type is Localhost")
    elif kind == "Localhost":
        if not given.strip():
            causes.required(f"{field}.localhostProfile", "must be set when AppArmor type is Localhost")
        elif given != given.strip():
            causes.invalid(f"{field}.localhostProfile", local, "must not be padded with whitespace")


def _sysctls(sysctls: list[Obj], spec: Obj, field: str, causes: Causes) -> None:
    seen: set[str] = set()
    for number, one in enumerate(sysctls):
        at, name = f"{field}[{number}].name", one.get("name", "")
        if not name:
            causes.required(at)
        elif len(name) > 253 or not re.fullmatch(_SYSCTL, name):
            causes.invalid(at, name, f"must have at most 253 characters and match regex ^{_SYSCTL}$")
        elif name in seen:
            causes.duplicate(at, name)
        plain = name.replace("/", ".")
        if spec.get("hostNetwork") and plain.startswith("net."):
            causes.invalid(at, name, "may not be specified when 'hostNetwork' is true")
        elif spec.get("hostIPC") and plain.startswith(_IPC):
            causes.invalid(at, name, "may not be specified when 'hostIPC' is true")
        seen.add(name)


# the operating system


_LINUX_ONLY_POD = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls", "runAsUser",
    "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy",
)  # fmt: skip
_LINUX_ONLY = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
    "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip


def operating_system(spec: Obj, field: str, causes: Causes) -> None:
    """`spec.os`, and what the other fields may be because of it."""
    name = (spec.get("os") or {}).get("name", "")
    if not name:
        causes.required(f"{field}.os.name")
    elif name not in ("linux", "windows"):
        causes.unsupported(f"{field}.os", name, ("linux", "windows"))
    elif name == "linux":
        _refuse(spec, field, ("windowsOptions",), ("windowsOptions",), "windows options cannot be set for a linux pod", causes)
    else:
        for key in ("hostUsers", "shareProcessNamespace"):
            if spec.get(key) is not None:
                causes.forbidden(f"{field}.{key}", _WINDOWS)
        for key in ("hostPID", "hostIPC"):
            if spec.get(key):
                causes.forbidden(f"{field}.{key}", _WINDOWS)
        _refuse(spec, field, _LINUX_ONLY_POD, _LINUX_ONLY, _WINDOWS, causes)


def _refuse(spec: Obj, field: str, of_pod: Iterable[str], of_container: Iterable[str], why: str, causes: Causes) -> None:
    context = spec.get("securityContext") or {}
    for key in of_pod:
        if context.get(key) is not None:
            causes.forbidden(f"{field}.securityContext.{key}", why)
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for number, one in enumerate(spec.get(kind) or ()):
            for key in of_container:
                if (one.get("securityContext") or {}).get(key) is not None:
                    causes.forbidden(f"{field}.{kind}[{number}].securityContext.{key}", why)
