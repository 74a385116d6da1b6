"""The checks of the baseline and restricted levels, each with the version that it came with.

pod-security-admission, policy/check_*.go. A check takes a pod, or anything with `metadata` and `spec` like one, and
answers with a reason and its detail, or None. In Kubernetes the checks run in the order of their ids, baseline first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from seatrial.world.objects import Obj, annotations_of

Violation = tuple[str, str]
Test = Callable[[Obj], Violation | None]

#: The minor version of Kubernetes whose rules `latest` means.
LATEST = 36


def violations(level: str, minor: int, pod: Obj) -> list[Violation]:
    """What keeps a pod from a level (`privileged`, `baseline`, `restricted`) as of Kubernetes 1.`minor`."""
    found = (check.test(pod) for check in _in_force(level, min(minor, LATEST)))
    return [violation for violation in found if violation is not None]


class Check(NamedTuple):
    id: str
    level: str
    since: int
    test: Test
    replaces: str = ""  # the baseline check that it makes needless


def _in_force(level: str, minor: int) -> list[Check]:
    key = (level, minor)
    if key not in _CACHE:
        _CACHE[key] = _select(level, minor)
    return _CACHE[key]


_CACHE: dict[tuple[str, int], list[Check]] = {}


def _select(level: str, minor: int) -> list[Check]:
    if level == "privileged":
        return []
    levels = ("baseline",) if level == "baseline" else ("baseline", "restricted")
    newest: dict[str, Check] = {}
    for check in CHECKS:
        if check.level in levels and check.since <= minor:
            newest[check.id] = check
    replaced = {check.replaces for check in newest.values()}
    chosen = [check for check in newest.values() if check.id not in replaced]
    return sorted(chosen, key=lambda check: (levels.index(check.level), check.id))


# what the checks are made of


def _containers(pod: Obj) -> Iterator[Obj]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod["spec"].get(kind) or ()


def _security(owner: Obj) -> Obj:
    return owner.get("securityContext") or {}


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else word + "s"


def _named(word: str, names: list[str]) -> str:
    return f"{_plural(word, len(names))} {_quoted(names)}"


def _setters(pod: Obj, is_bad: Callable[[Obj], bool]) -> list[str]:
    """Who sets something bad: `pod`, `container "a"`; both may."""
    setters = ["pod"] if is_bad(_security(pod["spec"])) else []
    bad = [c["name"] for c in _containers(pod) if is_bad(_security(c))]
    return [*setters, _named("container", bad)] if bad else setters


def _bad_containers(pod: Obj, is_bad: Callable[[Obj], bool]) -> list[str]:
    return [c["name"] for c in _containers(pod) if is_bad(c)]


def _is_windows(pod: Obj) -> bool:
    return bool((pod["spec"].get("os") or {}).get("name") == "windows")


def _unless(excused: Callable[[Obj], bool], test: Test) -> Test:
    return lambda pod: None if excused(pod) else test(pod)


def _in_user_namespace(pod: Obj) -> bool:
    return pod["spec"].get("hostUsers") is False


# baseline


def host_namespaces(pod: Obj) -> Violation | None:
    shared = [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if pod["spec"].get(key)]
    return ("host namespaces", ", ".join(shared)) if shared else None


def privileged(pod: Obj) -> Violation | None:
    bad = _bad_containers(pod, lambda c: bool(_security(c).get("privileged")))
    return ("privileged", f"{_named('container', bad)} must not set securityContext.privileged=true") if bad else None


_DEFAULT_CAPABILITIES = (
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID",
    "SETPCAP", "SETUID", "SYS_CHROOT",
)  # fmt: skip


def _added(container: Obj, allowed: Iterable[str]) -> set[str]:
    return set((_security(container).get("capabilities") or {}).get("add") or ()) - set(allowed)


def capabilities_baseline(pod: Obj) -> Violation | None:
    bad = _bad_containers(pod, lambda c: bool(_added(c, _DEFAULT_CAPABILITIES)))
    if not bad:
        return None
    names = sorted({name for c in _containers(pod) for name in _added(c, _DEFAULT_CAPABILITIES)})
    detail = f"{_named('container', bad)} must not include {_quoted(names)} in securityContext.capabilities.add"
    return "non-default capabilities", detail


def host_path_volumes(pod: Obj) -> Violation | None:
    bad = [volume["name"] for volume in pod["spec"].get("volumes") or () if volume.get("hostPath") is not None]
    return ("hostPath volumes", _named("volume", bad)) if bad else None


def host_ports(pod: Obj) -> Violation | None:
    def ports(container: Obj) -> list[str]:
        return [str(port["hostPort"]) for port in container.get("ports") or () if port.get("hostPort")]

    bad = _bad_containers(pod, lambda c: bool(ports(c)))
    if not bad:
        return None
    used = sorted({port for c in _containers(pod) for port in ports(c)})
    uses = "uses" if len(bad) == 1 else "use"
    return "hostPort", f"{_named('container', bad)} {uses} {_plural('hostPort', len(used))} {', '.join(used)}"


_HANDLERS = (
    ("livenessProbe",),
    ("readinessProbe",),
    ("startupProbe",),
    ("lifecycle", "postStart"),
    ("lifecycle", "preStop"),
)


def _hosts(container: Obj) -> set[str]:
    hosts = set()
    for path in _HANDLERS:
        handler: Any = container
        for key in path:
            handler = (handler or {}).get(key)
        for action in ("httpGet", "tcpSocket"):
            hosts.add(((handler or {}).get(action) or {}).get("host") or "")
    return hosts - {""}


def probe_hosts(pod: Obj) -> Violation | None:
    bad = sorted(set(_bad_containers(pod, lambda c: bool(_hosts(c)))))
    if not bad:
        return None
    hosts = sorted({host for c in _containers(pod) for host in _hosts(c)})
    uses = "uses" if len(bad) == 1 else "use"
    return (
        "probe or lifecycle host",
        f"{_named('container', bad)} {uses} {_plural('probe or lifecycle host', len(hosts))} {_quoted(hosts)}",
    )


_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


def apparmor(pod: Obj) -> Violation | None:
    def profile(context: Obj) -> str:
        return str((context.get("appArmorProfile") or {}).get("type", "RuntimeDefault"))

    def is_bad(context: Obj) -> bool:
        return profile(context) not in ("RuntimeDefault", "Localhost")

    setters = _setters(pod, is_bad)
    contexts = [_security(pod["spec"]), *(_security(c) for c in _containers(pod))]
    values = sorted({profile(context) for context in contexts if is_bad(context)})
    annotations = sorted(
        f'{key}="{value}"'
        for key, value in annotations_of(pod).items()
        if key.startswith(_APPARMOR) and value not in ("", "runtime/default") and not value.startswith("localhost/")
    )
    if annotations:
        values += annotations
        setters.append(_plural("annotation", len(annotations)))
    if not setters:
        return None
    reason = _plural("forbidden AppArmor profile", len(values))
    return reason, f"{' and '.join(setters)} must not set AppArmor profile type to {_quoted(values)}"


def proc_mount(pod: Obj) -> Violation | None:
    def is_bad(container: Obj) -> bool:
        return _security(container).get("procMount") not in (None, "Default")

    bad = _bad_containers(pod, is_bad)
    if not bad:
        return None
    kinds = sorted({_security(c)["procMount"] for c in _containers(pod) if is_bad(c)})
    return "procMount", f"{_named('container', bad)} must not set securityContext.procMount to {_quoted(kinds)}"


def _selinux(*types: str) -> Test:
    allowed = ("", "container_t", "container_init_t", "container_kvm_t", *types)

    def options(context: Obj) -> Obj:
        return context.get("seLinuxOptions") or {}

    def is_bad(context: Obj) -> bool:
        chosen = options(context)
        return chosen.get("type", "") not in allowed or bool(chosen.get("user")) or bool(chosen.get("role"))

    def test(pod: Obj) -> Violation | None:
        setters = _setters(pod, is_bad)
        if not setters:
            return None
        chosen = [options(_security(owner)) for owner in (pod["spec"], *_containers(pod))]
        bad_types = sorted({one.get("type", "") for one in chosen} - set(allowed))
        data = [_named("type", bad_types)] if bad_types else []
        data += [f"{key} may not be set" for key in ("user", "role") if any(one.get(key) for one in chosen)]
        return "seLinuxOptions", f"{' and '.join(setters)} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}"

    return test


def _seccomp(context: Obj) -> str | None:
    profile = context.get("seccompProfile")
    return None if profile is None else str(profile.get("type", ""))


def _bad_seccomp(pod: Obj) -> Violation | None:
    def is_bad(context: Obj) -> bool:
        return _seccomp(context) not in (None, "RuntimeDefault", "Localhost")

    setters = _setters(pod, is_bad)
    if not setters:
        return None
    contexts = [_security(owner) for owner in (pod["spec"], *_containers(pod))]
    values = sorted({str(_seccomp(context)) for context in contexts if is_bad(context)})
    return "seccompProfile", f"{' and '.join(setters)} must not set securityContext.seccompProfile.type to {_quoted(values)}"


_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"


def seccomp_annotations(pod: Obj) -> Violation | None:
    """How it was said before Kubernetes 1.19."""
    annotations = annotations_of(pod)
    keys = {_SECCOMP_POD, *(_SECCOMP_CONTAINER + c["name"] for c in _containers(pod))}
    bad = sorted(
        f'{key}="{annotations[key]}"'
        for key in keys
        if key in annotations
        and annotations[key] not in ("runtime/default", "docker/default")
        and not annotations[key].startswith("localhost/")
    )
    return ("seccompProfile", f"forbidden {_plural('annotation', len(bad))} {', '.join(bad)}") if bad else None


_SYSCTLS = {
    0: "kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.tcp_syncookies net.ipv4.ping_group_range"
    " net.ipv4.ip_unprivileged_port_start",
    27: "net.ipv4.ip_local_reserved_ports",
    29: "net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes",
    32: "net.ipv4.tcp_rmem net.ipv4.tcp_wmem",
}


def _sysctls(minor: int) -> Test:
    allowed = {name for since, names in _SYSCTLS.items() if since <= minor for name in names.split()}

    def test(pod: Obj) -> Violation | None:
        bad = [one["name"] for one in _security(pod["spec"]).get("sysctls") or () if one.get("name") not in allowed]
        return ("forbidden sysctls", ", ".join(bad)) if bad else None

    return test


def windows_host_process(pod: Obj) -> Violation | None:
    setters = _setters(pod, lambda context: bool((context.get("windowsOptions") or {}).get("hostProcess")))
    if not setters:
        return None
    return "hostProcess", f"{' and '.join(setters)} must not set securityContext.windowsOptions.hostProcess=true"


# restricted


def privilege_escalation(pod: Obj) -> Violation | None:
    bad = _bad_containers(pod, lambda c: _security(c).get("allowPrivilegeEscalation") is not False)
    detail = f"{_named('container', bad)} must set securityContext.allowPrivilegeEscalation=false"
    return ("allowPrivilegeEscalation != false", detail) if bad else None


def capabilities_restricted(pod: Obj) -> Violation | None:
    def keeps_some(container: Obj) -> bool:
        return "ALL" not in ((_security(container).get("capabilities") or {}).get("drop") or ())

    keeping = _bad_containers(pod, keeps_some)
    adding = _bad_containers(pod, lambda c: bool(_added(c, ("NET_BIND_SERVICE",))))
    details = []
    if keeping:
        details.append(f'{_named("container", keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        names = sorted({name for c in _containers(pod) for name in _added(c, ("NET_BIND_SERVICE",))})
        details.append(f"{_named('container', adding)} must not include {_quoted(names)} in securityContext.capabilities.add")
    return ("unrestricted capabilities", "; ".join(details)) if details else None


_ALLOWED_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip


def restricted_volumes(pod: Obj) -> Violation | None:
    bad: list[str] = []
    kinds: set[str] = set()
    for volume in pod["spec"].get("volumes") or ():
        sources = {key for key, value in volume.items() if key != "name" and value is not None}
        if sources and not sources & _ALLOWED_VOLUMES:  # one without a source becomes an emptyDir
            bad.append(volume["name"])
            kinds.add(min(sources))
    if not bad:
        return None
    uses = "uses" if len(bad) == 1 else "use"
    detail = f"{_named('volume', bad)} {uses} {_plural('restricted volume type', len(kinds))} {_quoted(sorted(kinds))}"
    return "restricted volume types", detail


def run_as_non_root(pod: Obj) -> Violation | None:
    reason = "runAsNonRoot != true"
    setters = _setters(pod, lambda context: context.get("runAsNonRoot") is False)
    if setters:
        return reason, f"{' and '.join(setters)} must not set securityContext.runAsNonRoot=false"
    if _security(pod["spec"]).get("runAsNonRoot"):
        return None
    bad = _bad_containers(pod, lambda c: _security(c).get("runAsNonRoot") is None)
    return (reason, f"pod or {_named('container', bad)} must set securityContext.runAsNonRoot=true") if bad else None


def run_as_user(pod: Obj) -> Violation | None:
    setters = _setters(pod, lambda context: context.get("runAsUser") == 0)
    return ("runAsUser=0", f"{' and '.join(setters)} must not set runAsUser=0") if setters else None


def seccomp_restricted(pod: Obj) -> Violation | None:
    found = _bad_seccomp(pod)
    if found is not None or _seccomp(_security(pod["spec"])) is not None:
        return found
    bad = _bad_containers(pod, lambda c: _seccomp(_security(c)) is None)
    if not bad:
        return None
    detail = f'pod or {_named("container", bad)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return "seccompProfile", detail


#: Of several rows with one id the last that is old enough counts.
CHECKS = (
    Check("appArmorProfile", "baseline", 0, apparmor),
    Check("capabilities_baseline", "baseline", 0, capabilities_baseline),
    Check("hostNamespaces", "baseline", 0, host_namespaces),
    Check("hostPathVolumes", "baseline", 0, host_path_volumes),
    Check("hostPorts", "baseline", 0, host_ports),
    Check("hostProbesAndHostLifecycle", "baseline", 34, probe_hosts),
    Check("privileged", "baseline", 0, privileged),
    Check("procMount", "baseline", 0, proc_mount),
    Check("procMount", "baseline", 35, _unless(_in_user_namespace, proc_mount)),
    Check("seLinuxOptions", "baseline", 0, _selinux()),
    Check("seLinuxOptions", "baseline", 31, _selinux("container_engine_t")),
    Check("seccompProfile_baseline", "baseline", 0, seccomp_annotations),
    Check("seccompProfile_baseline", "baseline", 19, _bad_seccomp),
    *(Check("sysctls", "baseline", minor, _sysctls(minor)) for minor in _SYSCTLS),
    Check("windowsHostProcess", "baseline", 0, windows_host_process),
    Check("allowPrivilegeEscalation", "restricted", 8, privilege_escalation),
    Check("allowPrivilegeEscalation", "restricted", 25, _unless(_is_windows, privilege_escalation)),
    Check("capabilities_restricted", "restricted", 22, capabilities_restricted, "capabilities_baseline"),
    Check("capabilities_restricted", "restricted", 25, _unless(_is_windows, capabilities_restricted), "capabilities_baseline"),
    Check("procMount_restricted", "restricted", 35, proc_mount, "procMount"),
    Check("restrictedVolumes", "restricted", 0, restricted_volumes, "hostPathVolumes"),
    Check("runAsNonRoot", "restricted", 0, run_as_non_root),
    Check("runAsNonRoot", "restricted", 35, _unless(_in_user_namespace, run_as_non_root)),
    Check("runAsUser", "restricted", 23, run_as_user),
    Check("runAsUser", "restricted", 35, _unless(_in_user_namespace, run_as_user)),
    Check("seccompProfile_restricted", "restricted", 19, seccomp_restricted, "seccompProfile_baseline"),
    Check("seccompProfile_restricted", "restricted", 25, _unless(_is_windows, seccomp_restricted), "seccompProfile_baseline"),
)
