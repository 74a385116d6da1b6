# ruff: noqa: E501 - a line of the table is one saying
"""Security settings that do not do what they say: capabilities by names that nobody knows, sudo where it cannot work, user IDs
that a node has too. What may be set, and what should, is for the rules of security.
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, Severity
from seatrial.rules.written.examples import container as example
from seatrial.rules.written.pods import Container, check_containers
from seatrial.rules.written.reading import has, mapping, strings
from seatrial.rules.written.security import capability, is_root
from seatrial.rules.written.telling import put, tell
from seatrial.world.world import World

RULES = (
    Rule("capability-name", "warning", "names a capability in a way that is not known", "containerd puts CAP_ before the name: of CAP_NET_RAW nothing is dropped, and nothing says so. Pod Security knows no names but those in capitals without CAP_, and refuses the pod.",
         "Write the name in capitals and without CAP_ (NET_RAW, ALL).",
         example("securityContext: {capabilities: {drop: [CAP_NET_RAW]}}"), example("securityContext: {capabilities: {drop: [NET_RAW]}}")),
    Rule("command-sudo", "warning", "asks for sudo", "It takes root to become root: what the container may do is what sudo may do, and with allowPrivilegeEscalation: false it does not start.",
         "Run as the user that the command needs, and take sudo out of the image.",
         example("command: [sudo, -E, /app/serve]"), example("command: [/app/serve]")),
    Rule("user-id-low", "note", "has a user ID that the node may have too", "Were it to break out, it would be that user of the node, with its files and processes.",
         "Choose a runAsUser and a runAsGroup of 10000 or more, as the image allows.",
         example("securityContext: {runAsUser: 1000}"), example("securityContext: {runAsUser: 10001}")),
)  # fmt: skip

#: The capabilities of Linux (include/uapi/linux/capability.h), and the word for all of them.
_CAPABILITIES = (
    "ALL AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID"
    " IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW"
    " PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO"
    " SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM"
)
KNOWN = frozenset(_CAPABILITIES.split())
#: IDs below are given to people and services of a node.
OWN = 10000


@check_containers(rules=RULES, ephemeral=True)
def settings(world: World, container: Container) -> Iterator[Finding]:
    """What a container says of capabilities, its command and its user."""
    if has(container.spec, "securityContext", "capabilities"):
        yield from _names(world, container)
    yield from _sudo(world, container)
    if container.pods.spec.get("hostUsers") is not False:
        yield from _identities(world, container)


def _names(world: World, container: Container) -> Iterator[Finding]:
    """Capabilities by other names than their own."""
    for side in ("add", "drop"):
        at = (*container.path, "securityContext", "capabilities", side)
        given = strings(container.spec, "securityContext", "capabilities", side)
        odd = [name for name in given if name not in KNOWN]
        if odd:
            meant = [capability(name) for name in given]
            ops = [put(container.pods.obj, at, meant)] if set(meant) <= KNOWN else []
            words = f"{side}: {', '.join(odd)}" + (f"; {', '.join(capability(name) for name in odd)} is meant" if ops else "")
            # runtimes read small letters as well: such a name does what it says where no profile is enforced
            severity: Severity | None = "note" if all(name.upper() in KNOWN for name in odd) else None
            yield tell(world, "capability-name", container.pods.obj, at, words, who=container.who, severity=severity, ops=ops)


def _sudo(world: World, container: Container) -> Iterator[Finding]:
    """A command that begins with sudo."""
    words = (strings(container.spec, "command") or strings(container.spec, "args"))[:1]
    if words and words[0].partition(" ")[0].rpartition("/")[2] == "sudo":
        field = "command" if strings(container.spec, "command") else "args"
        kept = container.security("allowPrivilegeEscalation") is False and is_root(container) is False
        severity: Severity | None = "error" if kept else None
        says = f"{field}: {words[0]}" + (", allowPrivilegeEscalation: false" if kept else "")
        yield tell(
            world, "command-sudo", container.pods.obj, (*container.path, field), says, who=container.who, severity=severity
        )


def _identities(world: World, container: Container) -> Iterator[Finding]:
    """User and group IDs, told where they stand: once for a pod that gives them to its containers."""
    pods = container.pods
    places = [(container.spec, container.path, container.who)]
    if pods.containers and container is pods.containers[0]:
        places.append((pods.spec, pods.spec_path, ""))
    for holder, path, who in places:
        context = mapping(holder, "securityContext")
        low = {field: context[field] for field in ("runAsUser", "runAsGroup") if _is_low(context.get(field))}
        if low:
            words = ", ".join(f"{field}: {number}" for field, number in low.items())
            at = (*path, "securityContext", next(iter(low)))
            yield tell(world, "user-id-low", pods.obj, at, words, who=who)


def _is_low(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 < number < OWN
