"""What is to be thought of a rollout: (state, object change) -> verdict.  Pure: time is passed in.

Rules say what is wrong with an object; here it is weighed for the release: how many of the new pods are stricken, how often, how
long, whether the old version serves, and whether something that is still under way can change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import seatrial.rules.alive  # noqa: F401 - enters the rules into their table
from seatrial.release.events import Rollout, Verdict
from seatrial.release.tree import Row, new_pods, new_replicaset, old_pods, row_of
from seatrial.rules.alive.pods import is_going, is_ready
from seatrial.rules.causes import merge
from seatrial.rules.finding import Fact, Finding, look_at
from seatrial.world import duration
from seatrial.world.objects import Obj, Ref, annotations_of, clone, dig, ref_of
from seatrial.world.world import World

#: Kinds whose pods or conditions decide a release; all others count only by their own conditions.
WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job", "Rollout", "Pod"})
#: Kinds that are followed for what they say of others; a release does not wait for their own conditions.
BESIDE = frozenset({"HorizontalPodAutoscaler"})
#: Topic of a rule (the word before its first dash) -> the reason of the release's end.
REASON_OF = {
    "crash": "CrashLoop", "image": "ImageUnavailable", "config": "ConfigError", "mount": "ConfigError", "refused": "Refused",
    "unschedulable": "Unschedulable", "probe": "ProbeNeverPasses", "job": "JobFailed", "analysis": "AnalysisFailed",
    "condition": "ConditionFailed", "deadline": "DeadlineExceeded",
}  # fmt: skip
#: The reason that is told when there are several: what explains the others first.
_RANK = ("analysis", "refused", "config", "mount", "image", "unschedulable", "crash", "probe", "job", "condition", "deadline")


@dataclass(frozen=True, slots=True)
class Weights:
    """How findings are weighed; all of it can be set (`with_settings`)."""

    share: float = 0.5  # of the new pods that must be stricken
    crashes: int = 2  # ends of a container that make a loop, where no new pod is ready; one more where some are
    stubborn: int = 5  # … however many others are well
    probes: int = 3  # failed probes before an answer is taken for the last word
    patience: float = 30.0  # seconds for what may pass by itself, while nothing serves
    patience_serving: float = 90.0  # … while the old version serves, and for what strikes only a few
    settle: float = 1.0  # seconds for pods without a node and refusals: controllers look again at once

    def with_settings(self, settings: Iterable[str]) -> Weights:
        """These weights with some set otherwise: `share=30%`, `crashes=3`, `patience=2m`. Raises ValueError."""
        found: dict[str, Any] = {}
        for text in settings:
            key, _, value = (part.strip() for part in text.partition("="))
            read, meant = _SETTINGS.get(key, (None, ""))
            if read is None:
                raise ValueError(f"{text!r} is no weight: there are {', '.join(_SETTINGS)}, each given as in share=30%")
            try:
                found[key.replace("-", "_")] = read(value)
            except ValueError:
                raise ValueError(f"{text!r}: {value!r} is not {meant}") from None
        return replace(self, **found)


def _share(text: str) -> float:
    share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= share <= 1:
        raise ValueError(text)
    return share


def _count(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def _duration(text: str) -> float:
    return float(text) if text.isdigit() else duration.parse(text)


#: A weight as it is set -> how its value is read, and what it is.
_SETTINGS: dict[str, tuple[Callable[[str], float], str]] = {
    "share": (_share, "a share such as 30% or 0.3"),
    **dict.fromkeys(("crashes", "stubborn", "probes"), (_count, "a number from 1 on")),
    **dict.fromkeys(("patience", "patience-serving", "settle"), (_duration, "a duration such as 90s")),
}


_AS_BEFORE = Fact("it was like this before the release, which has not changed it: going back does not mend it")


@dataclass
class Judge:
    """The world of a rollout and what is thought of it. `see` and `applied` change it, `verdict` reads it at a time."""

    rollout: Rollout
    weights: Weights = field(default_factory=Weights)

    def __post_init__(self) -> None:
        self.world = World()
        self.wanted = {ref_of(obj): obj for obj in self.rollout.objects}
        self._applied: dict[Ref, int] | None = None
        self._since: dict[Ref, dict[tuple[str, Ref], float]] = {}
        self._base: dict[Ref, int] = {}  # how often a pod had crashed when what it may wait for was still starting
        self._room_at = -inf  # when something was last under way that could make room

    def see(self, change: str, obj: Obj) -> None:
        if change == "DELETED":
            self.world.drop(ref_of(obj))
        else:
            self.world.put(obj)

    def applied(self, live: Sequence[Obj]) -> None:
        self._applied = {ref_of(obj): int(dig(obj, "metadata.generation", 0)) for obj in live}
        for obj in live:
            seen = self.world.get(ref_of(obj))
            if seen is None or int(dig(seen, "metadata.generation", 0)) < int(dig(obj, "metadata.generation", 0)):
                self.world.put(clone(obj))

    # what is looked at

    def hooks(self) -> list[Ref]:
        return [ref for ref, obj in self.wanted.items() if "helm.sh/hook" in annotations_of(obj)]

    def rows(self) -> list[Row]:
        """How far each object of the rollout is that can be on its way; hooks are Helm's to wait for."""
        rows = []
        for ref, obj in self.wanted.items():
            if "helm.sh/hook" in annotations_of(obj):
                continue
            live = self.world.get(ref)
            if live is not None and (ref.kind in WORKLOADS or (ref.kind not in BESIDE and dig(live, "status.conditions"))):
                rows.append(row_of(self.world, live))
            elif live is None and ref.kind in WORKLOADS:
                rows.append(Row(obj, "waiting", 0, int(dig(obj, "spec.replicas", 1)), why="is not there yet"))
        return rows

    def judged(self, ref: Ref) -> bool:
        """Whether what is live is what was asked for: before Helm has ended, only what has changed counts."""
        live, before = self.world.get(ref), self.rollout.before.get(ref)
        if live is None:
            return False
        generation = int(dig(live, "metadata.generation", 0))
        if self._applied is not None:
            return generation >= self._applied.get(ref, 0)
        if before is None or dig(before, "metadata.uid") != dig(live, "metadata.uid"):
            return True
        return generation > int(dig(before, "metadata.generation", 0))

    def findings(self, ref: Ref) -> list[Finding]:
        """What the rules say of a workload, of what it made for its new version, and of its new pods."""
        live = self.world.get(ref)
        if live is None:
            return []
        looked: list[Obj] = [live]
        current = new_replicaset(self.world, live) if ref.kind == "Deployment" else None
        looked += [current] if current is not None else []
        looked += [run for run in self.world.owned(live, "AnalysisRun") if not is_going(run)]
        looked += [pod for pod in new_pods(self.world, live) if pod is not live]
        return [finding for obj in looked for finding in look_at(self.world, obj, live=True)]

    # the verdict

    def verdict(self, now: float) -> Verdict:
        rows = self.rows()
        grave: list[Finding] = []
        for ref in [ref_of(row.obj) for row in rows] + self.hooks():
            if self.judged(ref):
                grave += self._doom(ref, rows, now)
        if grave:
            return self._doomed(grave)
        behind = [row for row in rows if not row.settled]
        if self._applied is not None and not behind and all(self.judged(ref_of(row.obj)) for row in rows):
            return Verdict("succeeded", "Released", "everything runs in its new version")
        waits = f"{behind[0].obj['kind']} {dig(behind[0].obj, 'metadata.name')} {behind[0].why}" if behind else "Helm is at work"
        return Verdict("progressing", "", waits.strip())

    def _doom(self, ref: Ref, rows: Sequence[Row], now: float) -> list[Finding]:
        """The findings of one workload that weigh enough."""
        live = self.world.get(ref)
        assert live is not None
        found = self.findings(ref)
        self._remember(ref, found, now)
        pods = new_pods(self.world, live)
        ready = sum(map(is_ready, pods))
        serving = ready > 0 or any(map(is_ready, old_pods(self.world, live)))
        by_rule: dict[str, list[Finding]] = {}
        for finding in found:
            by_rule.setdefault(finding.rule.partition("-")[0], []).append(finding)
        grave: list[Finding] = []
        for topic, several in by_rule.items():
            share = len({one.refs[-1] for one in several}) / max(1, len(pods))
            for finding in several:
                if self._weighs(finding, topic, share, ready, serving, rows, ref, now):
                    grave.append(finding)
        if grave and all(one.rule.startswith("deadline") for one in grave):  # the root cause is what the pods say
            grave = [one for one in found if one.severity != "note" and one not in grave] + grave
        return [replace(one, evidence=(*one.evidence, _AS_BEFORE)) for one in grave] if self._is_as_before(ref, live) else grave

    def _is_as_before(self, ref: Ref, live: Obj) -> bool:
        """Whether a workload was not well before the release, which has not changed it."""
        before = self.rollout.before.get(ref)
        if before is None or dig(before, "metadata.generation") != dig(live, "metadata.generation"):
            return False
        return not row_of(self.world, before).settled

    def _remember(self, ref: Ref, found: Iterable[Finding], now: float) -> None:
        """Since when each finding stands; one that went away begins anew."""
        known = self._since.get(ref, {})
        self._since[ref] = {(one.rule, one.refs[-1]): known.get((one.rule, one.refs[-1]), now) for one in found}

    def _weighs(
        self, finding: Finding, topic: str, share: float, ready: int, serving: bool, rows: Sequence[Row], ref: Ref, now: float
    ) -> bool:
        weights = self.weights
        stood = now - self._since[ref][finding.rule, finding.refs[-1]]
        count = int(finding.details.get("count", 1))
        if finding.severity == "note":
            return False
        if topic in ("job", "analysis", "condition", "deadline"):
            return finding.severity == "error"
        if topic in ("refused", "unschedulable"):
            if finding.severity == "error":
                return self._no_way_out(finding, topic, stood, rows, now)
            return stood >= (weights.patience_serving if serving else weights.patience)
        if finding.severity == "warning":
            if topic == "crash" or finding.rule == "probe-kills":
                return False
            return share >= weights.share and stood >= (weights.patience_serving if serving else weights.patience)
        if topic == "crash" or finding.rule == "probe-kills":
            return self._loops(finding, count, share, ready, serving, rows, ref)
        if topic == "probe" and count < weights.probes:
            return False
        return share >= weights.share or stood >= weights.patience_serving

    def _no_way_out(self, finding: Finding, topic: str, stood: float, rows: Sequence[Row], now: float) -> bool:
        """Whether a pod that has no place will get none: a moment after the last thing that could have made room."""
        if topic == "refused" and finding.rule != "refused-quota":
            return True
        if self._room_may_come(rows):
            self._room_at = now
        return min(stood, now - self._room_at) >= self.weights.settle

    def _loops(
        self, finding: Finding, count: int, share: float, ready: int, serving: bool, rows: Sequence[Row], ref: Ref
    ) -> bool:
        """Whether a crash loop is one for good: a first installation may wait for its neighbours, which are still starting."""
        if count >= self.weights.stubborn:
            return True
        if not serving and self._others_start(ref, rows):
            self._base[finding.refs[-1]] = count
            return False
        needed = self.weights.crashes if not ready else self.weights.crashes + 1
        return share >= self.weights.share and count >= needed and count > self._base.get(finding.refs[-1], 0)

    def _others_start(self, ref: Ref, rows: Sequence[Row]) -> bool:
        """Whether another workload is still on its way up, with no fault of its own."""
        for row in rows:
            other = ref_of(row.obj)
            if other == ref or row.settled or other.kind not in WORKLOADS:
                continue
            if not any(finding.severity != "note" for finding in self.findings(other)):
                return True
        return False

    def _room_may_come(self, rows: Sequence[Row]) -> bool:
        """Whether pods that go, or that will go when their followers are ready, can make room on a node or in a quota."""
        if any(is_going(pod) for pod in self.world.of("Pod")):
            return True
        for row in rows:
            if not row.old:
                continue
            starting = [pod for pod in new_pods(self.world, row.obj) if not is_ready(pod) and dig(pod, "spec.nodeName")]
            if starting and not self._stricken(row):
                return True
        return False

    def _stricken(self, row: Row) -> bool:
        return any(
            f.severity != "note" and not f.rule.startswith(("refused", "unschedulable")) for f in self.findings(ref_of(row.obj))
        )

    def _doomed(self, grave: Sequence[Finding]) -> Verdict:
        merged = merge(sorted(grave, key=_rank))
        first = merged[0]
        hook = any(ref in set(self.hooks()) for ref in first.refs)
        reason = "HookFailed" if hook else reason_of(first)
        return Verdict("doomed", reason, first.title, tuple(merged), first.refs)


def reason_of(finding: Finding) -> str:
    """The reason code that a finding stands for."""
    if finding.rule == "probe-kills":
        return "ProbeNeverPasses"
    return REASON_OF.get(finding.rule.partition("-")[0], "ApplyFailed")


def _rank(finding: Finding) -> int:
    topic = finding.rule.partition("-")[0]
    return _RANK.index(topic) if topic in _RANK else len(_RANK)
