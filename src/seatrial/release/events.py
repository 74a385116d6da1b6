"""What a release says of itself, and what its parts owe one another: events, phases, reason codes, exit codes, protocols.

Everything that people or machines see of a release is an `Event`; the last one carries the result.  Keys and reason codes are
stable: a key may be added, none changes its meaning while `VERSION` stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from seatrial.rules.finding import Finding
from seatrial.world.objects import Obj, Ref

#: The version of the JSON forms; it changes when a key changes its meaning or goes.
VERSION = "seatrial.dev/release/v1"

Phase = Literal["plan", "preflight", "apply", "watch", "verify", "evidence", "rollback", "done"]
PHASES: tuple[Phase, ...] = ("plan", "preflight", "apply", "watch", "verify", "evidence", "rollback", "done")

#: kind -> what its payload holds.  `ref` names the object that an event is about, where it is about one.
KINDS = {
    "begin": "release, namespace, source, context, engine, owner, started (RFC 3339)",
    "phase": "phase, state (started, done, failed, skipped), seconds (when it ended), text",
    "plan": "changes (each: action, ref, fields), summary {added, changed, removed, unchanged}",
    "timeout": "seconds, text, lines (the arithmetic), workloads [{ref, seconds, lines}]",
    "table": "title, columns, rows (what is available against what is needed)",
    "finding": "the finding, as Finding.as_json has it, and the phase it was made in",
    "lock": "state (held, waiting, taken over, lost), holder, host, since",
    "step": "text: something is being done now",
    "note": "text: worth knowing, nothing is wrong",
    "warning": "text",
    "hook": "hook (pre-upgrade, …), state (started, succeeded, failed)",
    "log": "pod, container, line, hook (whether it is a hook's), previous",
    "tree": "rows: the whole picture, one a workload, pods below (see views)",
    "verdict": "state, reason, text",
    "evidence": "folder, page",
    "interrupted": "signal, text (in which state the release is left), recover (the command that takes it up)",
    "result": "the result document: see Result.as_json",
}
Kind = Literal[
    "begin", "phase", "plan", "timeout", "table", "finding", "lock", "step", "note", "warning", "hook", "log", "tree",
    "verdict", "evidence", "interrupted", "result",
]  # fmt: skip

#: reason -> (exit code, what it means).  Reasons are stable; the most telling one is the result's.
REASONS: Mapping[str, tuple[int, str]] = {
    "Released": (0, "everything runs in its new version"),
    "NothingToDo": (0, "what is live is what was asked for"),
    "DryRun": (0, "nothing was changed: only a plan was asked for"),
    "Declined": (40, "whoever was asked said no, before anything was changed"),
    "Usage": (2, "what was asked for cannot be understood or rendered"),
    "PreflightFailed": (10, "the target cannot take this release"),
    "Locked": (10, "another release of this namespace is in progress"),
    "PendingRelease": (10, "Helm has a release in a pending state; --recover mends it"),
    "Forbidden": (10, "the cluster does not let us do or see what the release needs (401, 403)"),
    "RehearsalFailed": (11, "the rehearsal foretells a failure"),
    "ApplyFailed": (20, "Helm could not apply the objects"),
    "HookFailed": (20, "a hook of the chart failed"),
    "CrashLoop": (20, "containers of the new version end again and again"),
    "ImageUnavailable": (20, "an image cannot be pulled"),
    "ConfigError": (20, "a container cannot be made: a key, a mount or its configuration is wrong"),
    "Refused": (20, "the cluster refuses the pods: quota, limit range, pod security or another admission"),
    "Unschedulable": (20, "pods fit on no node, and no autoscaler can help"),
    "ProbeNeverPasses": (20, "a probe fails for ever"),
    "JobFailed": (20, "a job has failed"),
    "AnalysisFailed": (20, "the analysis of a canary failed"),
    "ConditionFailed": (20, "a custom resource says that it has failed"),
    "DeadlineExceeded": (20, "Kubernetes gave the rollout up: its progress deadline is over"),
    "VerificationFailed": (20, "the new version came up, and did not hold"),
    "TimedOut": (30, "not done in the time that was computed or given"),
    "Interrupted": (40, "stopped by a signal; the release is left in a state that a later run takes up"),
    "LockLost": (40, "somebody else took the lock of this release; what was being applied was stopped"),
    "Unreachable": (50, "the cluster does not answer"),
    "RolledBack": (0, "what ran before runs again, as `seatrial rollback` was asked"),
    "RollbackFailed": (22, "what ran before could not be brought back"),
}

#: What an exit code means, as the documentation prints it.
EXIT_CODES: Mapping[int, str] = {
    0: "released (or nothing to do, or rolled back by `seatrial rollback`)",
    2: "usage, or a mistake in a file",
    10: "preflight: the target cannot take it; nothing was changed",
    11: "rehearsal: it foretells a failure; nothing was changed",
    20: "failed, rolled back: the old version serves",
    21: "failed, left as it is",
    22: "failed, and the rollback failed as well",
    30: "timed out",
    40: "interrupted; the state it is left in is named",
    50: "the cluster cannot be reached",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `time` is in seconds since the release began, on a clock that does not jump."""

    time: float
    kind: Kind
    ref: Ref | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"version": VERSION, "time": round(self.time, 3), "kind": self.kind}
        if self.ref:
            document["ref"] = ref_json(self.ref)
        return {**document, **self.payload}


def ref_json(ref: Ref) -> dict[str, str]:
    return {"group": ref.group, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}


#: How a part says something: `tell("note", text="…")`, `tell("tree", rows=[…])`. Time and masking are added by who provides it.
class Tell(Protocol):
    def __call__(self, kind: Kind, ref: Ref | None = None, /, **payload: Any) -> None: ...


State = Literal["succeeded", "progressing", "doomed", "timed out"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be thought of a rollout. `reason` is a key of REASONS; `text` is one sentence with the root cause in it."""

    state: State
    reason: str = ""
    text: str = ""
    findings: tuple[Finding, ...] = ()
    refs: tuple[Ref, ...] = ()  # what it is about, the root cause first


class Clock(Protocol):
    """Seconds that never go backwards (`time.monotonic`), and seconds since 1970 (`time.time`)."""

    def monotonic(self) -> float: ...
    def time(self) -> float: ...


class Redactor(Protocol):
    """Masks secrets by their value, wherever they turn up: as they are, in base64, quoted in URLs or JSON, line by line."""

    def add(self, values: Iterable[str]) -> None:
        """Mask these as well."""

    def text(self, text: str) -> str: ...

    def data(self, value: Any) -> Any:
        """The same for a document of dictionaries and lists: a copy with every string masked."""

    def preview(self, value: str) -> str:
        """How a secret is shown so that a change is visible: a short SHA-256, as `sha256:1f3870be`."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """What is to be watched. `objects` are the wanted ones (hooks among them), each with its namespace filled in;
    `before` what was live of them; `seconds` the time each workload gets; `ready` is kept by who watches: the uid of each pod
    that is ready, and since when it has been, in seconds of `Clock.monotonic`."""

    release: str
    namespace: str
    objects: tuple[Obj, ...]
    before: Mapping[Ref, Obj] = field(default_factory=dict)
    seconds: Mapping[Ref, float] = field(default_factory=dict)
    ready: dict[str, float] = field(default_factory=dict)


class Watcher(Protocol):
    """Follows a rollout from before Helm is started until there is a verdict.

    Made as `Watcher(client, rollout, tell=…, redactor=…, clock=…)`. It tells `tree`, `log`, `finding`, `hook`; whoever runs it
    tells the verdict.
    """

    def applied(self, live: Sequence[Obj]) -> None:
        """Helm has ended well, and these are the objects as the cluster has them since: nothing succeeds before this call,
        and no state older than theirs (generation, resourceVersion) counts as the new one."""

    async def run(self, deadline: float) -> Verdict:
        """Until it has succeeded, is doomed, or `clock.monotonic()` has reached `deadline` (timed out). Raises ClusterError
        when the cluster stays away. Cancelled, it stops at once and leaves nothing running. `deadline` may be inf."""


class Verify(Protocol):
    """`await verify(client, rollout, tell=…, clock=…, settle=None, smoke="")`: whether what came up holds.

    `settle` in seconds, for which each new pod must have been ready: those that came up first have it behind them when the last
    one is ready; None: a moment, for pods that have no readiness probe. `smoke` is a request through a Service,
    `api:3000/health`; "" for none.
    """

    async def __call__(
        self, client: Any, rollout: Rollout, *, tell: Tell, clock: Clock, settle: float | None = ..., smoke: str = ...
    ) -> Verdict: ...


@dataclass(frozen=True, slots=True)
class Evidence:
    folder: Path
    page: Path | None  # the one HTML file; None where the disk had no room for it

    def as_json(self) -> dict[str, str]:
        return {"folder": str(self.folder), "page": str(self.page or self.folder)}


class SaveEvidence(Protocol):
    """`await save_evidence(client, rollout, verdict, events, redactor=…, into=Path)`: everything that explains a failure, in
    a new folder below `into`. `events` is the timeline so far. Raises OSError when it cannot be written (disk full)."""

    async def __call__(
        self, client: Any, rollout: Rollout, verdict: Verdict, events: Sequence[Event], *, redactor: Redactor, into: Path
    ) -> Evidence: ...


#: Makes a watcher: `watch.Watcher` itself, or a stand-in of a test.
MakeWatcher = Callable[..., Watcher]


@dataclass(frozen=True, slots=True)
class Result:
    """How a release ended. `failed` is the phase in which it went wrong; `phases` the seconds that each took."""

    code: int
    reason: str
    text: str
    release: str
    namespace: str
    revision: int | None = None  # of Helm, what runs now
    previous: int | None = None
    failed: Phase | None = None
    phases: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    evidence: Evidence | None = None
    summary: Mapping[str, int] = field(default_factory=dict)  # of the plan
    next: tuple[str, ...] = ()  # commands that a person may want now

    def as_json(self) -> dict[str, Any]:
        """The result document: the one that `-o json` ends with."""
        return {
            "version": VERSION,
            "exitCode": self.code,
            "reason": self.reason,
            "text": self.text,
            "release": self.release,
            "namespace": self.namespace,
            "revision": self.revision,
            "previousRevision": self.previous,
            "failedPhase": self.failed,
            "seconds": {phase: round(seconds, 3) for phase, seconds in self.phases.items()},
            "findings": [finding.as_json() for finding in self.findings],
            "evidence": self.evidence.as_json() if self.evidence else None,
            "plan": dict(self.summary),
            "next": list(self.next),
        }
