# ruff: noqa: E501 - a line of the table is one saying
"""What a container may do to its node and its neighbours: users, privileges, capabilities, host namespaces, kernel settings.

It covers the restricted Pod Security profile and what linters ask besides; volumes and secrets have modules of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, Severity, check
from seatrial.rules.written.examples import container
from seatrial.rules.written.pods import Container, Pods, check_containers, check_pods
from seatrial.rules.written.reading import items, mapping, number, strings, text, value
from seatrial.rules.written.telling import Path, put, take, tell
from seatrial.world.objects import Obj
from seatrial.world.world import World

_ROOT = "A process that breaks out of the application is root in its container, and one kernel or runtime fault away from root on the node."
_NODE = "Whoever takes over the container takes over the node, and with it every pod and secret there."
_SAFE = "securityContext: {runAsNonRoot: true, runAsUser: 10001, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}"

RULES = (
    Rule("run-as-root", "warning", "nothing keeps it from running as root", _ROOT,
         "Set runAsNonRoot: true, and a runAsUser where the image names no numeric user.",
         container("securityContext: {}"), container(_SAFE)),
    Rule("run-as-uid-0", "warning", "runs as root, by its own runAsUser", _ROOT,
         "Choose a runAsUser above 0, and give the volumes it writes to an fsGroup.",
         container("securityContext: {runAsUser: 0}"), container(_SAFE)),
    Rule("run-as-contradiction", "error", "must not run as root, and is told to", "The kubelet refuses to start the container (CreateContainerConfigError): no pod of it ever runs.",
         "Choose a runAsUser above 0.",
         container("securityContext: {runAsNonRoot: true, runAsUser: 0}"), container(_SAFE)),
    Rule("privilege-escalation", "warning", "may gain privileges its parent does not have", "A setuid program in the image makes root of whoever runs it.",
         "Set allowPrivilegeEscalation: false.",
         container("securityContext: {runAsNonRoot: true}"), container(_SAFE)),
    Rule("privilege-contradiction", "error", "is privileged, and must not gain privileges", "The API server refuses the pods: the two exclude one another.",
         "Drop privileged (or CAP_SYS_ADMIN), or leave allowPrivilegeEscalation out.",
         container("securityContext: {privileged: true, allowPrivilegeEscalation: false}"), container(_SAFE)),
    Rule("privileged", "warning", "is privileged", _NODE,
         "Drop privileged: true; add the single capability that is needed instead.",
         container("securityContext: {privileged: true}"), container(_SAFE)),
    Rule("capabilities-kept", "note", "keeps the runtime's default capabilities", "Raw sockets, chown and others remain, which hardly any service needs; the restricted Pod Security profile refuses it.",
         "Drop ALL, and add back what is needed.",
         container("securityContext: {runAsNonRoot: true}"), container(_SAFE)),
    Rule("capabilities-added", "warning", "adds capabilities that reach beyond the container", "Capabilities such as SYS_ADMIN or NET_ADMIN are root under another name; the baseline Pod Security profile refuses them.",
         "Take them out; NET_BIND_SERVICE is the one that the restricted profile allows.",
         container("securityContext: {capabilities: {drop: [ALL], add: [SYS_ADMIN]}}"),
         container("securityContext: {capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}")),
    Rule("seccomp-missing", "note", "has no seccomp profile", "Every system call of the kernel is open to it; the restricted Pod Security profile refuses it.",
         "Set seccompProfile: {type: RuntimeDefault} on the pod.",
         container("securityContext: {runAsNonRoot: true}"), container(_SAFE)),
    Rule("seccomp-unconfined", "warning", "switches seccomp off", "Every system call of the kernel is open to it, on purpose; the baseline Pod Security profile refuses it.",
         "Set seccompProfile: {type: RuntimeDefault}.",
         container("securityContext: {seccompProfile: {type: Unconfined}}"), container(_SAFE)),
    Rule("apparmor-unconfined", "warning", "switches AppArmor off", "The runtime's profile, which keeps containers from the node's files, is gone; the baseline Pod Security profile refuses it.",
         "Set appArmorProfile: {type: RuntimeDefault}, or leave it out.",
         container("securityContext: {appArmorProfile: {type: Unconfined}}"), container("securityContext: {appArmorProfile: {type: RuntimeDefault}}")),
    Rule("selinux-options", "warning", "chooses an SELinux user, role or type of its own", "A type such as spc_t ends the separation of containers; the baseline Pod Security profile refuses it.",
         "Leave seLinuxOptions out, or use container_t, container_init_t, container_kvm_t or container_engine_t.",
         container("securityContext: {seLinuxOptions: {type: spc_t}}"), container("securityContext: {seLinuxOptions: {type: container_t}}")),
    Rule("proc-unmasked", "warning", "sees /proc unmasked", "Kernel settings and the memory of the node become readable; the baseline Pod Security profile refuses it.",
         "Leave procMount out.",
         container("securityContext: {procMount: Unmasked}"), container("securityContext: {procMount: Default}")),
    Rule("read-only-root-missing", "note", "may write to its root file system", "An intruder can leave tools there, and a process that fills it has its node evict pods.",
         "Set readOnlyRootFilesystem: true, and mount an emptyDir where the process writes (/tmp at least).",
         container("securityContext: {runAsNonRoot: true}"),
         container("securityContext: {readOnlyRootFilesystem: true}\nvolumeMounts: [{name: tmp, mountPath: /tmp}]", pod="volumes: [{name: tmp, emptyDir: {}}]")),
    Rule("port-privileged", "warning", "listens below 1024 without root or the right to", "Where the runtime does not allow it (ip_unprivileged_port_start), bind fails with `permission denied` and the container crashes.",
         "Listen on a port above 1023 and let the Service keep 80, or add NET_BIND_SERVICE.",
         container("ports: [{containerPort: 80}]\nsecurityContext: {runAsUser: 101}"), container("ports: [{containerPort: 8080}]\nsecurityContext: {runAsUser: 101}")),
    Rule("host-network", "warning", "shares the node's network", "No NetworkPolicy applies, its ports collide with the node's, and it hears what is meant for the loopback of others.",
         "Leave hostNetwork out.",
         container("ports: []", pod="hostNetwork: true"), container("ports: []")),
    Rule("host-pid", "warning", "shares the node's process IDs", "It sees and signals every process of the node, and reads their environment.",
         "Leave hostPID out.", container("ports: []", pod="hostPID: true"), container("ports: []")),
    Rule("host-ipc", "warning", "shares the node's IPC", "It reads the shared memory of the node's processes.",
         "Leave hostIPC out.", container("ports: []", pod="hostIPC: true"), container("ports: []")),
    Rule("host-port", "warning", "takes a port of the node", "A second pod does not fit on the same node: rollouts wait for a free node, and network policies are bypassed.",
         "Leave hostPort out, and use a Service.",
         container("ports: [{containerPort: 8080, hostPort: 8080}]"), container("ports: [{containerPort: 8080}]")),
    Rule("sysctl-unsafe", "warning", "sets kernel parameters that are not safe", "A kubelet that does not allow them by name refuses the pod (SysctlForbidden).",
         "Leave them out, or have the kubelets of these nodes allow them.",
         container("ports: []", pod="securityContext: {sysctls: [{name: kernel.msgmax, value: '65536'}]}"),
         container("ports: []", pod="securityContext: {sysctls: [{name: net.ipv4.tcp_syncookies, value: '1'}]}")),
    Rule("supplemental-root-group", "note", "belongs to the root group", "Files of group root on its volumes and in its image are open to it.",
         "Choose an fsGroup, runAsGroup and supplementalGroups other than 0.",
         container("ports: []", pod="securityContext: {fsGroup: 0}"), container("ports: []", pod="securityContext: {fsGroup: 10001}")),
    Rule("port-ssh", "warning", "offers a login by SSH", "A way in beside kubectl, its rights and its log: keys and passwords of their own, open to every pod.",
         "Take sshd out of the image, and use kubectl exec or debug.",
         container("ports: [{containerPort: 22}]"), container("ports: [{containerPort: 8080}]")),
    Rule("host-process", "warning", "runs as a process of its Windows node", _NODE,
         "Leave windowsOptions.hostProcess out.",
         container("securityContext: {windowsOptions: {hostProcess: true}}"), container("securityContext: {windowsOptions: {runAsUserName: ContainerUser}}")),
)  # fmt: skip

#: What may be added under the restricted profile, and under the baseline one (pod-security-admission, check_capabilities*.go).
RESTRICTED = frozenset({"NET_BIND_SERVICE"})
BASELINE = RESTRICTED | frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
#: The sysctls of the baseline profile (check_sysctls.go).
SYSCTLS = frozenset(
    [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
        "net.ipv4.tcp_slow_start_after_idle",
        "net.ipv4.tcp_notsent_lowat",
    ]
)
#: How AppArmor was chosen before Kubernetes 1.30: an annotation of the pod for each container, which still counts.
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
SELINUX = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
#: Field of the pod spec -> rule.
HOST = (("hostNetwork", "host-network"), ("hostPID", "host-pid"), ("hostIPC", "host-ipc"))


def capability(name: object) -> str:
    return str(name).upper().removeprefix("CAP_")


def added(container: Container) -> list[str]:
    return [capability(name) for name in strings(container.spec, "securityContext", "capabilities", "add")]


def dropped(container: Container) -> set[str]:
    return {capability(name) for name in strings(container.spec, "securityContext", "capabilities", "drop")}


def is_root(container: Container) -> bool | None:
    """Whether a container runs as root: None where only its image knows."""
    user = container.security("runAsUser")
    if isinstance(user, int) and not isinstance(user, bool):
        return user == 0
    return False if container.security("runAsNonRoot") is True else None


def _mapped(pods: Pods) -> Severity | None:
    """Severity of what is less than it seems in a user namespace, whose root is nobody on the node."""
    return "note" if pods.spec.get("hostUsers") is False else None


def _windows(pods: Pods) -> bool:
    return text(pods.spec, "os", "name") == "windows" or mapping(pods.spec, "nodeSelector").get("kubernetes.io/os") == "windows"


@check_containers(rules=RULES[:5], ephemeral=True)
def users(world: World, container: Container) -> Iterator[Finding]:
    """Who a container runs as, and who it may become."""
    if _windows(container.pods):
        return
    obj, at, who = container.pods.obj, (*container.path, "securityContext"), container.who
    root, must_not = is_root(container), container.security("runAsNonRoot")
    user, severity = container.security("runAsUser"), _mapped(container.pods)
    if root and must_not is True:
        yield tell(world, "run-as-contradiction", obj, at, "runAsNonRoot: true, runAsUser: 0", who=who)
    elif root and value(container.spec, "securityContext", "runAsUser") is not None:  # the pod's own is told of the pod
        yield tell(world, "run-as-uid-0", obj, (*at, "runAsUser"), "runAsUser: 0", who=who, severity=severity)
    elif root is None:
        words = f"runAsNonRoot: {str(must_not).lower() if must_not is not None else 'not set'}, runAsUser: {user or 'not set'}"
        # no patch: whether the image has another user, nobody here knows
        yield tell(world, "run-as-root", obj, at, words, who=who, severity=severity)
    escalates = container.security("allowPrivilegeEscalation")
    privileged = value(container.spec, "securityContext", "privileged") is True
    # the API server knows the capability by its long name only (pkg/apis/core/validation/validation.go)
    refused = "CAP_SYS_ADMIN" in strings(container.spec, "securityContext", "capabilities", "add")
    if escalates is False and (privileged or refused):
        beside = "privileged: true" if privileged else "CAP_SYS_ADMIN"
        yield tell(world, "privilege-contradiction", obj, at, f"allowPrivilegeEscalation: false beside {beside}", who=who)
    elif escalates is not False and not privileged and "SYS_ADMIN" not in added(container):
        words = f"allowPrivilegeEscalation: {'not set' if escalates is None else 'true'}"
        field = (*at, "allowPrivilegeEscalation")
        yield tell(world, "privilege-escalation", obj, field, words, who=who, ops=[put(obj, field, False)])


@check_containers(rules=RULES[5:9] + RULES[12:14], ephemeral=True)
def confinement(world: World, container: Container) -> Iterator[Finding]:
    """What the kernel and the runtime keep a container from."""
    if _windows(container.pods):
        return
    obj, at, who = container.pods.obj, (*container.path, "securityContext"), container.who
    own = mapping(container.spec, "securityContext")
    privileged = own.get("privileged") is True
    if privileged:
        yield tell(world, "privileged", obj, (*at, "privileged"), "privileged: true", who=who)
    more = [name for name in added(container) if name not in RESTRICTED]
    if more:
        words, there = f"add: {', '.join(more)}", (*at, "capabilities", "add")
        if set(more) <= BASELINE:  # as hosts of containers give anyway
            title = "adds capabilities that the restricted Pod Security profile refuses"
            yield tell(world, "capabilities-added", obj, there, words, who=who, title=title, severity="note")
        else:
            yield tell(world, "capabilities-added", obj, there, words, who=who)
    if not dropped(container) & {"ALL"} and not privileged:
        drop = tuple(strings(own, "capabilities", "drop"))
        words = f"drop: {', '.join(drop) or 'nothing'}"
        ops = [put(obj, (*at, "capabilities", "drop"), ["ALL"])]
        yield tell(
            world, "capabilities-kept", obj, (*at, "capabilities"), words, who=who, ops=ops if is_root(container) is False else ()
        )
    seccomp = container.security("seccompProfile")
    if value(seccomp, "type") is None and not privileged:
        ops = [put(obj, (*at, "seccompProfile"), {"type": "RuntimeDefault"})]
        yield tell(world, "seccomp-missing", obj, (*at, "seccompProfile"), "seccompProfile: not set", who=who, ops=ops)
    there = (*at, "procMount")
    if own.get("procMount") not in (None, "Default"):
        ops, words = [take(there)], f"procMount: {own['procMount']}"
        yield tell(world, "proc-unmasked", obj, there, words, who=who, severity=_mapped(container.pods), ops=ops)
    if own.get("readOnlyRootFilesystem") is not True:
        yield tell(
            world, "read-only-root-missing", obj, (*at, "readOnlyRootFilesystem"), "readOnlyRootFilesystem: not true", who=who
        )


@check_pods(rules=RULES[9:12] + RULES[-1:])
def contexts(world: World, pods: Pods) -> Iterator[Finding]:
    """The security context of a pod and those of its containers, each for what it says itself: admission asks all of them."""
    yield from _profiles(world, pods, mapping(pods.spec, "securityContext"), (*pods.spec_path, "securityContext"), "")
    for each in (*pods.containers, *pods.ephemeral):
        yield from _profiles(world, pods, mapping(each.spec, "securityContext"), (*each.path, "securityContext"), each.who)
    for key, given in mapping(pods.template, "metadata", "annotations").items():
        if isinstance(key, str) and key.startswith(_APPARMOR) and given == "unconfined":
            at = (*pods.path, "metadata", "annotations", key)
            yield tell(world, "apparmor-unconfined", pods.obj, at, f"{key}: unconfined", who=f"container {key[len(_APPARMOR) :]}")


def _profiles(world: World, pods: Pods, context: Obj, at: Path, who: str) -> Iterator[Finding]:
    obj = pods.obj
    if value(context, "seccompProfile", "type") == "Unconfined":
        yield tell(world, "seccomp-unconfined", obj, (*at, "seccompProfile"), "seccompProfile: Unconfined", who=who)
    if value(context, "appArmorProfile", "type") == "Unconfined":
        yield tell(world, "apparmor-unconfined", obj, (*at, "appArmorProfile"), "appArmorProfile: Unconfined", who=who)
    linux = mapping(context, "seLinuxOptions")
    if linux.get("user") or linux.get("role") or str(linux.get("type", "")) not in SELINUX:
        words = ", ".join(f"{key}: {linux[key]}" for key in sorted(linux))
        yield tell(world, "selinux-options", obj, (*at, "seLinuxOptions"), words, who=who)
    if value(context, "windowsOptions", "hostProcess") is True:
        there = (*at, "windowsOptions", "hostProcess")
        yield tell(world, "host-process", obj, there, "hostProcess: true", who=who)


@check_containers(rules=RULES[14:15])
def low_ports(world: World, container: Container) -> Iterator[Finding]:
    """Ports below 1024 of a process that is not root, in a pod that neither has nor allows what binding them takes."""
    if is_root(container) is not False or container.role == "init" or "NET_BIND_SERVICE" in added(container):
        return
    sysctls = {text(each, "name") for each in items(container.pods.spec, "securityContext", "sysctls")}
    if "net.ipv4.ip_unprivileged_port_start" in sysctls or container.pods.spec.get("hostNetwork") is True:
        return
    for place, port in enumerate(items(container.spec, "ports")):
        wanted = number(port, "containerPort")
        if 0 < wanted < 1024:
            at = (*container.path, "ports", place, "containerPort")
            user = container.security("runAsUser")
            words = f"containerPort: {int(wanted)}, {f'runAsUser: {user}' if user is not None else 'runAsNonRoot: true'}"
            yield tell(world, "port-privileged", container.pods.obj, at, words, who=container.who)


@check_containers(rules=RULES[-2:-1])
def doors(world: World, container: Container) -> Iterator[Finding]:
    """Ways into a container that hardly anybody means."""
    obj, who = container.pods.obj, container.who
    for place, port in enumerate(items(container.spec, "ports")):
        if port.get("containerPort") == 22:
            yield tell(world, "port-ssh", obj, (*container.path, "ports", place), "containerPort: 22", who=who)


@check("Service", rules=())
def doors_of_services(world: World, obj: Obj) -> Iterator[Finding]:
    """The same for Services, where the container does not say what it listens on."""
    for place, port in enumerate(items(obj, "spec", "ports")):
        if str(obj.get("apiVersion")) == "v1" and 22 in (port.get("port"), port.get("targetPort")):
            words = f"port: {port.get('port')}, targetPort: {port.get('targetPort') or 'not set'}"
            yield tell(world, "port-ssh", obj, ("spec", "ports", place), words)


@check_pods(rules=RULES[15:-2])
def host(world: World, pods: Pods) -> Iterator[Finding]:
    """What the pod shares with its node."""
    obj, at = pods.obj, pods.spec_path
    for field, rule in HOST:
        if pods.spec.get(field) is True:
            # no patch: what the process needs of its node, nobody here knows
            yield tell(world, rule, obj, (*at, field), f"{field}: true")
    if pods.spec.get("hostNetwork") is not True:
        for container in pods.containers:
            for place, port in enumerate(items(container.spec, "ports")):
                if port.get("hostPort"):
                    there = (*container.path, "ports", place, "hostPort")
                    yield tell(world, "host-port", obj, there, f"hostPort: {port['hostPort']}", who=container.who)
    context, inside = mapping(pods.spec, "securityContext"), (*at, "securityContext")
    if context.get("runAsUser") == 0 and context["runAsUser"] is not False and context.get("runAsNonRoot") is not True:
        yield tell(world, "run-as-uid-0", obj, (*inside, "runAsUser"), "runAsUser: 0", severity=_mapped(pods))
    for place, sysctl in enumerate(items(context, "sysctls")):
        if text(sysctl, "name") not in SYSCTLS:
            yield tell(world, "sysctl-unsafe", obj, (*inside, "sysctls", place), f"name: {sysctl.get('name')}")
    for field in ("fsGroup", "runAsGroup", "supplementalGroups"):
        groups = context.get(field)
        if 0 in (groups if isinstance(groups, list) else [groups]):
            yield tell(world, "supplemental-root-group", obj, (*inside, field), f"{field}: 0")
    for each in pods.containers:
        if value(each.spec, "securityContext", "runAsGroup") == 0:
            there = (*each.path, "securityContext", "runAsGroup")
            yield tell(world, "supplemental-root-group", obj, there, "runAsGroup: 0", who=each.who)
