"""Recorded rollouts played on the twin in virtual time, and how like the recordings they come out.

A container does what its scenario's `behaviour` says.  How long the recorded machine took to bring each pod up is given to the
twin: pods are matched in the order in which they came, and each one's container starts as much later as its recorded twin was
ready later than it had to be.  Compared are the states of each workload, the time of the last change, and the restarts.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

import yaml

from seatrial.twin.clock import VirtualClock, timestamp
from seatrial.twin.cluster import Cluster
from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.kubelet.profiles import Profile
from seatrial.twin.kubelet.runtime import ContainerSpec
from seatrial.twin.kubelet.simulated import SimulatedRuntime
from seatrial.twin.kubelet.timing import REFERENCE
from seatrial.twin.store import Change
from seatrial.world.objects import Obj, clone, name_of

FOLDER = Path(__file__).parent / "recordings" / "rollouts"
NAMESPACE = "f-roll"

#: Recorded states that lie closer together than this are one, in seconds.
MERGED = 0.3

State = tuple[int, ...]
Row = tuple[float, State]

#: What is compared of a workload's status, by kind.
COUNTS = {
    "Deployment": ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"),
    "StatefulSet": ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"),
    "Job": ("active", "succeeded", "failed"),
}


def scenarios() -> dict[str, dict[str, Any]]:
    return {s["name"]: s for s in yaml.safe_load_all((FOLDER / "scenarios.yaml").read_text())}


def golden(name: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads((FOLDER / "golden" / f"{name}.json").read_text())
    return answer


@dataclass
class Played:
    """What came of a scenario: rows by workload, restarts of the pods in the order in which they came."""

    workloads: dict[str, list[Row]] = field(default_factory=dict)
    restarts: list[int] = field(default_factory=list)

    def merged(self, workload: str) -> list[State]:
        """The states of a workload, those that came close after one another as one."""
        states: list[State] = []
        before = -inf
        for at, state in self.workloads[workload]:
            if at - before < MERGED and states:
                states[-1] = state
            else:
                states.append(state)
            before = at
        return [state for index, state in enumerate(states) if not index or state != states[index - 1]]

    def ended(self, workload: str) -> float:
        """When a workload changed last, in seconds after the change."""
        return self.workloads[workload][-1][0]


def recorded(name: str) -> Played:
    answer = golden(name)
    played = Played()
    for workload, rows in answer["workloads"].items():
        keys = COUNTS[workload.partition("/")[0]]
        played.workloads[workload] = _changes([(at, tuple(state.get(key, 0) for key in keys)) for at, state in rows])
    played.restarts = [pod.get("restarts", 0) for pod in _newcomers(answer)]
    return played


def _changes(rows: list[Row]) -> list[Row]:
    """Rows that differ from the one before."""
    kept: list[Row] = []
    for at, state in rows:
        if kept and kept[-1][1] == state:
            continue
        kept.append((at, state))
    return kept


def play(name: str) -> Played:
    return _Stage(scenarios()[name], golden(name)).play()


class _Stage:
    """One scenario on one cluster."""

    def __init__(self, scenario: dict[str, Any], answer: dict[str, Any]) -> None:
        self.scenario, self.answer = scenario, answer
        self.clock = VirtualClock()
        self.runtime = SimulatedRuntime(self.clock, self._profile)
        self.cluster = Cluster(self.clock, self.runtime, [NodeSpec("node-a", cpu="2", memory="8Gi")], seed=1, track_fields=False)
        self.latencies = _latencies(scenario, answer)
        self.client = _client_latency(answer)
        self.started: dict[str, float] = {}
        self.zero = inf
        self.played = Played()
        self.old: set[str] = set()  # names of the pods before the change: those of a StatefulSet come again
        self.new: dict[str, int] = {}

    def _profile(self, image: str, spec: ContainerSpec | None) -> Profile | None:
        behaviour = self.scenario["behaviour"]
        profile = Profile(ready_after=behaviour["ready_after"], term_after=behaviour["term_after"])
        if spec is None:
            return profile
        if self.clock.now() >= self.zero and "exits_after" in behaviour:
            profile = replace(profile, exits_after=behaviour["exits_after"], exit_code=behaviour["exit_code"])
        if self.clock.now() >= self.zero and spec.attempt == 0:
            profile = replace(profile, start_seconds=self._latency(spec.pod_uid))
        return profile

    def _latency(self, uid: str) -> float:
        if uid not in self.started:
            self.started[uid] = self.latencies[len(self.started)] if len(self.started) < len(self.latencies) else 0.5
        return self.started[uid]

    def play(self) -> Played:
        cluster = self.cluster
        cluster.start()
        cluster.registry.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        self._apply(self.scenario["setup"])
        self.clock.run_for(max(self.scenario.get("settle", 8), 8) + 2)
        self.zero = self.clock.now()
        self.old = {name_of(pod) for pod in cluster.registry.list("pods", NAMESPACE)}
        for resource in ("deployments.apps", "statefulsets.apps", "jobs.batch"):
            for obj in cluster.registry.list(resource, NAMESPACE):
                self._note(Change("ADDED", resource, obj, None, 0))
            cluster.store.subscribe(resource, self._note)
        cluster.store.subscribe("pods", self._note_pod)
        if "command" in self.scenario:
            self.clock.call_later(self.client, self._command, self.scenario["command"])
        else:
            self.clock.call_later(self.client, self._apply, self.scenario["change"])
        for step in self.scenario.get("then", ()):
            self.clock.call_later(step["at"] + self.client, self._command, step["command"])
        self.clock.run_for(self.scenario["watch"])
        cluster.stop()
        self.played.workloads = {name: _changes(rows) for name, rows in self.played.workloads.items()}
        self.played.restarts = list(self.new.values())
        return self.played

    def _note(self, change: Change) -> None:
        obj = change.object
        keys = COUNTS[obj["kind"]]
        status = obj.get("status") or {}
        rows = self.played.workloads.setdefault(f"{obj['kind']}/{name_of(obj)}", [])
        at = self.clock.now() - self.zero if self.clock.now() > self.zero else -1.0
        rows.append((at, tuple(status.get(key, 0) for key in keys)))

    def _note_pod(self, change: Change) -> None:
        uid = change.object["metadata"]["uid"]
        if (change.type == "ADDED" and name_of(change.object) not in self.old) or uid in self.new:
            said = (change.object.get("status") or {}).get("containerStatuses") or [{}]
            self.new[uid] = said[0].get("restartCount", 0)

    # what kubectl did

    def _apply(self, text: str) -> None:
        registry = self.cluster.registry
        for document in yaml.safe_load_all(text):
            if not document:
                continue
            obj = {**document, "metadata": {**document["metadata"], "namespace": NAMESPACE}}
            kind = registry.resources.of_kind(obj["apiVersion"], obj["kind"])
            assert kind is not None
            found = registry.find(kind.id, NAMESPACE, name_of(obj))
            if found is None:
                registry.create(kind.id, obj)
            else:
                registry.update(kind.id, {**found, "metadata": dict(found["metadata"]), "spec": clone(obj["spec"])})

    def _command(self, command: str) -> None:
        """The few commands that scenarios give: scale, set env, rollout restart."""
        words = [word for word in shlex.split(command) if word not in ("kubectl", "-n", NAMESPACE)]
        registry = self.cluster.registry
        target = next(word for word in words if "/" in word)
        resource = {"deployment": "deployments.apps", "statefulset": "statefulsets.apps"}[target.partition("/")[0]]
        obj = clone(registry.get(resource, NAMESPACE, target.partition("/")[2]))
        if words[0] == "scale":
            obj["spec"]["replicas"] = next(int(w.partition("=")[2]) for w in words if w.startswith("--replicas="))
        elif words[:2] == ["set", "env"]:
            name, _, value = words[-1].partition("=")
            container = obj["spec"]["template"]["spec"]["containers"][0]
            container["env"] = [v for v in container.get("env", ()) if v["name"] != name] + [{"name": name, "value": value}]
        elif words[:2] == ["rollout", "restart"]:
            annotations = obj["spec"]["template"]["metadata"].setdefault("annotations", {})
            annotations["kubectl.kubernetes.io/restartedAt"] = timestamp(self.clock.now())
        else:
            raise ValueError(f"a scenario gives a command that is not known here: {command}")
        registry.update(resource, obj)


def _client_latency(answer: Obj) -> float:
    """Seconds from the start of a scenario's command to the first thing seen of it: kubectl takes that long."""
    seen = [pod[mark] for pod in answer["pods"].values() for mark in ("seen", "terminating") if pod.get(mark, 0) > 0]
    changed = [at for rows in answer["workloads"].values() for at, _ in rows if at > 0]
    return float(min([*seen, *changed]))


def _newcomers(answer: Obj) -> list[Obj]:
    """The pods that came after the change, in their order."""
    return sorted((pod for pod in answer["pods"].values() if pod["seen"] > 0), key=lambda pod: pod["seen"])


def _replaced(answer: Obj) -> list[Obj]:
    """The pods of a StatefulSet, which come again under their names: their times are read off the rows of the workload."""
    found: list[Obj] = []
    for rows in answer["workloads"].values():
        for (_, before), (at, state) in pairwise(rows):
            if state.get("updatedReplicas", 0) > before.get("updatedReplicas", 0) and state["replicas"] > before["replicas"]:
                found.append({"seen": at, "scheduled": at})
            elif found and state.get("readyReplicas", 0) > before.get("readyReplicas", 0):
                found[-1].setdefault("ready", at)
    return found


def _latencies(scenario: Obj, answer: Obj) -> list[float]:
    """For each new pod in its order, the seconds from its binding to its container's start that account for when it was ready.

    Pods that come within a moment of one another count from the first: the recorded controllers took their time over each.
    """
    found, wave = [], -inf
    for pod in _newcomers(answer) or _replaced(answer):
        if pod["seen"] - wave > MERGED:
            wave = pod["scheduled"]
        found.append(_latency(pod, wave, scenario))
    return found


def _latency(pod: Obj, bound: float, scenario: Obj) -> float:
    probe = _probe(scenario)
    if "ready" not in pod or probe is None:
        return float(pod.get("started", bound + 0.5) - bound)
    delay, period = probe
    due = delay
    while due < scenario["behaviour"]["ready_after"]:
        due += period
    return max(0.05, pod["ready"] - bound - due - REFERENCE.probe)


def _probe(scenario: Obj) -> tuple[float, float] | None:
    text = scenario.get("change") or scenario["setup"]
    for document in yaml.safe_load_all(text):
        for container in ((document or {}).get("spec", {}).get("template", {}).get("spec", {})).get("containers", ()):
            probe = container.get("readinessProbe")
            if probe and "startupProbe" not in container:
                return probe.get("initialDelaySeconds", 0), probe.get("periodSeconds", 10)
    return None


def differences(name: str) -> list[str]:
    """What is not as recorded, in words; empty when all is."""
    ours, theirs = play(name), recorded(name)
    found = []
    for workload in theirs.workloads:
        if workload not in ours.workloads:
            found.append(f"{workload} is missing")
            continue
        here, there = ours.merged(workload), theirs.merged(workload)
        if here != there:
            found.append(f"{workload}: states {here}, recorded {there}")
        end, recorded_end = ours.ended(workload), theirs.ended(workload)
        if abs(end - recorded_end) > max(0.75, 0.1 * recorded_end):
            found.append(f"{workload}: last change after {end:.2f} s, recorded {recorded_end:.2f} s")
    if ours.restarts != theirs.restarts:
        found.append(f"restarts {ours.restarts}, recorded {theirs.restarts}")
    return found
