"""Containers that end again and again, told apart: by code and signal, memory, command, probes, and the end of their logs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from seatrial.rules.alive.crash_words import RULES, ending, of_log, of_start
from seatrial.rules.alive.pods import Container, containers, is_going, named, of_job, refs, said, seconds_between, tail, whose
from seatrial.rules.alive.probes import kill_facts
from seatrial.rules.finding import Fact, Finding, check
from seatrial.world.objects import Obj, dig, name_of, namespace_of, ref_of
from seatrial.world.world import World

#: Reasons with which a container ends whose command could not be started.
NEVER_RAN = {"StartError", "ContainerCannotRun"}
#: Reasons for which a container waits because its command could not be started.
CANNOT_START = {"RunContainerError", "CreateContainerError"}
#: After so many ends it is a loop and no accident.
LOOP = 2
#: Seconds for which a container that was ended is not taken for well.
MOMENT = 60.0
_KILLED = re.compile(r"Container (\S+) failed (liveness|startup) probe")


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
    how = ending(code, reason, ended.get("signal"))
    times = "once" if container.ends == 1 else f"{container.ends} times"
    own = Fact(f"{named(container)} ended {times}, with {how}", world.source(ref_of(container.pod), container.path))
    title = f"{named(container)} of {whose(world, container.pod)} {_verb(rule, about, how)}"
    return Finding(
        rule,
        "error" if container.ends >= LOOP and not of_job(world, container.pod) else "warning",
        title,
        refs(world, container.pod),
        (own, *facts, *_log_facts(world, container, facts)),
        cause=_cause(world, container, rule, about),
        fix=RULES[rule].fix,
        details={"container": container.name, "count": container.ends, "exitCode": code} | ({"about": about} if about else {}),
    )


def _tell_apart(world: World, container: Container, code: int, reason: str) -> tuple[str, str, list[Fact]]:
    """The rule that fits, what it is about, and the facts that say so."""
    if reason == "OOMKilled":
        limit = dig(container.spec, "resources.limits.memory", "")
        words = f"resources.limits.memory: {limit}" if limit else "no limit of its own: the node's memory was full"
        return "crash-oom", str(limit), [Fact(words, world.source(ref_of(container.pod), f"spec of container {container.name}"))]
    for event in reversed(world.events(container.pod, "Killing", "Unhealthy")):
        killed = _KILLED.search(str(event.get("message", "")))
        if killed and killed[1] == container.name:
            return "probe-kills", killed[2], [said(event, container.pod), *kill_facts(world, container, killed[2])]
    lines, source = tail(world, container, 20)
    told = of_log(lines)
    if told and (code or (told[0] == "crash-config" and not of_job(world, container.pod))):
        # a program that ends well had nothing to complain about, but for scripts that say what is missing and go
        return told[0], told[1], [Fact(told[2], source)]
    if re.search(r"migrat", container.name, re.IGNORECASE) and code:
        return "crash-migration", "", []
    if code in (126, 127):
        return ("crash-permission" if code == 126 else "crash-command-not-found"), "", []
    if container.ended.get("signal") or 128 < code < 160:
        return "crash-signal", ending(code, "", container.ended.get("signal")).partition(" ")[0], []
    return ("crash-exit" if code else "crash-completed"), "", []


_VERBS = {
    "crash-oom": "is killed: it takes more memory than its limit{of}",
    "crash-heap": "ends because its heap is full",
    "crash-read-only": "writes{to} on a read-only file system",
    "crash-config": "ends at start: {about} is missing",
    "crash-dependency": "ends because {about} does not answer",
    "crash-migration": "ends because the database is not migrated",
    "crash-signal": "is ended by {about}",
    "crash-completed": "ends by itself, with exit code 0",
    "crash-command-not-found": "has a command that its image does not have",
    "probe-kills": "is restarted by its {about} probe",
}


def _verb(rule: str, about: str, how: str) -> str:
    words = _VERBS.get(rule)
    if words is None:
        return f"ends with {how}" + (f": {RULES[rule].title}" if rule != "crash-exit" else "")
    missing = {"crash-config": "a setting", "crash-dependency": "what it calls"}
    of, to = f" of {about}" if about else "", f" {about}" if about else ""
    return words.format(about=about or missing.get(rule, how), of=of, to=to)


def _cause(world: World, container: Container, rule: str, about: str) -> str:
    if rule == "crash-dependency" and about:
        return _called(world, container.pod, about)
    return RULES[rule].title


def _called(world: World, pod: Obj, address: str) -> str:
    """What is known of the other end: no Service of that name, one without ready pods, or one that should answer."""
    host = address.strip("[]").partition(":")[0]
    name, _, rest = host.partition(".")
    namespace = rest.partition(".")[0] if rest and not rest.startswith("svc") else namespace_of(pod)
    service = world.find("Service", namespace, name)
    if service is None:
        return f"{address} does not answer"
    behind = world.selected("Pod", namespace, dig(service, "spec.selector", {}))
    ready = [
        each for each in behind if any(c["type"] == "Ready" and c["status"] == "True" for c in dig(each, "status.conditions", []))
    ]
    if not behind:
        return f"Service {name_of(service)} selects no pod, so {address} cannot answer"
    return f"{address} is Service {name_of(service)}, with {len(ready)} of {len(behind)} pods ready"


def _log_facts(world: World, container: Container, known: list[Fact]) -> list[Fact]:
    """The end of the log, less what was quoted already."""
    lines, source = tail(world, container)
    quoted = {fact.text for fact in known}
    return [Fact(line.strip(), source) for line in lines if line.strip() not in quoted]
