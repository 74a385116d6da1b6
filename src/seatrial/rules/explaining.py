"""What is written wrong and explains what goes wrong: rules of files, asked about the objects behind findings of what runs.

A heap that is larger than the limit is written in the Deployment; that its pods are killed is seen in the cluster.  The first is
the cause of the second.  Which rule may explain which is a table, so that nothing is blamed on whatever else is written badly.
What a rule of what runs says with the same words about the same field is not said twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from seatrial.rules.finding import CHECKS, Check, Finding
from seatrial.world.objects import Ref, ref_of
from seatrial.world.patterns import pattern
from seatrial.world.world import World

_NOT_READY = ("probe-*", "deadline-exceeded")
_STOPPED = ("analysis-failed", "condition-failed", "deadline-exceeded")
_WAITS = ("config-object-missing", "mount-object-missing", "refused*")

#: Rule of what is written -> the rules of what runs (`*` stands for anything) that it may explain.
EXPLAINS: dict[str, tuple[str, ...]] = {
    # memory: what the process was told it has
    **dict.fromkeys(("heap-over-limit", "heap-tight", "heap-unbounded", "heap-order", "container-support-off", "go-memory-limit",
                     "go-memory-high", "node-heap-over-limit"), ("crash-oom", "crash-heap", "evicted")),
    "memory-unit": ("crash-oom", "crash-signal", "unschedulable*"),
    "memory-limit-tiny": ("crash-oom",),
    # probes and times
    "probe-port-unknown": (*_NOT_READY, "probe-kills"),
    "probe-handler": _NOT_READY, "probe-numbers": _NOT_READY, "probe-elsewhere": (*_NOT_READY, "probe-kills"),
    "probe-no-shell": (*_NOT_READY, "probe-kills"),
    "deadline-before-ready": ("deadline-exceeded",), "deadline-before-probes": ("deadline-exceeded",),
    "rollout-stuck": ("deadline-exceeded",),
    # what the process may do
    "read-only-root-writes": ("crash-read-only", "crash-permission"),
    "port-privileged": ("crash-permission",),
    "run-as-contradiction": ("config-root", "crash-permission"),
    # who may talk to whom: of calls the rules of what runs say it themselves
    "policy-peer-nobody": ("isolation-*", "traffic-*"), "policy-namespace-label": ("isolation-*", "traffic-*"),
    "ingress-blocked": ("ingress-*", "isolation-*"), "policy-port-closed": ("traffic-*", "isolation-port"),
    # what was to be made
    "missing-external-key": ("config-key-missing", "mount-key-missing"),
    "external-secret-key": ("config-key-missing", "mount-key-missing", "config-object-missing", "mount-object-missing"),
    "external-secret-store": _WAITS, "external-secret-empty": _WAITS, "missing-gateway": (*_WAITS, "certificate-not-issued"),
    "hook-before-its-needs": (*_WAITS, "config-key-missing"),
    "env-template-left": ("crash-config", "crash-dependency"), "env-order": ("crash-config", "crash-dependency"),
    "missing-service": ("refused-webhook*",),
    # disks
    "disk-in-the-way": ("mount-busy", "deadline-exceeded"), "disk-shared": ("mount-busy",),
    # canaries
    **dict.fromkeys(("analysis-argument-unresolved", "analysis-argument-self", "analysis-argument-missing",
                     "analysis-argument-unknown", "analysis-no-provider", "analysis-no-condition", "analysis-empty-result",
                     "analysis-count", "analysis-limit", "analysis-of-both", "promql-syntax", "missing-analysis",
                     "canary-route-missing", "canary-route-unnamed", "canary-service-of-others", "rollout-strategy",
                     "rollout-weight", "rollout-one-service", "rollout-no-services", "missing-subset"), _STOPPED),
    # autoscalers
    "two-autoscalers": ("hpa-*",), "hpa-target-api": ("hpa-*",), "hpa-target-kind": ("hpa-*",),
}  # fmt: skip
_CONTAINER = pattern(r", (?:\w+ )?container ([^\s:]+)")
#: So many steps from an object with a finding to the objects that may explain it, and so many objects at most.
STEPS, REACHED = 3, 3000


def may_explain(written: str, seen: str) -> bool:
    """Whether a rule of what is written may be the reason for one of what runs."""
    return any(fnmatchcase(seen, rule) for rule in EXPLAINS.get(written, ()))


def explains(written: Finding, seen: Finding) -> bool:
    """Whether a finding about what is written may be the reason for one about what runs; about the same container, if any.

    What is only noted yet, as that a probe has not passed, is explained by what cannot work.
    """
    if seen.severity == "note" and written.severity != "error":
        return False
    container, named = seen.details.get("container"), _CONTAINER.search(written.title)
    if container and named and named[1] != container:
        return False
    return may_explain(written.rule, seen.rule)


def behind(world: World, seen: Iterable[Finding]) -> list[Finding]:
    """What is written wrong, and may explain some findings of what runs, of objects that those depend on; errors and warnings."""
    seen = list(seen)
    rules = {one.rule for one in seen}
    checks = [check for check in _checks() if any(may_explain(rule.id, one) for rule in check.rules for one in rules)]
    if not checks:
        return []
    found: list[Finding] = []
    for ref in _reached(world, (ref for one in seen for ref in one.refs)):
        obj = world.get(ref) or {}
        for check in checks:
            if ref.kind in check.kinds or "*" in check.kinds:
                found += _asked(check, world, obj)
    return [one for one in found if one.severity != "note" and one.rule in EXPLAINS]


def _checks() -> list[Check]:
    import seatrial.rules.written  # noqa: F401 - enters the rules of files, which take a moment to read

    return [check for check in CHECKS if not check.live]


def _asked(check: Check, world: World, obj: dict[str, object]) -> Iterator[Finding]:
    """A rule that stumbles over an object of a cluster explains nothing there."""
    try:
        if check.when is None or check.when(world, obj) is not None:
            yield from check.look(world, obj)
    except Exception:
        return


def _reached(world: World, refs: Iterable[Ref]) -> list[Ref]:
    """The objects of findings without the pods that others own, what they name, and what names or selects them."""
    rim = {_root(world, ref) for ref in refs}
    seen: dict[Ref, None] = {}
    for _ in range(STEPS):
        seen |= dict.fromkeys(sorted(rim))
        if len(seen) > REACHED:
            break
        near = {one.target for ref in rim for one in world.graph.out(ref)} | {
            one.source for ref in rim for one in world.graph.into(ref) if one.relation != "owner"
        }
        rim = {root for ref in near if (root := _root(world, ref)) not in seen}
    return [ref for ref in seen if ref in world][:REACHED]


def _root(world: World, ref: Ref) -> Ref:
    obj = world.get(ref)
    return ref_of(world.root(obj)) if obj is not None else ref
