"""Shapes for the examples of rules about what runs: pods, their containers' states, events, conditions, as a cluster shows them.

Each gives YAML with the fields that matter and the few that kubectl prints; times are written down against one moment, `NOW`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from textwrap import dedent, indent
from typing import Any
from zlib import crc32

#: When the examples were seen.
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
POD, IMAGE = "api-7d4b9c6f5-x2kqp", "registry.example/api:1.4.2"


@dataclass(frozen=True, slots=True)
class Example:
    """What a cluster shows when a rule speaks, and when it does not; `log` is the log of the last run of the first pod's first
    container.  `also` are rules of severity error that what is wrong here breaks besides; `facts` what the world knows more.
    """

    wrong: str
    right: str
    log: str = ""
    see: tuple[str, ...] = ()  # the kinds in which it is seen, where they are not those that the finding is about
    also: frozenset[str] = frozenset()
    facts: Mapping[str, Any] = field(default_factory=dict)


def ago(seconds: float) -> str:
    """A time before `NOW`, as kubectl prints it."""
    return f'"{NOW - timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"'


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def block(text: str, by: int = 0) -> str:
    """Lines at a depth; empty for none."""
    return indent(dedent(text).strip("\n"), " " * by)


def lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part.strip()) + "\n"


def stream(*documents: str) -> str:
    """Several objects as one stream."""
    return "---\n".join(documents)


def thing(
    api_version: str, kind: str, name: str, body: str = "", *, namespace: str = "shop", meta: str = "", age: float = 3600
) -> str:
    """Any object; `meta` are further fields of its metadata, in one line."""
    where = f", namespace: {namespace}" if namespace else ""
    more = f", {meta}" if meta else ""
    head = f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: {name}{where}{more}, creationTimestamp: {ago(age)}}}"
    return lines(head, block(body))


def pod(
    container: str = "",
    state: str = "",
    *,
    ready: bool = False,
    phase: str = "Running",
    spec: str = "",
    name: str = POD,
    node: str = "node-1",
    meta: str = "labels: {app: api}",
    status: str = "",
    conditions: str = "",
    age: float = 600,
    after: float = 20,
) -> str:
    """A pod with one container, `api`: fields of the container, its state (see `runs`, `waits`, `ended`), further fields.

    `age` are the seconds since its creation, `after` those from then until it was ready.
    """
    own = block(container)
    image = "" if own.startswith("image:") or "\nimage:" in own else f"\n      image: {IMAGE}"
    return thing(
        "v1",
        "Pod",
        name,
        lines(
            "spec:",
            f"  nodeName: {node}" if node else "",
            block(spec, 2),
            f"  containers:\n    - name: api{image}",
            block(own, 6),
            f"status:\n  phase: {phase}",
            block(status, 2),
            "  conditions:",
            _ready(ready, phase, age - after * ready) if node else "",
            block(conditions, 4),
            block(state, 2),
        ),
        meta=meta,
        age=age,
    )


#: What a kubelet says of a pod that is not ready, by its phase.
_UNREADY = {
    "Succeeded": "reason: PodCompleted",
    "Failed": "reason: PodFailed",
}


def _ready(ready: bool, phase: str, since: float) -> str:
    why = _UNREADY.get(phase, 'reason: ContainersNotReady, message: "containers with unready status: [api]"')
    return f'    - {{type: Ready, status: "{ready}"{"" if ready else f", {why}"}, lastTransitionTime: {ago(since)}}}'


def _container(state: str, *, ready: bool, restarts: int, last: str, name: str, init: bool) -> str:
    return lines(
        f"{'initContainerStatuses' if init else 'containerStatuses'}:",
        f"  - name: {name}\n    ready: {str(ready).lower()}\n    restartCount: {restarts}",
        f"    state: {{{state}}}",
        f"    lastState: {{{last}}}" if last else "",
    )


def runs(seconds: float = 595, *, ready: bool = True, restarts: int = 0, last: str = "", name: str = "api") -> str:
    """A container that has run for so many seconds."""
    return _container(f"running: {{startedAt: {ago(seconds)}}}", ready=ready, restarts=restarts, last=last, name=name, init=False)


def waits(reason: str, message: str = "", *, restarts: int = 0, last: str = "", name: str = "api", init: bool = False) -> str:
    """A container that the kubelet does not start now."""
    words = f", message: {quoted(message)}" if message else ""
    state = f"waiting: {{reason: {reason}{words}}}"
    return _container(state, ready=False, restarts=restarts, last=last, name=name, init=init)


def ended(
    code: int,
    reason: str = "",
    *,
    before: float = 40,
    lasted: float = 3,
    name: str = "api",
    init: bool = False,
    restarts: int = 0,
) -> str:
    """A container that has ended and is not started again."""
    state = end(code, reason, before=before, lasted=lasted)
    return _container(state, ready=init and not code, restarts=restarts, last="", name=name, init=init)


def end(code: int, reason: str = "", *, message: str = "", before: float = 40, lasted: float = 3) -> str:
    """How a run ended, so many seconds ago, and after how long."""
    said = reason or ("Error" if code else "Completed")
    words = f", message: {quoted(message)}" if message else ""
    times = f"startedAt: {ago(before + lasted)}, finishedAt: {ago(before)}"
    return f"terminated: {{exitCode: {code}, reason: {said}{words}, {times}}}"


#: How long the kubelet waits after so many restarts (MaxContainerBackOff of pkg/kubelet).
BACK_OFF = {1: "10s", 2: "20s", 3: "40s", 4: "1m20s", 5: "2m40s"}


def loops(
    code: int, reason: str = "", *, restarts: int = 4, lasted: float = 3, message: str = "", name: str = "api", init: bool = False
) -> str:
    """A container between two crashes."""
    wait = BACK_OFF.get(restarts, "5m0s")
    words = f"back-off {wait} restarting failed container={name} pod={POD}_shop(6f1c2d0e-9b3a-4c55-8d7f-2a1e0b9c8d7e)"
    last = end(code, reason, message=message, lasted=lasted)
    return waits("CrashLoopBackOff", words, restarts=restarts, last=last, name=name, init=init)


def event(
    reason: str,
    message: str,
    about: str = f"kind: Pod, name: {POD}",
    *,
    count: int = 1,
    before: float = 10,
    kind: str = "Warning",
    namespace: str = "shop",
    container: str = "",
    name: str = "",
) -> str:
    """An event; `about` names its object, `container` the container of a pod."""
    where = f", namespace: {namespace}" if namespace else ""
    part = f", fieldPath: 'spec.containers{{{container}}}'" if container else ""
    called = name or f"{about.rpartition('name: ')[2]}.18{crc32((reason + message).encode()):014x}"
    home = namespace or "default"
    return lines(
        f"apiVersion: v1\nkind: Event\nmetadata: {{name: {called}, namespace: {home}}}",
        f"involvedObject: {{{about}{where}{part}}}",
        f"type: {kind}\nreason: {reason}\nmessage: {quoted(message)}",
        f"count: {count}\nfirstTimestamp: {ago(before + 10 * (count - 1))}\nlastTimestamp: {ago(before)}",
    )


UP = pod(state=runs(), ready=True)
