# ruff: noqa: E501 - a line of the table is one saying
"""Probes that can never pass, proven with numbers: wrong port, wrong path, wrong scheme, and times that cannot be kept."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from seatrial.rules.alive.listening import elsewhere
from seatrial.rules.alive.pods import (
    Container,
    condition,
    containers,
    is_going,
    is_over,
    named,
    refs,
    said,
    seconds_between,
    whose,
)
from seatrial.rules.finding import Fact, Finding, Rule, check
from seatrial.world.objects import Obj, dig, ref_of
from seatrial.world.world import World, event_count, event_time

_NEVER = "The pod runs and never gets a request; the rollout waits until its deadline."

RULES = {
    rule.id: rule
    for rule in (
        Rule("probe-port", "error", "a probe asks a port on which nobody listens", _NEVER,
             "Let the probe name the port that the container listens on, best by its name."),
        Rule("probe-path", "error", "a probe asks for a path that the application does not have", _NEVER,
             "Let the probe ask for a path that the application answers with 200, or serve that path."),
        Rule("probe-refused", "error", "the application refuses the probe's request", _NEVER,
             "Let the path that probes ask be served without login (a port of its own, or an exception)."),
        Rule("probe-scheme", "error", "a probe speaks HTTP to TLS, or TLS to HTTP", _NEVER, "Set httpGet.scheme to what the port speaks."),
        Rule("probe-command", "error", "a probe's command does not exist in the image", _NEVER,
             "Use a command that the image has, or an httpGet, tcpSocket or grpc probe."),
        Rule("probe-fails", "note", "a probe has not passed yet", _NEVER, "Wait, and look at the log if it takes longer than it should."),
    )
}  # fmt: skip

#: What the kubelet says of a probe that failed -> rule, the first that matches.
WORDS = tuple(
    (rule, re.compile(words, re.IGNORECASE))
    for rule, words in (
        ("probe-path", r"statuscode: (?:404|405|410|501)"),
        ("probe-refused", r"statuscode: (?:401|403|407)"),
        ("probe-scheme", r"gave HTTP response to HTTPS client|malformed HTTP response|HTTP request to an HTTPS server|tls: first record does not look like"),
        ("probe-command", r"executable file not found|exec: .*no such file or directory|errored: .*stat .*no such file|: not found$"),
        ("probe-port", r"dial tcp .*:(?P<port>\d+): connect: connection refused"),
        ("probe-fails", r"."),
    )
)  # fmt: skip
#: What the kubelet says where nobody listens.
REFUSED = "connection refused"
_KILLED = re.compile(r"Container (\S+) failed (liveness|startup) probe")
_FAILED = re.compile(r"^(Readiness|Liveness|Startup) probe (?:failed|errored)", re.IGNORECASE)
_CONTAINER = re.compile(r"\{([^}]+)\}")
#: So many times what a start took is enough for the next one, on a busier node.
AMPLE = 2.0
#: Seconds that any application gets before an answer is taken for its last word: servers answer 404 while they load.
START = 10.0
#: The part of a startup probe's own time after which an answer is taken for the last word.
PART = 0.5


@check("Pod", rules=RULES.values(), live=True)
def probes(world: World, pod: Obj) -> Iterator[Finding]:
    """What is to be said of the probes of containers that run and are not ready."""
    if is_going(pod) or is_over(pod):
        return
    for container in containers(pod):
        if container.running is None or container.status.get("ready"):
            continue
        event = _last_failure(world, container)
        if event is not None:
            yield _finding(world, container, event)


def _last_failure(world: World, container: Container) -> Obj | None:
    """The last failed probe of a container's present run."""
    for event in reversed(world.events(container.pod, "Unhealthy", "ProbeError")):
        field = _CONTAINER.search(str(dig(event, "involvedObject.fieldPath", "")))
        if field and field[1] != container.name:
            continue
        if _FAILED.match(str(event.get("message", ""))) and not _older(event, container):
            return event
    return None


def _older(event: Obj, container: Container) -> bool:
    between = seconds_between((container.running or {}).get("startedAt"), event_time(event))
    return between is not None and between < 0


def _finding(world: World, container: Container, event: Obj) -> Finding:
    message = str(event.get("message", ""))
    kind = str(message).partition(" ")[0].lower()
    probe: Obj = container.spec.get(f"{kind}Probe") or {}
    rule, port = _told(message)
    facts = [said(event, container.pod)]
    ran = seconds_between((container.running or {}).get("startedAt"), event_time(event)) or 0.0
    declared = [each.get("containerPort") for each in container.spec.get("ports") or ()]
    if rule == "probe-port":
        if not declared or port in declared:  # it may only be slow
            rule = "probe-fails"
        else:
            words = f"the container declares port {', '.join(map(str, declared))}"
            facts.append(Fact(words, world.source(ref_of(container.pod), f"spec of container {container.name}")))
    heard = elsewhere(world, container, kind) if REFUSED in message else None
    if heard is not None:
        rule = "probe-port"
        facts.append(heard.fact)
    known = _usual_start(world, container)
    if known is not None:
        facts.append(Fact(f"pods of {whose(world, container.pod)} were ready {known:.0f} s after their start before"))
    patience = max(START, 1.5 * known) if known is not None else START
    if kind == "startup":  # its author has said how long a start may take
        patience = max(patience, PART * seconds_given(probe))
    severity = RULES[rule].severity
    if rule not in ("probe-fails", "probe-scheme", "probe-command") and ran < patience:
        severity = "note"  # it may still be on its way up
    facts.append(Fact(f"it has run for {ran:.0f} s; {budget(probe, kind)}", world.source(ref_of(container.pod), f"{kind}Probe")))
    what, fix = _asked(probe, port), RULES[rule].fix
    if rule == "probe-scheme":
        fix = (
            f"Set {kind}Probe.httpGet.scheme: {'HTTP' if 'HTTPS client' in message else 'HTTPS'}, which is what the port speaks."
        )
    words = _WORDS[rule].format(what=what, port=port)
    if heard is not None:
        words, fix = f"asks port {heard.asked}, and the process listens on {heard.where}", heard.fix
    title = f"the {kind} probe of {named(container)} of {whose(world, container.pod)} {words}"
    details = {"container": container.name, "count": event_count(event), "probe": kind, "seconds": ran}
    return Finding(rule, severity, title, refs(world, container.pod), tuple(facts), RULES[rule].title, fix, details=details)


_WORDS = {
    "probe-port": "asks port {port}, where nobody listens",
    "probe-path": "asks {what}, which the application does not have",
    "probe-refused": "is refused at {what}",
    "probe-scheme": "does not speak the protocol of {what}",
    "probe-command": "runs a command that the image does not have",
    "probe-fails": "has not passed yet",
}


def _told(message: str) -> tuple[str, int]:
    for rule, pattern in WORDS:
        found = pattern.search(message)
        if found:
            return rule, int(found.groupdict().get("port") or 0)
    return "probe-fails", 0


def _asked(probe: Obj, port: int) -> str:
    get = probe.get("httpGet") or {}
    return f"{get.get('path', '/')} on port {get.get('port', port)}" if get else f"port {port}"


def budget(probe: Obj, kind: str) -> str:
    """The time a probe gives at most, with its arithmetic: `killed after 30 + 3 × 10 = 60 s`.

    A prober asks at each whole period, whenever the container began (pkg/kubelet/prober/worker.go): the last failure comes in the
    last of these periods.
    """
    delay, period, times = probe.get("initialDelaySeconds", 0), probe.get("periodSeconds", 10), probe.get("failureThreshold", 3)
    if kind == "readiness":
        return f"asked every {period} s from {delay} s on"
    return f"killed after {delay} + {times} × {period} = {delay + times * period} s without success"


def question(probe: Obj) -> str:
    """What a probe asks, in words."""
    if get := probe.get("httpGet"):
        return f"it asks GET {get.get('path', '/')} on port {get.get('port')}"
    if command := dig(probe, "exec.command"):
        return f"it runs {' '.join(map(str, command))}"
    port = dig(probe, "tcpSocket.port") or dig(probe, "grpc.port")
    return f"it asks port {port}"


def strange_port(container: Container, kind: str) -> tuple[int | str, list[int]] | None:
    """(the port a probe asks, the ports the container declares) where it is none of them; None where it is, or none is declared."""
    probe: Obj = container.spec.get(f"{kind}Probe") or {}
    port = dig(probe, "httpGet.port") or dig(probe, "tcpSocket.port") or dig(probe, "grpc.port")
    declared = list(container.spec.get("ports") or ())
    known = {each.get("name") for each in declared} | {each.get("containerPort") for each in declared}
    return (port, [each["containerPort"] for each in declared]) if port and declared and port not in known else None


def seconds_given(probe: Obj) -> float:
    """Seconds until a liveness or startup probe that never passes ends its container."""
    return float(probe.get("initialDelaySeconds", 0) + probe.get("failureThreshold", 3) * probe.get("periodSeconds", 10))


def killed_by(world: World, container: Container) -> tuple[str, Obj] | None:
    """(kind of probe, event) of the probe that had a container killed; None where none did."""
    for event in reversed(world.events(container.pod, "Killing", "Unhealthy")):
        killed = _KILLED.search(str(event.get("message", "")))
        if killed and killed[1] == container.name:
            return killed[2], event
    return None


def failures(world: World, container: Container, kind: str) -> list[Fact]:
    """The last thing that a probe was told before it had its container killed."""
    for event in reversed(world.events(container.pod, "Unhealthy", "ProbeError")):
        about = str(dig(event, "involvedObject.fieldPath", ""))
        if str(event.get("message", "")).lower().startswith(f"{kind} probe") and (not about or f"{{{container.name}}}" in about):
            return [said(event, container.pod)]
    return []


def kill_facts(world: World, container: Container, kind: str) -> list[Fact]:
    """The numbers behind a container that its own probe had killed."""
    probe: Obj = container.spec.get(f"{kind}Probe") or {}
    where = world.source(ref_of(container.pod), f"{kind}Probe of container {container.name}")
    facts = [Fact(budget(probe, kind), where)] if probe else []
    if probe:
        facts.insert(0, Fact(question(probe), where))
    known = _usual_start(world, container)
    if known is not None and probe:
        given = seconds_given(probe)
        verdict = "too late" if known > given else "too late, or just in time" if known > given - _period(probe) else "in time"
        facts.append(Fact(f"pods of this workload start in {known:.0f} s, killed after {given:.0f} s: {verdict}"))
    lived = seconds_between(container.ended.get("startedAt"), container.ended.get("finishedAt"))
    if lived is not None:
        grace = probe.get("terminationGracePeriodSeconds", dig(container.pod, "spec.terminationGracePeriodSeconds", 30))
        after = f", up to {grace} s of it after SIGTERM" if probe and lived > seconds_given(probe) else ""
        facts.append(Fact(f"its last run lasted {lived:.0f} s{after}", where))
    if kind == "liveness" and not container.spec.get("startupProbe"):
        facts.append(Fact("it has no startupProbe: the liveness probe asks from the beginning", where))
    return facts


def enough(world: World, container: Container, kind: str) -> str:
    """What would give a container the time that it takes to start, in numbers; "" where nobody knows how long that is."""
    known, probe = _usual_start(world, container), container.spec.get(f"{kind}Probe") or {}
    if known is None or not probe or known <= seconds_given(probe) - _period(probe):
        return ""
    times = math.ceil(AMPLE * known / _period(probe))
    given = f"failureThreshold: {times} and periodSeconds: {_period(probe):.0f} ({times * _period(probe):.0f} s)"
    return f"It takes {known:.0f} s to start: give it a startupProbe with {given}."


def _period(probe: Obj) -> float:
    return float(probe.get("periodSeconds", 10))


def _usual_start(world: World, container: Container) -> float | None:
    """Seconds from start to readiness of the same container in other pods of the workload; the slowest of them."""
    root = world.root(container.pod)
    times: list[float] = []
    for owner in [root, *world.owned(root)]:
        for pod in world.owned(owner, "Pod"):
            ready: Any = condition(pod, "Ready")
            if ready.get("status") != "True":
                continue
            for status in dig(pod, "status.containerStatuses", []):
                if status.get("name") == container.name and not status.get("restartCount"):
                    took = seconds_between(dig(status, "state.running.startedAt"), ready.get("lastTransitionTime"))
                    if took is not None and took >= 0:
                        times.append(took)
    return max(times, default=None)
