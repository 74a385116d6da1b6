# ruff: noqa: E501 - a line of the table is one saying
"""Probes as they are written: missing, refused, contradicting one another, or with times that cannot work."""

from __future__ import annotations

import re
from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, Severity
from seatrial.rules.slips import meant
from seatrial.rules.written.examples import container as example
from seatrial.rules.written.pods import Container, check_containers
from seatrial.rules.written.reading import items, mapping, number, strings, text
from seatrial.rules.written.runtimes import runtime_of
from seatrial.rules.written.telling import Path, brief, put, take, tell
from seatrial.world.objects import ref_of
from seatrial.world.patterns import pattern
from seatrial.world.world import World

_PORT = "ports: [{name: http, containerPort: 8080}]"
_READY = "readinessProbe: {httpGet: {path: /ready, port: http}}"
_LIVE = "livenessProbe: {httpGet: {path: /live, port: http}}"
_REFUSED = "The API server refuses the object."
_LOOP = "The container is killed before it is up, again and again: a crash loop that no log explains."

RULES = (
    Rule("readiness-missing", "warning", "has no readiness probe", "It gets requests from the moment its process exists: every rollout and every scale-up answers some with errors.",
         "Add a readinessProbe that asks whether it can serve.",
         example(_PORT), example(f"{_PORT}\n{_READY}")),
    Rule("liveness-missing", "note", "has no liveness probe", "A process that hangs without ending stays until a person restarts it.",
         "Add a livenessProbe that asks the process alone, none of its dependencies.",
         example(f"{_PORT}\n{_READY}"), example(f"{_PORT}\n{_READY}\n{_LIVE}")),
    Rule("probes-alike", "warning", "asks the same for liveness as for readiness, with no more patience", "What should take a pod out of service kills it instead: when a dependency is down, all replicas restart at once.",
         "Ask for liveness at a path that checks no dependency, or give it a larger failureThreshold.",
         example(f"{_PORT}\nreadinessProbe: {{httpGet: {{path: /health, port: http}}}}\nlivenessProbe: {{httpGet: {{path: /health, port: http}}}}"),
         example(f"{_PORT}\n{_READY}\n{_LIVE}")),
    Rule("probe-port-unknown", "error", "has a probe for a port name that it does not have", "The kubelet cannot resolve the name: the probe fails for ever, and the pod never gets a request or is killed.",
         "Name one of the container's ports, or give the number.",
         example("ports: [{name: web, containerPort: 8080}]\nreadinessProbe: {httpGet: {path: /ready, port: http}}"), example(f"{_PORT}\n{_READY}")),
    Rule("probe-port-undeclared", "note", "has a probe for a port that it does not declare", "Nothing is wrong if the process listens there; but nobody who reads the manifest, and no Service by name, knows the port.",
         "Declare the port with a name, and let the probe use the name.",
         example("ports: [{name: http, containerPort: 8080}]\nreadinessProbe: {httpGet: {path: /ready, port: 9090}}"), example(f"{_PORT}\n{_READY}")),
    Rule("probe-timeout", "note", "waits longer for a probe than the time between two", "One slow answer delays the next question: a hanging process is found much later than the numbers say.",
         "Let timeoutSeconds be less than periodSeconds.",
         example(f"{_PORT}\nreadinessProbe: {{httpGet: {{path: /ready, port: http}}, periodSeconds: 5, timeoutSeconds: 10}}"),
         example(f"{_PORT}\nreadinessProbe: {{httpGet: {{path: /ready, port: http}}, periodSeconds: 5, timeoutSeconds: 2}}")),
    Rule("startup-missing", "warning", "has a liveness probe that a slow start does not survive", _LOOP,
         "Add a startupProbe with time for the slowest start (30 × 10 s costs a fast one nothing).",
         example(f"command: [java, -jar, app.jar]\n{_PORT}\n{_READY}\nlivenessProbe: {{httpGet: {{path: /live, port: http}}, initialDelaySeconds: 10}}"),
         example(f"command: [java, -jar, app.jar]\n{_PORT}\n{_READY}\n{_LIVE}\nstartupProbe: {{httpGet: {{path: /live, port: http}}, failureThreshold: 30}}")),
    Rule("probe-budget", "warning", "is killed after a few seconds without an answer", "One long garbage collection, one busy node, and healthy pods are restarted together.",
         "Give liveness at least 10 s: periodSeconds × failureThreshold.",
         example(f"{_PORT}\n{_READY}\nlivenessProbe: {{httpGet: {{path: /live, port: http}}, periodSeconds: 2, failureThreshold: 1}}"),
         example(f"{_PORT}\n{_READY}\n{_LIVE}")),
    Rule("startup-budget", "warning", "has a startup probe with hardly any time", _LOOP,
         "Give it failureThreshold × periodSeconds for the slowest start: 30 × 10 s is usual.",
         example(f"{_PORT}\n{_READY}\nstartupProbe: {{httpGet: {{path: /live, port: http}}, periodSeconds: 1, failureThreshold: 3}}"),
         example(f"{_PORT}\n{_READY}\nstartupProbe: {{httpGet: {{path: /live, port: http}}, failureThreshold: 30}}")),
    Rule("startup-delay-twice", "note", "waits for its start twice", "With a startupProbe the other probes begin only when it has passed: a long initialDelaySeconds beside it is of no use, and delays nothing but the first answer.",
         "Drop initialDelaySeconds from the liveness and readiness probes.",
         example(f"{_PORT}\nlivenessProbe: {{httpGet: {{path: /live, port: http}}, initialDelaySeconds: 30}}\nstartupProbe: {{httpGet: {{path: /live, port: http}}, failureThreshold: 30}}"),
         example(f"{_PORT}\n{_LIVE}\nstartupProbe: {{httpGet: {{path: /live, port: http}}, failureThreshold: 30}}")),
    Rule("probe-no-shell", "error", "has a probe whose program a distroless image does not have", "The probe fails for ever (`executable file not found`): the pod never gets a request or is killed.",
         "Use httpGet, tcpSocket or grpc, or a program that the image brings.",
         example("image: gcr.io/distroless/static:nonroot\nlivenessProbe: {exec: {command: [sh, -c, 'wget -q localhost:8080']}}"),
         example(f"image: gcr.io/distroless/static:nonroot\n{_PORT}\n{_LIVE}")),
    Rule("probe-handler", "error", "has a probe that asks nothing, or in two ways at once", _REFUSED,
         "Give each probe exactly one of httpGet, tcpSocket, grpc and exec.",
         example("livenessProbe: {periodSeconds: 10}"), example(f"{_PORT}\n{_LIVE}")),
    Rule("probe-numbers", "error", "has a probe with numbers that are not allowed", _REFUSED,
         "Seconds and thresholds are at least 1 (initialDelaySeconds 0); successThreshold is 1 for liveness and startup.",
         example(f"{_PORT}\nlivenessProbe: {{httpGet: {{path: /live, port: http}}, successThreshold: 2}}"), example(f"{_PORT}\n{_LIVE}")),
    Rule("probe-of-init", "error", "is an init container with a probe", _REFUSED,
         "Take the probe out, or make it a sidecar with restartPolicy: Always.",
         example("ports: []", pod="initContainers:\n  - name: wait\n    image: registry.example/wait:1\n    readinessProbe: {tcpSocket: {port: 80}}"),
         example("ports: []", pod="initContainers:\n  - name: wait\n    image: registry.example/wait:1")),
    Rule("probe-elsewhere", "warning", "has a probe or hook that asks another host", "The kubelet asks from the node, so localhost is the node too. What is asked is not the container: it is killed for the faults of others, and never for its own; the baseline Pod Security profile refuses it.",
         "Leave host out: the pod's own address is asked then.",
         example("readinessProbe: {httpGet: {host: example.com, path: /, port: 80}}"), example(f"{_PORT}\n{_READY}")),
    Rule("probe-port-protocol", "warning", "has a probe that asks by TCP what is declared for UDP", "A probe speaks TCP only: where nobody listens by it on that port, the container is never ready, or killed again and again.",
         "Ask a port for TCP, or ask by exec; declare the port for TCP too where it is.",
         example("ports: [{name: dns, containerPort: 5353, protocol: UDP}]\nreadinessProbe: {tcpSocket: {port: dns}}"),
         example("ports: [{name: dns, containerPort: 5353, protocol: UDP}, {name: health, containerPort: 8080}]\nreadinessProbe: {tcpSocket: {port: health}}")),
)  # fmt: skip

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
HANDLERS = ("httpGet", "tcpSocket", "grpc", "exec")
#: Programs that images made from nothing do not have.
SHELLS = frozenset(
    [
        "sh",
        "bash",
        "ash",
        "/bin/sh",
        "/bin/bash",
        "/bin/ash",
        "curl",
        "wget",
        "nc",
        "cat",
        "ls",
        "pgrep",
        "ps",
        "/usr/bin/curl",
        "/usr/bin/wget",
    ]
)
_BARE = pattern(r"distroless|cgr\.dev/chainguard/|(?:^|/)scratch(?:[:@]|$)|/static(?:-debian\d+)?[:@]")
#: Seconds that a start takes, and that a liveness probe must give when nothing else does; a JVM is slow, most others are not.
SLOW = {"jvm": 60.0, "": 5.0}
#: Paths that say by their name that they look at dependencies.
_DEPENDENCIES = pattern(r"ready|readiness|health|status", re.IGNORECASE)
LEAST = 10.0


def budget(probe: dict[str, object]) -> float:
    """Seconds without an answer that a probe allows once it asks (period × threshold)."""
    return number(probe, "periodSeconds", default=10) * number(probe, "failureThreshold", default=3)


@check_containers(rules=RULES[:3])
def presence(world: World, container: Container) -> Iterator[Finding]:
    """Which probes there are, and whether two of them are one."""
    if container.role != "main" or not container.pods.lasting:
        return
    spec, obj, who = container.spec, container.pods.obj, container.who
    ready, live, start = (mapping(spec, f"{kind}Probe") for kind in ("readiness", "liveness", "startup"))
    alone = len(list(container.pods.main)) == 1
    served = alone and any(one.relation == "selects" and one.source.kind == "Service" for one in world.graph.into(ref_of(obj)))
    serves = served or bool(items(spec, "ports"))
    if not ready and serves and container.pods.kind != "DaemonSet":
        yield tell(world, "readiness-missing", obj, (*container.path, "readinessProbe"), "readinessProbe: not set", who=who)
    if not live and (serves or alone):
        yield tell(world, "liveness-missing", obj, (*container.path, "livenessProbe"), "livenessProbe: not set", who=who)
    if ready and live and _asked(ready) == _asked(live) != "":
        impatient = budget(live) <= budget(ready)
        path = text(live, "httpGet", "path")
        severity: Severity = "warning" if impatient and _DEPENDENCIES.search(path) else "note"
        if impatient or start == {}:
            words = f"both ask {_asked(live)}; readiness gives {budget(ready):.0f} s, liveness {budget(live):.0f} s"
            if impatient:
                yield tell(world, "probes-alike", obj, (*container.path, "livenessProbe"), words, who=who, severity=severity)


def _asked(probe: dict[str, object]) -> str:
    get = mapping(probe, "httpGet")
    if get:
        return f"{text(get, 'path') or '/'} on {get.get('port')}"
    for handler in ("tcpSocket", "grpc"):
        if mapping(probe, handler):
            return f"{handler} on {mapping(probe, handler).get('port')}"
    return " ".join(strings(probe, "exec", "command"))


@check_containers(rules=RULES[14:15])
def asked_elsewhere(world: World, container: Container) -> Iterator[Finding]:
    """Probes and hooks, those of init containers too, that do not ask the container."""
    own = ("localhost", "127.0.0.1", "::1") if container.pods.spec.get("hostNetwork") is True else ()
    handlers: list[tuple[Path, object]] = [((kind,), container.spec[kind]) for kind in PROBES if kind in container.spec]
    handlers += [(("lifecycle", hook), each) for hook, each in mapping(container.spec, "lifecycle").items()]
    for steps, handler in handlers:
        for action in ("httpGet", "tcpSocket"):
            host = text(handler, action, "host")
            if host and host not in own and "$" not in host:
                at = (*container.path, *steps, action, "host")
                yield tell(world, "probe-elsewhere", container.pods.obj, at, f"host: {brief(host)}", who=container.who)


@check_containers(rules=RULES[3:6] + RULES[10:14] + RULES[15:])
def each_probe(world: World, container: Container) -> Iterator[Finding]:
    """What is wrong with a probe by itself."""
    for kind in PROBES:
        probe = container.spec.get(kind)
        if not isinstance(probe, dict):
            continue
        at, obj, who = (*container.path, kind), container.pods.obj, container.who
        if container.role == "init":
            yield tell(world, "probe-of-init", obj, at, f"{kind} in an init container", who=who, ops=[take(at)])
            continue
        asked = [handler for handler in HANDLERS if handler in probe]
        if len(asked) != 1:
            yield tell(world, "probe-handler", obj, at, f"{kind}: {' and '.join(asked) or 'no handler'}", who=who)
        yield from _ports(world, container, kind, probe)
        yield from _numbers(world, container, kind, probe)
        command = strings(probe, "exec", "command")
        bare = _BARE.search(container.image) and "debug" not in container.image
        if command and command[0] in SHELLS and bare and "-dev" not in container.image:
            words = f"image {container.image}, command {brief(' '.join(command))}"
            yield tell(world, "probe-no-shell", obj, (*at, "exec", "command"), words, who=who)


def _ports(world: World, container: Container, kind: str, probe: dict[str, object]) -> Iterator[Finding]:
    ports = items(container.spec, "ports")
    names = {text(port, "name") for port in ports}
    numbers = [port.get("containerPort") for port in ports]
    for handler in ("httpGet", "tcpSocket", "grpc"):
        port = mapping(probe, handler).get("port")
        at = (*container.path, kind, handler, "port")
        spoken = {str(each.get("protocol") or "TCP") for each in ports if port in (each.get("name"), each.get("containerPort"))}
        if port is not None and spoken == {"UDP"}:
            words = f"{handler}.port: {port}; the container declares it for UDP"
            yield tell(world, "probe-port-protocol", container.pods.obj, at, words, who=container.who)
        if isinstance(port, str) and not port.isdigit() and port not in names:
            has = ", ".join(sorted(names - {""})) or "no named port"
            right = next(iter(names)) if len(ports) == 1 else meant(port, names - {""})
            ops = [put(container.pods.obj, at, right)] if right else []
            yield tell(
                world,
                "probe-port-unknown",
                container.pods.obj,
                at,
                f"port: {port}; the container has {has}",
                who=container.who,
                ops=ops,
            )
        elif isinstance(port, int) and ports and port not in numbers:
            words = f"port: {port}; the container declares {', '.join(map(str, sorted(map(str, numbers))))}"
            yield tell(world, "probe-port-undeclared", container.pods.obj, at, words, who=container.who)


def _numbers(world: World, container: Container, kind: str, probe: dict[str, object]) -> Iterator[Finding]:
    at, obj, who = (*container.path, kind), container.pods.obj, container.who
    period, wait = number(probe, "periodSeconds", default=10), number(probe, "timeoutSeconds", default=1)
    if wait > period > 0 and kind != "startupProbe":  # a slow answer to that one only delays the start
        yield tell(
            world,
            "probe-timeout",
            obj,
            (*at, "timeoutSeconds"),
            f"timeoutSeconds: {wait:.0f}, periodSeconds: {period:.0f}",
            who=who,
        )
    for field in ("periodSeconds", "timeoutSeconds", "failureThreshold", "successThreshold", "initialDelaySeconds"):
        if number(probe, field, default=1) < 0:
            yield tell(world, "probe-numbers", obj, (*at, field), f"{field}: {probe[field]}", who=who)
    if kind != "readinessProbe" and number(probe, "successThreshold", default=1) > 1:
        there = (*at, "successThreshold")
        yield tell(
            world,
            "probe-numbers",
            obj,
            there,
            f"{kind}.successThreshold: {probe['successThreshold']}",
            who=who,
            ops=[take(there)],
        )
    if kind == "readinessProbe" and "terminationGracePeriodSeconds" in probe:
        there = (*at, "terminationGracePeriodSeconds")
        yield tell(
            world,
            "probe-numbers",
            obj,
            there,
            "a readiness probe ends nothing, and has no grace period",
            who=who,
            ops=[take(there)],
        )


@check_containers(rules=RULES[6:10])
def timing(world: World, container: Container) -> Iterator[Finding]:
    """Whether the times of the probes can work, with the sums that show it."""
    if container.role != "main" or not container.pods.lasting:
        return
    obj, who, spec = container.pods.obj, container.who, container.spec
    live, start = mapping(spec, "livenessProbe"), mapping(spec, "startupProbe")
    delay = number(live, "initialDelaySeconds")
    runtime = runtime_of(container)
    slow = SLOW.get(runtime, SLOW[""])
    if start:
        given = number(start, "initialDelaySeconds") + budget(start)
        if given < slow:
            words = f"{number(start, 'initialDelaySeconds'):.0f} + {budget(start):.0f} s, {_needs(runtime, slow)}"
            yield tell(world, "startup-budget", obj, (*container.path, "startupProbe"), words, who=who)
        if delay >= 10:
            ops = [take((*container.path, "livenessProbe", "initialDelaySeconds"))]
            words = f"livenessProbe waits {delay:.0f} s, the startupProbe gives {given:.0f} s"
            yield tell(
                world,
                "startup-delay-twice",
                obj,
                (*container.path, "livenessProbe", "initialDelaySeconds"),
                words,
                who=who,
                ops=ops,
            )
    elif live and delay + budget(live) < slow:
        words = f"killed after {delay:.0f} + {budget(live):.0f} s, {_needs(runtime, slow)}; no startupProbe"
        yield tell(world, "startup-missing", obj, (*container.path, "livenessProbe"), words, who=who)
    if live and 0 < budget(live) < LEAST:
        words = f"periodSeconds × failureThreshold = {budget(live):.0f} s"
        yield tell(world, "probe-budget", obj, (*container.path, "livenessProbe"), words, who=who)


def _needs(runtime: str, slow: float) -> str:
    return f"a JVM takes up to {slow:.0f} s to start" if runtime == "jvm" else f"a start takes up to {slow:.0f} s"
