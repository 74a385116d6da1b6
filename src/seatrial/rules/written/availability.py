# ruff: noqa: E501 - a line of the table is one saying
"""What a workload does to its own availability: rollouts, single replicas, ends without time, selectors that do not fit."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, Severity, check
from seatrial.rules.written.containers import replicas_of
from seatrial.rules.written.examples import container as example
from seatrial.rules.written.examples import manifest
from seatrial.rules.written.pods import Pods, check_pods, pods_of
from seatrial.rules.written.reading import has, items, mapping, number, percent, strings, text, value
from seatrial.rules.written.telling import Path, put, take, tell
from seatrial.world.objects import Obj, ref_of
from seatrial.world.patterns import pattern
from seatrial.world.selectors import matches
from seatrial.world.world import World

_REFUSED = "The API server refuses the object."
_PORT = "ports: [{name: http, containerPort: 8080}]"
_PAUSE = f"{_PORT}\nlifecycle: {{preStop: {{sleep: {{seconds: 5}}}}}}"

RULES = (
    Rule("strategy-recreate", "warning", "ends all its replicas before it starts new ones", "Every release is an outage as long as the slowest start.",
         "Use RollingUpdate with maxUnavailable: 0; Recreate is for a single replica with a volume of its own.",
         example("", spec="replicas: 3\nstrategy: {type: Recreate}"), example("", spec="replicas: 3\nstrategy: {type: RollingUpdate}")),
    Rule("rollout-stuck", "error", "may neither add nor remove a pod in a rollout", _REFUSED,
         "Let maxSurge or maxUnavailable be more than 0.",
         example("", spec="strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}"), example("", spec="strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}")),
    Rule("rollout-outage", "warning", "may have no pod left in a rollout", "A release takes all replicas out of service at once.",
         "Set maxUnavailable: 0 (or 25 %).",
         example("", spec="replicas: 2\nstrategy: {rollingUpdate: {maxUnavailable: 100%}}"), example("", spec="replicas: 2\nstrategy: {rollingUpdate: {maxUnavailable: 0}}")),
    Rule("single-replica", "note", "has one replica", "Every drained node, eviction and crash is an outage.",
         "Run two or more, or say by annotation why one is enough.",
         example("", spec="replicas: 1"), example("", spec="replicas: 2")),
    Rule("deadline-before-ready", "error", "gives up before a pod can count as ready", _REFUSED,
         "Let progressDeadlineSeconds be more than minReadySeconds.",
         example("", spec="minReadySeconds: 60\nprogressDeadlineSeconds: 30"), example("", spec="minReadySeconds: 10\nprogressDeadlineSeconds: 600")),
    Rule("deadline-before-probes", "warning", "gives up before its own probes do", "A start that the probes allow is reported as failed: the pipeline rolls back what would have come up.",
         "Raise progressDeadlineSeconds above the startup probe's time.",
         example(f"{_PORT}\nstartupProbe: {{httpGet: {{path: /, port: http}}, periodSeconds: 10, failureThreshold: 90}}", spec="progressDeadlineSeconds: 300"),
         example(f"{_PORT}\nstartupProbe: {{httpGet: {{path: /, port: http}}, periodSeconds: 10, failureThreshold: 30}}", spec="progressDeadlineSeconds: 600")),
    Rule("no-history", "warning", "keeps no earlier version", "There is nothing to roll back to: `kubectl rollout undo` fails when it is needed.",
         "Leave revisionHistoryLimit out, or keep a few.",
         example("", spec="revisionHistoryLimit: 0"), example("", spec="revisionHistoryLimit: 3")),
    Rule("grace-too-short", "warning", "is killed while its preStop hook still waits", "The grace period counts from the beginning of the hook: SIGTERM never comes, requests in flight are cut.",
         "Let terminationGracePeriodSeconds be the hook's time plus what the process needs to end.",
         example(f"{_PORT}\nlifecycle: {{preStop: {{exec: {{command: [sleep, '45']}}}}}}"), example(_PAUSE)),
    Rule("grace-zero", "warning", "is killed without a warning", "It is deleted as by `--force`: gone from the API at once, killed two seconds after SIGTERM; requests in flight and unwritten data are lost, and a StatefulSet may run two pods of one name.",
         "Leave terminationGracePeriodSeconds out (30 s).",
         example(_PORT, pod="terminationGracePeriodSeconds: 0"), example(_PORT)),
    Rule("pre-stop-missing", "note", "ends at once when it is told to", "The load balancers hear of it a moment later and still send requests: each rollout loses a few.",
         "Add a preStop sleep of a few seconds.",
         example(_PORT), example(_PAUSE)),
    Rule("spread-missing", "note", "does not spread its replicas", "The scheduler may place all of them on one node, which takes them all down with it.",
         "Add a topologySpreadConstraint over kubernetes.io/hostname or the zone.",
         example("", spec="replicas: 3"),
         example("", spec="replicas: 3", pod="topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: api}}}]")),
    Rule("spread-of-others", "warning", "spreads by pods that are not its own", "The constraint counts other pods (or none): its own may all be on one node, or none may be placed.",
         "Let the labelSelector select the workload's own pods.",
         example("", pod="topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}}]"),
         example("", pod="topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: api}}}]")),
    Rule("spread-invalid", "error", "has a spread constraint that cannot be", _REFUSED,
         "maxSkew is 1 or more; topologyKey and whenUnsatisfiable are needed; minDomains goes with DoNotSchedule.",
         example("", pod="topologySpreadConstraints: [{maxSkew: 0, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]"),
         example("", pod="topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: api}}}]")),
    Rule("selector-of-others", "error", "does not select its own pods", _REFUSED + " Its selector and the labels of its template differ.",
         "Give the template every label of the selector.",
         manifest("apps/v1", "Deployment", "spec:\n  selector: {matchLabels: {app: api}}\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: api, image: 'registry.example/api:1.4.2'}]}"),
         example("")),
    Rule("selector-missing", "error", "has no selector", _REFUSED,
         "Add selector.matchLabels with labels of the template.",
         manifest("apps/v1", "Deployment", "spec:\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: api, image: 'registry.example/api:1.4.2'}]}"),
         example("")),
    Rule("node-pinned", "warning", "names the node it runs on", "The scheduler is passed over: when the node is full or gone, the pods fail and are not placed elsewhere.",
         "Use nodeSelector or affinity.",
         example("", pod="nodeName: node-1"), example("", pod="nodeSelector: {disktype: ssd}")),
    Rule("replicas-invalid", "error", "has a number of replicas that is none", _REFUSED,
         "Write a whole number, 0 or more.",
         example("", spec="replicas: '0'"), example("", spec="replicas: 2")),
)  # fmt: skip

STRATEGIC = ("Deployment", "Rollout")
SELECTING = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Rollout")
_SLEEP = pattern(r"\bsleep\s+(\d+)")


@check(*STRATEGIC, rules=RULES[:7])
def rolling(world: World, obj: Obj) -> Iterator[Finding]:
    """How a Deployment goes from one version to the next."""
    spec = mapping(obj, "spec")
    strategy = mapping(spec, "strategy")
    count = replicas_of(obj)
    if text(strategy, "type") == "Recreate" and (count > 1 or _is_served(world, obj)):
        # of one replica it may be meant: a disk that no second pod can have
        severity: Severity | None = None if count > 1 else "note"
        at: Path = ("spec", "strategy", "type")
        yield tell(world, "strategy-recreate", obj, at, f"type: Recreate, replicas: {count}", severity=severity)
    kind = "canary" if obj.get("kind") == "Rollout" else "rollingUpdate"
    rolling = mapping(strategy, kind)
    surge, gone = rolling.get("maxSurge"), rolling.get("maxUnavailable")
    at = ("spec", "strategy", kind)
    if _is_zero(surge) and _is_zero(gone):
        ops = [put(obj, (*at, "maxSurge"), 1)]
        yield tell(world, "rollout-stuck", obj, at, f"maxSurge: {surge}, maxUnavailable: {gone}", ops=ops)
    if percent(gone) == 100 or (isinstance(gone, int) and count > 1 and gone >= count):
        yield tell(world, "rollout-outage", obj, (*at, "maxUnavailable"), f"maxUnavailable: {gone}, replicas: {count}")
    if value(spec, "replicas") == 1:
        yield tell(world, "single-replica", obj, ("spec", "replicas"), "replicas: 1")
    ready, deadline = number(spec, "minReadySeconds"), number(spec, "progressDeadlineSeconds", default=600)
    if deadline <= ready and has(spec, "minReadySeconds"):
        words = f"minReadySeconds: {ready:.0f}, progressDeadlineSeconds: {deadline:.0f}"
        yield tell(world, "deadline-before-ready", obj, ("spec", "progressDeadlineSeconds"), words)
    start = _slowest_start(world, obj)
    if 0 < deadline < start + ready:
        words = f"progressDeadlineSeconds: {deadline:.0f}; probes allow {start:.0f} s, minReadySeconds {ready:.0f}"
        yield tell(world, "deadline-before-probes", obj, ("spec", "progressDeadlineSeconds"), words)
    if value(spec, "revisionHistoryLimit") == 0 and obj.get("kind") == "Deployment":
        at = ("spec", "revisionHistoryLimit")
        yield tell(world, "no-history", obj, at, "revisionHistoryLimit: 0", ops=[take(at)])


def _is_served(world: World, obj: Obj) -> bool:
    """Whether a Service sends requests to the pods."""
    return any(one.relation == "selects" and one.source.kind == "Service" for one in world.graph.into(ref_of(obj)))


def _is_zero(written: object) -> bool:
    return (written == 0 and written is not False) or written in ("0", "0%")


def _slowest_start(world: World, obj: Obj) -> float:
    """Seconds that the startup probes of a workload's containers allow."""
    pods = pods_of(world, obj)
    probes = [mapping(each.spec, "startupProbe") for each in pods.main] if pods else []
    return max(
        (
            number(each, "initialDelaySeconds")
            + number(each, "periodSeconds", default=10) * number(each, "failureThreshold", default=3)
            for each in probes
            if each
        ),
        default=0.0,
    )


@check_pods(rules=RULES[7:10])
def ending(world: World, pods: Pods) -> Iterator[Finding]:
    """Whether a pod has the time that its end takes."""
    if not pods.lasting:
        return
    at = (*pods.spec_path, "terminationGracePeriodSeconds")
    grace = number(pods.spec, "terminationGracePeriodSeconds", default=30)
    if grace == 0:
        yield tell(world, "grace-zero", pods.obj, at, "terminationGracePeriodSeconds: 0", ops=[take(at)])
    for each in pods.main:
        hook = mapping(each.spec, "lifecycle", "preStop")
        waits = _sleeps(hook)
        if waits and waits >= grace > 0:
            words = f"preStop waits {waits:.0f} s, terminationGracePeriodSeconds is {grace:.0f}"
            ops = [put(pods.obj, at, int(waits) + 30)]
            there = (*each.path, "lifecycle", "preStop")
            yield tell(world, "grace-too-short", pods.obj, there, words, who=each.who, ops=ops)
        if not hook and items(each.spec, "ports") and pods.kind in ("Deployment", "Rollout"):
            yield tell(world, "pre-stop-missing", pods.obj, (*each.path, "lifecycle"), "preStop: not set", who=each.who)


def _sleeps(hook: Obj) -> float:
    if has(hook, "sleep"):
        return number(hook, "sleep", "seconds")
    found = _SLEEP.search(" ".join(strings(hook, "exec", "command")))
    return float(found[1]) if found else 0.0


@check_pods(rules=RULES[10:13] + RULES[15:16])
def placing(world: World, pods: Pods) -> Iterator[Finding]:
    """Where the replicas go."""
    spec, obj = pods.spec, pods.obj
    at = (*pods.spec_path, "topologySpreadConstraints")
    constraints = items(spec, "topologySpreadConstraints")
    spreads = constraints or mapping(spec, "affinity") or pods.kind not in ("Deployment", "StatefulSet", "Rollout")
    if not spreads and replicas_of(obj) > 1:
        words = f"replicas: {replicas_of(obj)}, no topologySpreadConstraints, no affinity"
        yield tell(world, "spread-missing", obj, at, words)
    for place, constraint in enumerate(constraints):
        skew, selector = constraint.get("maxSkew"), constraint.get("labelSelector")
        soft = constraint.get("whenUnsatisfiable") == "ScheduleAnyway"
        missing = [field for field in ("topologyKey", "whenUnsatisfiable", "maxSkew") if field not in constraint]
        if missing or not isinstance(skew, int) or skew < 1 or (soft and "minDomains" in constraint):
            words = (
                f"not set: {', '.join(missing)}"
                if missing
                else f"maxSkew: {skew}, minDomains: {constraint.get('minDomains', 'not set')}"
            )
            yield tell(world, "spread-invalid", obj, (*at, place), words)
        if selector is None and "matchLabelKeys" not in constraint:
            words = "labelSelector: not set, which counts no pods"
            ops = [put(obj, (*at, place, "labelSelector"), {"matchLabels": dict(pods.labels)})] if pods.labels else []
            yield tell(world, "spread-of-others", obj, (*at, place), words, ops=ops)
        elif isinstance(selector, dict) and pods.labels and not _matches(selector, pods.labels):
            words = f"labelSelector: {selector}; its pods have {pods.labels}"
            yield tell(world, "spread-of-others", obj, (*at, place, "labelSelector"), words)
    if isinstance(spec.get("nodeName"), str) and pods.kind != "Pod":
        yield tell(world, "node-pinned", obj, (*pods.spec_path, "nodeName"), f"nodeName: {spec['nodeName']}")


def _pairs(labels: Obj) -> str:
    return ", ".join(f"{key}: {given}" for key, given in labels.items()) or "none"


def _matches(selector: Obj, labels: dict[str, str]) -> bool:
    try:
        return matches(selector, labels)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError):
        return True  # a malformed selector is for the rules of shapes


@check(*SELECTING, rules=RULES[13:15] + RULES[16:])
def selecting(world: World, obj: Obj) -> Iterator[Finding]:
    """Whether a controller selects the pods that it makes."""
    spec = mapping(obj, "spec")
    count = value(spec, "replicas")
    if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 0):
        ops = [put(obj, ("spec", "replicas"), int(count))] if isinstance(count, str) and count.isdigit() else []
        yield tell(world, "replicas-invalid", obj, ("spec", "replicas"), f"replicas: {count!r}", ops=ops)
    if has(spec, "workloadRef"):
        return
    pods = pods_of(world, obj)
    selector = spec.get("selector")
    if not isinstance(selector, dict) or not selector:
        if obj.get("kind") != "ReplicaSet":
            ops = [put(obj, ("spec", "selector"), {"matchLabels": dict(pods.labels)})] if pods is not None and pods.labels else []
            yield tell(world, "selector-missing", obj, ("spec", "selector"), "selector: not set", ops=ops)
    elif pods is not None and not _matches(selector, pods.labels):
        words = f"selector: {_pairs(mapping(selector, 'matchLabels') or selector)}; its pods have {_pairs(pods.labels)}"
        ops = [
            put(obj, (*pods.path, "metadata", "labels", key), given) for key, given in mapping(selector, "matchLabels").items()
        ]
        only = len(ops) == 1 and bool(pods.labels)
        yield tell(world, "selector-of-others", obj, ("spec", "selector"), words, ops=ops if only else ())
