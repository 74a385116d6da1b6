"""The rollouts recorded on a real cluster, before the judge: those that ended well raise no alarm, the others are known early.

`liveness-restarts-1` came up before it fell over: that it does not hold is found by the verification after the roll.
"""

from __future__ import annotations

from typing import Any

import pytest

from fidelity import rollouts
from seatrial.release.events import Rollout, Verdict
from seatrial.release.verdict import Judge
from seatrial.twin.store import Change
from seatrial.world.objects import Obj, Ref, clone, ref_of

#: scenario -> the reason, and the second after the change by which it has to be known.
DOOMED = {
    "crash-stuck-4": ("CrashLoop", 4.0),
    "crashloop-timing-1": ("CrashLoop", 4.0),
    "quota-blocks-surge-4": ("Refused", 3.0),
    "job-backoff": ("JobFailed", 60.0),
}
#: Not done when the recording ends: its controller waits long between two tries, and room is there.
STALLED = {"quota-allows-unavailable-4"}
SEEN = ("pods", "events", "deployments.apps", "replicasets.apps", "statefulsets.apps", "jobs.batch", "resourcequotas")


class Judged(rollouts._Stage):
    """A recorded scenario with a judge who sees every change from its beginning on."""

    judge: Judge | None = None
    verdict, at = Verdict("progressing"), 0.0

    def _client(self) -> None:
        registry = self.cluster.registry
        live = [o for r in ("deployments.apps", "statefulsets.apps", "jobs.batch") for o in registry.list(r, rollouts.NAMESPACE)]
        before: dict[Ref, Obj] = {ref_of(obj): clone(obj) for obj in live}
        wanted = list(before.values()) or self._wanted()
        self.judge = Judge(Rollout("r", rollouts.NAMESPACE, tuple(wanted), before))
        self.judge.world.facts["autoscaler"] = ""
        for resource in SEEN:
            for obj in registry.list(resource, rollouts.NAMESPACE):
                self.judge.see("ADDED", obj)
            self.cluster.store.subscribe(resource, self._judge)

    def _wanted(self) -> list[Obj]:
        import yaml

        documents = [document for document in yaml.safe_load_all(self.scenario["change"]) if document]
        return [{**each, "metadata": {**each["metadata"], "namespace": rollouts.NAMESPACE}} for each in documents]

    def _changed(self) -> None:
        """The change has been made: what is live now is what was asked for."""
        assert self.judge is not None
        kinds = {"Deployment": "deployments.apps", "StatefulSet": "statefulsets.apps", "Job": "jobs.batch"}
        live = [self.cluster.registry.find(kinds[r.kind], r.namespace, r.name) for r in self.judge.wanted if r.kind in kinds]
        self.judge.applied([clone(obj) for obj in live if obj is not None])

    def _apply(self, text: str) -> None:
        super()._apply(text)
        if self.judge is not None:
            self._changed()

    def _command(self, command: str) -> None:
        super()._command(command)
        self._changed()

    def _judge(self, change: Change) -> None:
        assert self.judge is not None
        self.judge.see(change.type, change.object)
        if self.verdict.state == "progressing" and self.clock.now() > self.zero:
            self.verdict = self.judge.verdict(self.clock.now())
            self.at = self.clock.now() - self.zero

    def begin(self) -> None:
        """Called at the zero of the recording, when everything before has settled."""
        self._client()


def judged(name: str) -> Judged:
    stage: Any = Judged(rollouts.scenarios()[name], rollouts.golden(name))
    subscribe = stage.cluster.store.subscribe

    def first(resource: str, listener: Any) -> Any:
        if stage.judge is None and resource == "deployments.apps" and stage.zero < float("inf"):
            stage.judge = Judge(Rollout("", "", ()))  # the next line makes the real one, and subscribes itself
            stage.cluster.store.subscribe = subscribe
            stage.begin()
        return subscribe(resource, listener)

    stage.cluster.store.subscribe = first
    stage.play()
    return stage  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", sorted(set(rollouts.scenarios()) - set(DOOMED)))
def test_a_rollout_that_went_well_raises_no_alarm(name: str) -> None:
    verdict = judged(name).verdict
    assert verdict.state == ("progressing" if name in STALLED else "succeeded"), verdict


@pytest.mark.parametrize("name", DOOMED)
def test_a_rollout_that_could_not_go_well_is_known_early(name: str) -> None:
    stage = judged(name)
    reason, by = DOOMED[name]
    assert (stage.verdict.state, stage.verdict.reason) == ("doomed", reason), stage.verdict
    assert stage.at <= by
