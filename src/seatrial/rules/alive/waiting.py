# ruff: noqa: E501 - a line of the table is one saying
"""Probes that go on failing, once there has been time enough: what a diagnosis says where a release would still wait.

They speak only where the time is known (`facts["now"]`), so a release that follows its pods hears nothing from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from seatrial.rules.alive.listening import elsewhere
from seatrial.rules.alive.log_lines import shortened, telling
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
    tail,
    whose,
)
from seatrial.rules.alive.probes import REFUSED, question, seconds_given
from seatrial.rules.alive.telling import told
from seatrial.rules.finding import Fact, Finding, Rule, check
from seatrial.world.objects import Obj, dig, ref_of
from seatrial.world.world import World, event_count, event_time

RULES = {
    rule.id: rule
    for rule in (
        Rule("probe-not-passing", "warning", "a container runs, and its probe does not pass", "The pod gets no requests; a rollout waits for it until its deadline.",
             "Ask the probe's question inside the container (kubectl exec): what answers differently there, or nothing, is at fault; the log may say why."),
        Rule("init-waits", "warning", "an init container does not come to an end", "The pod's own containers are not started before it has.",
             "Its log and its command say what it waits for; let that be there first, or correct its name."),
        Rule("probe-failing-liveness", "warning", "a liveness probe fails, and does not kill yet", "The container is to be restarted when it has failed often enough; until then nobody acts on what it says.",
             "If the process is well, the probe is wrong; if it is not, a lower failureThreshold lets it be restarted sooner."),
    )
}  # fmt: skip
#: Seconds that a start may take whatever the probe says; seconds after which it is no start any more.
PATIENCE, LONG = 30.0, 300.0
#: Seconds that an init container may take: migrations do, and wait for databases.
INIT = 90.0


@check("Pod", rules=RULES.values(), live=True)
def failing(world: World, pod: Obj) -> Iterator[Finding]:
    now = world.facts.get("now")
    if now is None or is_going(pod) or is_over(pod):
        return
    stamp = datetime.fromtimestamp(now, UTC).isoformat()
    for container in containers(pod):
        if container.running is None:
            continue
        if container.init:
            yield from _held(world, container, stamp)
            continue
        ran = seconds_between(container.running.get("startedAt"), stamp) or 0.0
        event = _last(world, container)
        kind = str((event or {}).get("message", "")).partition(" ")[0].lower()
        probe: Obj = container.spec.get(f"{kind}Probe") or {}
        if event is None or not probe:
            continue
        facts = [_times(event, container), Fact(f"it has run for {ran:.0f} s", world.source(ref_of(pod), container.path))]
        if kind == "liveness":
            if _is_recent(event, stamp, probe):
                yield _liveness(world, container, probe, facts)
        elif not container.status.get("ready") and (since := _unready(pod, ran, stamp)) > max(PATIENCE, seconds_given(probe)):
            what, more, fix = _answer(world, container, kind, probe, str(event.get("message", "")))
            title = f"the {kind} probe of {named(container)} of {whose(world, pod)} has not passed for {since:.0f} s{what}"
            severity = RULES["probe-not-passing"].severity if since < LONG else "error"
            yield told(
                RULES["probe-not-passing"],
                title,
                refs(world, pod),
                [*facts, Fact(question(probe)), *more],
                severity=severity,
                fix=fix,
                container=container.name,
            )


def _unready(pod: Obj, ran: float, now: str) -> float:
    """Seconds since a container that has run so long is not ready: it may have been, for a long time."""
    said = condition(pod, "ContainersReady")
    since = seconds_between(said.get("lastTransitionTime"), now) if said.get("status") == "False" else None
    return ran if since is None else min(ran, since)


def _answer(world: World, container: Container, kind: str, probe: Obj, message: str) -> tuple[str, list[Fact], str]:
    """What a probe was answered: (in words for a title, further facts, what to do); empty where nobody knows more."""
    if REFUSED in message:
        heard = elsewhere(world, container, kind)
        if heard is not None:
            return f": it asks port {heard.asked}, and the process listens on {heard.where}", [heard.fact], heard.fix
        port = next(iter(re.findall(r":(\d+): connect: connection refused", message)), "")
        fix = f"See where the process listens (its log; `kubectl exec` and `ss -ltn`): let the probe ask that port; or why it does not listen on {port} yet."
        return (f": nobody listens on port {port}", [], fix) if port else ("", [], "")
    if found := re.search(r"statuscode: (\d+)", message):
        fix = "Ask it from inside the container: its answer, and its log, say what it lacks." if found[1][0] == "5" else ""
        return f": it is answered {found[1]}", [], fix
    if re.search(r"deadline exceeded|timed out|i/o timeout|Client\.Timeout", message):
        given, limit = probe.get("timeoutSeconds", 1), dig(container.spec, "resources.limits.cpu", "")
        facts = [Fact(f"timeoutSeconds: {given}" + (f"; its cpu limit is {limit}" if limit else ""))]
        fix = "Let it answer sooner (give it more cpu, let the probe ask for less), or give the probe a longer timeoutSeconds."
        return f": no answer within {given} s", facts, fix
    if dig(probe, "exec.command"):
        printed = [line.strip() for line in message.partition(": ")[2].splitlines() if line.strip()]
        line = telling(printed) or "".join(printed[-1:])
        return (f": {shortened(line)}" if line else ": its command fails, and prints nothing"), [], ""
    return "", [], ""


def _liveness(world: World, container: Container, probe: Obj, facts: list[Fact]) -> Finding:
    times, period = probe.get("failureThreshold", 3), probe.get("periodSeconds", 10)
    title = f"the liveness probe of {named(container)} of {whose(world, container.pod)} fails; it is restarted after {times} × {period} = {times * period} s of it"
    return told(
        RULES["probe-failing-liveness"],
        title,
        refs(world, container.pod),
        [*facts, Fact(question(probe))],
        container=container.name,
    )


def _held(world: World, container: Container, stamp: str) -> Iterator[Finding]:
    """An init container that has run for longer than a start takes, with the end of its log."""
    ran = seconds_between((container.running or {}).get("startedAt"), stamp) or 0.0
    if ran < INIT:
        return
    lines, source = tail(world, container, 3)
    command = " ".join(map(str, [*(container.spec.get("command") or ()), *(container.spec.get("args") or ())]))
    facts = [
        Fact(f"it has run for {ran:.0f} s", world.source(ref_of(container.pod), container.path)),
        *(Fact(line.strip(), source) for line in lines),
    ]
    if command:
        facts.append(Fact(f"command: {command}", world.source(ref_of(container.pod), "spec.initContainers")))
    title = f"{named(container)} of {whose(world, container.pod)} has run for {ran:.0f} s, and its pod waits for it"
    severity = RULES["init-waits"].severity if ran < LONG else "error"
    yield told(RULES["init-waits"], title, refs(world, container.pod), facts, severity=severity, container=container.name)


def _last(world: World, container: Container) -> Obj | None:
    """The last failed probe of the present run; where the event names no container, the only one is meant."""
    alone = len(list(containers(container.pod))) == 1
    for event in reversed(world.events(container.pod, "Unhealthy", "ProbeError")):
        field = str(dig(event, "involvedObject.fieldPath", ""))
        if f"{{{container.name}}}" not in field and not (alone and not field):
            continue
        since = seconds_between((container.running or {}).get("startedAt"), event_time(event))
        return event if since is None or since >= 0 else None
    return None


def _times(event: Obj, container: Container) -> Fact:
    fact = said(event, container.pod)
    return Fact(f"{fact.text.rstrip(': ')} ({event_count(event)} times)", fact.source)


def _is_recent(event: Obj, now: str, probe: Obj) -> bool:
    """Events are counted up with delay, so three periods are taken for now."""
    ago = seconds_between(event_time(event), now)
    return ago is not None and ago <= max(60.0, 3.0 * probe.get("periodSeconds", 10))
