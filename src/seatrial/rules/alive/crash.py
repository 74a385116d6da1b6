"""Containers that end again and again, told apart: by code and signal, memory, command, probes, and the end of their logs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from seatrial.rules.alive.crash_words import RULES, ending, of_log, of_start
from seatrial.rules.alive.listening import elsewhere
from seatrial.rules.alive.log_lines import shortened, telling
from seatrial.rules.alive.pods import Container, containers, is_going, named, of_job, refs, said, seconds_between, tail, whose
from seatrial.rules.alive.probes import REFUSED, enough, failures, kill_facts, killed_by, question, seconds_given, strange_port
from seatrial.rules.alive.settings import came_from
from seatrial.rules.finding import Fact, Finding, check
from seatrial.world.objects import Obj, Ref, dig, name_of, namespace_of, ref_of
from seatrial.world.world import World, event_time

#: Reasons with which a container ends whose command could not be started.
NEVER_RAN = {"StartError", "ContainerCannotRun"}
#: Reasons for which a container waits because its command could not be started.
CANNOT_START = {"RunContainerError", "CreateContainerError"}
#: After so many ends it is a loop and no accident.
LOOP = 2
#: Seconds for which events of one sort may be kept back (the spam filter of client-go lets one pass in five minutes).
LATE = 600.0
#: Seconds for which a container that was ended is not taken for well.
MOMENT = 60.0
#: Rules that say how a process ended and not why: the line of its log that says it best stands beside them.
_UNTOLD = {"crash-exit", "crash-signal", "crash-migration", "crash-permission"}
_AGAIN = "Its log says what was in its way; mend that, and let it run again before what needs it."
#: What is said of a container that is the migration.
MIGRATES = "the migration itself"
#: Rules that are about a path.
_ON_DISK = {"crash-disk-full", "crash-read-only", "crash-permission"}
#: So many lines of a log are looked at, and so many of its end are shown.
LINES, END = 40, 5


@check("Pod", rules=RULES.values(), live=True)
def crashes(world: World, pod: Obj) -> Iterator[Finding]:
    """One finding for each container that has crashed and is not ready since; a single crash is only a warning.

    Where the time is known (`facts["now"]`), one that was ended a moment ago counts as well: it may be ready between two crashes.
    """
    if is_going(pod):
        return
    for container in containers(pod):
        reason = container.waiting.get("reason", "")
        if reason in CANNOT_START or container.ended.get("reason") in NEVER_RAN:
            yield _never_ran(world, container)
        elif _crashed(world, container):
            yield _crash(world, container)


def _crashed(world: World, container: Container) -> bool:
    if not container.ends or not container.ended or (container.status.get("ready") and not _just_now(world, container)):
        return False
    well = container.ended.get("exitCode", 0) == 0
    return not (well and (container.init or of_job(world, container.pod)))


def _just_now(world: World, container: Container) -> bool:
    now = world.facts.get("now")
    ago = seconds_between(container.ended.get("finishedAt"), datetime.fromtimestamp(now, UTC).isoformat()) if now else None
    return ago is not None and ago < MOMENT


def _never_ran(world: World, container: Container) -> Finding:
    # between two tries the waiting message speaks of the back-off alone
    told = container.waiting if container.waiting.get("reason") in CANNOT_START else container.ended
    message = str(told.get("message") or "")
    rule = of_start(message)
    command = " ".join([*(container.spec.get("command") or ()), *(container.spec.get("args") or ())])
    shown = message.rpartition("error during container init: ")[2].rpartition("runtime create failed: ")[2].strip()
    facts = [Fact(shown or "its command could not be started", world.source(ref_of(container.pod), f"{container.path}.state"))]
    if command:
        facts.append(Fact(f"command: {command}", world.source(ref_of(container.pod), "spec.containers")))
    title = f"{named(container)} of {whose(world, container.pod)} cannot be started: {shown or 'the runtime gives no reason'}"
    severity = "warning" if rule == "crash-exit" and container.ends < LOOP else "error"
    return Finding(
        rule,
        severity,  # type: ignore[arg-type]  # mypy widens the conditional
        title,
        refs(world, container.pod),
        tuple(facts),
        RULES[rule].title,
        RULES[rule].fix,
        details={"container": container.name, "count": max(container.ends, LOOP)},
    )


def _crash(world: World, container: Container) -> Finding:
    ended = container.ended
    code, reason = int(ended.get("exitCode", 0)), str(ended.get("reason", ""))
    rule, about, facts = _tell_apart(world, container, code, reason)
    log = _log_facts(world, container, facts)
    how = ending(code, reason, ended.get("signal"))
    times = "once" if container.ends == 1 else f"{container.ends} times"
    own = Fact(f"{named(container)} ended {times}, with {how}", world.source(ref_of(container.pod), container.path))
    title = f"{named(container)} of {whose(world, container.pod)} {_verb(rule, about, how)}"
    wrong, fix = _probe(world, container, about, facts) if rule == "probe-kills" else ("", "")
    if rule == "probe-kills" and not fix:
        fix = enough(world, container, about)
    if wrong:
        title += f": {wrong}"
    if rule in _UNTOLD and (line := telling(lines := _last_words(world, container)[0])):
        title += f": {shortened(line)}"
    elif rule == "crash-exit" and lines:
        title += f"; it said last: {shortened(lines[-1])}"
    elif rule == "crash-exit":
        log, fix = _speechless(world, container)
    return Finding(
        rule,
        "error" if container.ends >= LOOP and not of_job(world, container.pod) else "warning",
        title,
        (*refs(world, container.pod), *_other_end(world, container.pod, rule, about)),
        (own, *facts, *log),
        cause=_cause(world, container, rule, about),
        fix=fix or (_AGAIN if about == MIGRATES else RULES[rule].fix),
        details={"container": container.name, "count": container.ends, "exitCode": code} | ({"about": about} if about else {}),
    )


def _tell_apart(world: World, container: Container, code: int, reason: str) -> tuple[str, str, list[Fact]]:
    """The rule that fits, what it is about, and the facts that say so."""
    if reason == "OOMKilled":
        limit = dig(container.spec, "resources.limits.memory", "")
        words = f"resources.limits.memory: {limit}" if limit else "no limit of its own: the node's memory was full"
        return "crash-oom", str(limit), [Fact(words, world.source(ref_of(container.pod), f"spec of container {container.name}"))]
    if (killed := killed_by(world, container)) is not None:
        kind, event = killed
        facts = [*failures(world, container, kind), said(event, container.pod), *kill_facts(world, container, kind)]
        return "probe-kills", kind, facts
    hook = _hook(world, container)
    if hook:
        return "crash-hook", "", hook
    lines, source = _last_words(world, container, 20)
    told = of_log(lines)
    if told and (code or (told[0] == "crash-config" and not of_job(world, container.pod))):
        # a program that ends well had nothing to complain about, but for scripts that say what is missing and go
        more = _disk(world, container, told[1]) if told[0] in _ON_DISK else []
        more += came_from(world, container, told[1]) if told[0] == "crash-config" else []
        return told[0], told[1], [Fact(told[2], source), *more]
    if re.search(r"migrat", container.name, re.IGNORECASE) and code:
        return "crash-migration", MIGRATES, []
    if code in (126, 127):
        return ("crash-permission" if code == 126 else "crash-command-not-found"), "", []
    if container.ended.get("signal") or 128 < code < 160:
        return "crash-signal", ending(code, "", container.ended.get("signal")).partition(" ")[0], []
    return ("crash-exit" if code else "crash-completed"), "", []


_VERBS = {
    "crash-permission": "may not do what it tries",
    "crash-port-taken": "cannot listen: its address is in use",
    "crash-wrong-architecture": "has a program that is built for another processor",
    "crash-certificate": "cannot use a certificate or key",
    "crash-oom": "is killed: it takes more memory than its limit{of}",
    "crash-heap": "ends because its heap is full",
    "crash-read-only": "writes{to} on a read-only file system",
    "crash-config": "ends at start: {about} is missing",
    "crash-config-invalid": "ends at start: {about}",
    "crash-credentials": "ends because its credentials are not accepted{as_}",
    "crash-disk-full": "ends because no space is left{at}",
    "crash-code-missing": "ends at start: {about} is not in its image",
    "crash-dependency": "ends because {about} does not answer",
    "crash-migration": "ends because the database is not migrated",
    "crash-signal": "is ended by {about}",
    "crash-mount": "cannot be started: a volume does not fit where it is mounted",
    "crash-hook": "is killed because its postStart hook fails",
    "crash-completed": "ends by itself, with exit code 0",
    "crash-command-not-found": "has a command that its image does not have",
    "probe-kills": "is restarted by its {about} probe",
}


#: What stands for a name that the log does not tell.
_UNNAMED = {
    "crash-config": "a setting",
    "crash-dependency": "what it calls",
    "crash-config-invalid": "it cannot use its settings",
    "crash-code-missing": "a part of the program",
}


def _verb(rule: str, about: str, how: str) -> str:
    words = "fails to migrate the database" if about == MIGRATES else _VERBS.get(rule)
    if words is None:
        return f"ends with {how}" + (f": {RULES[rule].title}" if rule != "crash-exit" else "")
    parts = {"of": f" of {about}", "to": f" to {about},", "at": f" at {about}", "as_": f" (user {about})"}
    return words.format(about=about or _UNNAMED.get(rule, how), **(parts if about else dict.fromkeys(parts, "")))


def _hook(world: World, container: Container) -> list[Fact]:
    """What was said of a postStart hook that failed in the last run; nothing where none did."""
    own: Obj = dig(container.spec, "lifecycle.postStart", {})
    for event in reversed(world.events(container.pod, "FailedPostStartHook") if own else ()):
        about = str(dig(event, "involvedObject.fieldPath", ""))
        since = seconds_between(container.ended.get("startedAt"), event_time(event))
        if (not about or f"{{{container.name}}}" in about) and (since is None or since >= -LATE):
            told = str(container.waiting.get("message", "")) if container.waiting.get("reason") == "PostStartHookError" else ""
            where = world.source(ref_of(container.pod), f"spec of container {container.name}")
            facts = [
                said(event, container.pod),
                Fact(f"postStart: {' '.join(map(str, dig(own, 'exec.command', []))) or own}", where),
            ]
            return [*facts, Fact(told, container.path)] if told else facts
    return []


def _probe(world: World, container: Container, kind: str, facts: list[Fact]) -> tuple[str, str]:
    """(what is wrong with a probe that kills, what mends it); empty where it is only too impatient."""
    heard = elsewhere(world, container, kind) if any(REFUSED in fact.text for fact in facts) else None
    if heard is not None:
        facts.append(heard.fact)
        return f"it asks port {heard.asked}, and the process listens on {heard.where}", heard.fix
    strange = strange_port(container, kind)
    if strange is not None:
        port, declared = strange
        have = ", ".join(map(str, declared))
        return f"it asks port {port}, and the container listens on {have}", f"Let the {kind} probe ask port {have}."
    told = " ".join(fact.text for fact in facts)
    if re.search(r"statuscode: 40[45]", told):
        path = dig(container.spec, f"{kind}Probe.httpGet.path", "/")
        return (
            f"it asks for {path}, which the application does not have",
            "Let the probe ask for a path that the application answers with 200.",
        )
    probe: Obj = container.spec.get(f"{kind}Probe") or {}
    command = dig(probe, "exec.command")
    if kind == "liveness" and command and _well_for(container, probe) > 1.5 * seconds_given(probe):
        return (
            f"{question(probe)}, which fails after a while",
            "Run the command in the container: it says what is no longer as it was at the start.",
        )
    answer = told.partition(" probe failed: ")[2].partition("Killing: ")[0].strip()
    if command and answer:
        return (
            f"{question(probe)}, which says: {shortened(answer)}",
            "Correct the command, or let the process make what it looks for.",
        )
    return "", ""


def _well_for(container: Container, probe: Obj) -> float:
    """Seconds for which the last run lasted before it was asked to end; what it was given for that is left out."""
    lived = seconds_between(container.ended.get("startedAt"), container.ended.get("finishedAt")) or 0.0
    grace = probe.get("terminationGracePeriodSeconds", dig(container.pod, "spec.terminationGracePeriodSeconds", 30))
    return lived - grace if container.ended.get("exitCode") == 137 else lived


def _disk(world: World, container: Container, path: str) -> list[Fact]:
    """The volume on which a path lies, and how large its claim is."""
    mounts = sorted(container.spec.get("volumeMounts") or (), key=lambda each: -len(str(each.get("mountPath", ""))))
    mount = next(
        (each for each in mounts if path and f"{path}/".startswith(f"{str(each.get('mountPath', '')).rstrip('/')}/")), None
    )
    volume: Obj = next(
        (each for each in dig(container.pod, "spec.volumes", []) if mount and each.get("name") == mount.get("name")), {}
    )
    claim = world.find(
        "PersistentVolumeClaim", namespace_of(container.pod), str(dig(volume, "persistentVolumeClaim.claimName", ""))
    )
    if claim is None:
        where = f"volume {volume['name']}" if volume else "the container's own file system"
        return [Fact(f"{path} is on {where}", world.source(ref_of(container.pod), "spec.volumes"))] if path else []
    size = dig(claim, "status.capacity.storage") or dig(claim, "spec.resources.requests.storage")
    words = f"{path} is on PersistentVolumeClaim {name_of(claim)}, of {size}"
    return [Fact(words, world.source(ref_of(claim), "spec.resources.requests.storage"))]


def _cause(world: World, container: Container, rule: str, about: str) -> str:
    if about == MIGRATES:
        return "What needs the database as it should be after the migration does not start, or fails."
    if rule == "crash-dependency" and about:
        return _called(world, container.pod, about)
    return RULES[rule].title


def _named(pod: Obj, address: str) -> tuple[str, str, str]:
    """(name, namespace, what follows the name) of an address as the name of a Service."""
    name, _, rest = address.strip("[]").partition(":")[0].partition(".")
    return name, rest.partition(".")[0] if rest and not rest.startswith("svc") else namespace_of(pod), rest


def _service(world: World, pod: Obj, address: str) -> Obj | None:
    name, namespace, _ = _named(pod, address)
    return world.find("Service", namespace, name, "")


def _called(world: World, pod: Obj, address: str) -> str:
    """What is known of the other end: no Service of that name, one without ready pods, or one that should answer."""
    name, namespace, rest = _named(pod, address)
    service = _service(world, pod, address)
    if service is None:
        there = any(namespace_of(each) == namespace for each in world.of("Service"))
        unknown = there and not re.fullmatch(r"[\d.]+", name) and not rest
        return f"{address} does not answer" + (f"; there is no Service {name} in namespace {namespace}" if unknown else "")
    behind = world.selected("Pod", namespace, dig(service, "spec.selector", {}))
    ready = [
        each for each in behind if any(c["type"] == "Ready" and c["status"] == "True" for c in dig(each, "status.conditions", []))
    ]
    if not behind:
        return f"Service {name_of(service)} selects no pod, so {address} cannot answer"
    return f"{address} is Service {name_of(service)}, with {len(ready)} of {len(behind)} pods ready"


def _other_end(world: World, pod: Obj, rule: str, about: str) -> list[Ref]:
    """The Service that a container called in vain: what is wrong behind it is why."""
    service = _service(world, pod, about) if rule == "crash-dependency" and about else None
    return [ref_of(service)] if service is not None else []


def _last_words(world: World, container: Container, lines: int = LINES) -> tuple[list[str], str]:
    """The end of its log; where it printed nothing, the message with which it ended (terminationMessagePath)."""
    found, source = tail(world, container, lines)
    message = [line for line in str(container.ended.get("message", "")).splitlines() if line.strip()]
    if found or not message:
        return found, source
    return message[-lines:], world.source(ref_of(container.pod), f"{container.path}: the message of its end")


def _speechless(world: World, container: Container) -> tuple[list[Fact], str]:
    """What is left to say of a container that ended without a word: its command, and how to see it again."""
    command = " ".join(map(str, [*(container.spec.get("command") or ()), *(container.spec.get("args") or ())]))
    words = (
        f"it printed nothing; its command: {shortened(command)}"
        if command
        else "it printed nothing; it runs the command of its image"
    )
    where = world.source(ref_of(container.pod), f"spec of container {container.name}")
    name, space = name_of(container.pod), namespace_of(container.pod)
    again = f"kubectl debug {name} -n {space} -it --copy-to={name}-debug --container={container.name} -- sh"
    return [Fact(words, where)], f"Run its command by hand, in a copy of the pod: `{again}`."


def _log_facts(world: World, container: Container, known: list[Fact]) -> list[Fact]:
    """The end of the log, less what was quoted already."""
    lines, source = _last_words(world, container)
    quoted = {fact.text for fact in known}
    shown = dict.fromkeys([telling(lines), *(line.strip() for line in lines[-END:])])
    return [Fact(line, source) for line in shown if line and line not in quoted]
