"""Whether the nodes have room for the pods, placed as the scheduler would place them while the rollout goes on.

The rollout is played in rounds: each workload makes as many new pods as its strategy allows beside the old ones, and takes old
ones away for those that have a place.  It ends when all are placed, or when a round changes nothing: what is left fits nowhere,
and is told in the scheduler's words (`world.scheduling`).  Where something adds nodes, that is a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from seatrial.release.findings import found
from seatrial.release.preflight.asking import AUTOSCALER
from seatrial.release.preflight.pods import Load, daemon_runs, daemon_tolerations, hooks_and_others
from seatrial.release.preflight.target import NODES, PODS, Table, Target
from seatrial.rules.finding import Fact, Finding
from seatrial.world import pod_resources, quantity
from seatrial.world.objects import Obj, Ref, controller_of, dig, labels_of, name_of, namespace_of
from seatrial.world.scheduling.choice import Placer
from seatrial.world.scheduling.shelf import Shelf
from seatrial.world.scheduling.state import ClusterState
from seatrial.world.selectors import matches

#: The scheduler whose decisions are foretold.
DEFAULT = "default-scheduler"
#: Workloads that are named when many find no place.
MOST_TOLD = 5
#: A class whose volumes are made where the pod is: for claims that are not bound yet.
_ANYWHERE = "seatrial-anywhere"


def check(target: Target) -> Iterator[Finding | Table]:
    if NODES not in target.lists or PODS not in target.lists or not any(load.after for load in target.loads):
        return
    nodes = list(target.of(NODES))
    game = Game(target, nodes)
    yield game.table()
    adds = autoscaler(target)
    alike: dict[tuple[str, bool, bool], list[tuple[Load, int]]] = {}
    for load, missing, words in game.play():
        daemon = load.obj["kind"] == "DaemonSet"
        alike.setdefault((words.rstrip("."), daemon, game.victims(load) > 0), []).append((load, missing))
    for (words, daemon, victims), several in alike.items():
        hope = f"{adds} may add nodes" if adds else "something may add nodes: we may not look" if unseen(target) else ""
        yield _no_room(words, daemon, victims, several, hope)


def _no_room(words: str, daemon: bool, victims: bool, several: Sequence[tuple[Load, int]], hope: str) -> Finding:
    """What is told of the workloads that are refused in the same words."""
    missing = sum(number for _, number in several)
    who = str(several[0][0]) if len(several) == 1 else f"{len(several)} workloads"
    where = ("their nodes" if missing > 1 else "its node") if daemon else "no node"
    facts = []
    for load, number in several[:MOST_TOLD]:
        needs = ", ".join(f"{name} {amount}" for name, amount in sorted(pod_resources.requests(load.new["spec"]).items()))
        facts.append(Fact(f"{load}: {_pods(number)}, each asks for {needs or 'nothing'}", "plan"))
    facts += [Fact(f"and {len(several) - MOST_TOLD} more workloads")] if len(several) > MOST_TOLD else []
    facts += [Fact("pods of lower priority may have to go for them")] if victims else []
    facts.append(Fact(hope or "nothing that adds nodes was found in the cluster"))
    return found(
        "node-room",
        f"{_pods(missing)} of {who} would {'not fit on' if daemon else 'fit on'} {where}: {words}",
        refs=[load.ref for load, _ in several],
        evidence=facts,
        severity="warning" if hope or victims else "error",
        missing=missing,
    )


def _pods(number: int) -> str:
    return "1 pod" if number == 1 else f"{number} pods"


#: Traces of what adds nodes: the beginning of an API group, a label of nodes.
GROUPS = {"karpenter.": "Karpenter", "auto.gke.io": "GKE Autopilot"}
LABELS = {"karpenter.sh/nodepool": "Karpenter", "eks.amazonaws.com/compute-type": "Fargate or EKS Auto Mode"}


def autoscaler(target: Target) -> str:
    """What adds nodes to the cluster, by its traces; "" for nothing that can be seen."""
    for start, name in GROUPS.items():
        if any(group.startswith(start) for group in target.served.group_versions):
            return name
    for label, name in LABELS.items():
        if any(label in labels_of(node) for node in target.of(NODES)):
            return name
    if target.named.get(AUTOSCALER) is not None:
        return "cluster-autoscaler"
    names = [name_of(obj) for obj in target.of("deployments.apps")]
    return "cluster-autoscaler" if any("cluster-autoscaler" in name for name in names) else ""


def unseen(target: Target) -> bool:
    """Whether an autoscaler may be there that we were not allowed to see."""
    return "deployments.apps" in target.unread or f"configmaps {AUTOSCALER.name}" in target.unread


def summary(target: Target) -> str:
    """How many nodes there are, and who adds others."""
    if NODES not in target.lists:
        return ""
    number, hidden = len(target.of(NODES)), "who knows what" if unseen(target) else "nothing"
    return f"{number} node{'' if number == 1 else 's'}, {autoscaler(target) or hidden} adds more"


@dataclass
class Rolling:
    """A workload on its way: the uids of its old pods, how many new ones have a place, and why the next has none."""

    load: Load
    old: list[str] = field(default_factory=list)
    placed: int = 0
    words: str = ""

    @property
    def wanted(self) -> int:
        return self.load.after - self.load.kept if self.load.rolls else max(0, self.load.after - self.load.before)

    @property
    def missing(self) -> int:
        return max(0, self.wanted - self.placed)


class Game:
    """The nodes with what runs on them, and the rollout played on them."""

    def __init__(self, target: Target, nodes: Sequence[Obj]) -> None:
        self._target, self._nodes, self._count = target, nodes, 0
        self._state = ClusterState()
        for node in nodes:
            self._state.set_node(node)
        for pod in target.of(PODS):
            if dig(pod, "spec.nodeName"):
                self._state.set_pod(pod)
        self._placer = Placer(self._state, _shelf(target))
        ours = [load for load in target.loads if load.new["spec"].get("schedulerName", DEFAULT) == DEFAULT]
        early, workloads, _ = hooks_and_others(ours)
        self._early = early
        self._rolling = [Rolling(load, self._old_pods(load)) for load in workloads if load.obj["kind"] != "DaemonSet"]
        self._daemons = [load for load in workloads if load.obj["kind"] == "DaemonSet"]

    def play(self) -> Iterator[tuple[Load, int, str]]:
        """The workloads that get stuck: how many pods find no place, and the words of the scheduler."""
        for load in self._early:
            words = self._try_out(load)
            if words:
                yield load, 1, words
        for load in self._daemons:
            yield from self._daemon(load)
        self._play()
        if any(one.missing for one in self._rolling) and self._target.leaving:
            for load in self._target.leaving:  # Helm takes them away when it has applied the others
                for uid in self._pods_of(load.obj):
                    self._state.remove_pod(uid)
            self._play()
        for one in self._rolling:
            if one.missing:
                yield one.load, one.missing, one.words

    def _play(self) -> None:
        moved = True
        while moved:
            moved = False
            for one in self._rolling:
                moved = self._make(one) or moved
            for one in self._rolling:
                moved = self._take(one) or moved

    def _old_pods(self, load: Load) -> list[str]:
        """The uids of the pods that run for a workload now and are to be replaced, the last ones first where order counts."""
        live = self._target.plan.live.get(load.ref)
        return self._pods_of(live)[load.kept :] if live is not None and load.rolls else []

    def _pods_of(self, live: Obj) -> list[str]:
        """The uids of a workload's pods, in the order of their names."""
        selector = dig(live, "spec.selector")
        mine = [
            pod
            for pod in self._target.of(PODS)
            if namespace_of(pod) == namespace_of(live) and matches(selector, labels_of(pod)) and controller_of(pod)
        ]
        mine.sort(key=lambda pod: (len(name_of(pod)), name_of(pod)))
        return [str(pod["metadata"]["uid"]) for pod in mine]

    def _try_out(self, load: Load) -> str:
        """Whether a hook's pod has a place; it is gone before the others come."""
        pod = self._pod(load)
        words = self._placer.place(pod)
        self._state.remove_pod(pod["metadata"]["uid"])
        return words

    def _make(self, one: Rolling) -> bool:
        """Make the new pods that a workload's strategy allows now: whether there were any."""
        load, moved = one.load, False
        most = load.after + load.surge - load.kept
        while one.missing and self._allowed(one, most):
            one.words = self._placer.place(self._pod(load, load.after - 1 - one.placed))
            if one.words:
                break
            one.placed += 1
            moved = True
        return moved

    def _take(self, one: Rolling) -> bool:
        """Take old pods away as far as the strategy allows: whether there were any."""
        load, moved = one.load, False
        least = load.after - load.unavailable - load.kept
        while load.rolls and one.old and (len(one.old) - 1 + one.placed >= least or not one.missing):
            self._state.remove_pod(one.old.pop())
            moved = True
            if one.missing:
                break
        return moved

    def _allowed(self, one: Rolling, most: int) -> bool:
        """Whether its strategy lets a workload make one more pod beside those that it has."""
        if not one.load.rolls:
            return True
        if one.load.obj["kind"] == "Deployment" and dig(one.load.obj, "spec.strategy.type") == "Recreate":
            return not one.old
        return len(one.old) + one.placed < most

    def _daemon(self, load: Load) -> Iterator[tuple[Load, int, str]]:
        """A pod on every node that will have it, in place of the old one there."""
        if not load.rolls:
            return
        for uid in self._old_pods(load):
            self._state.remove_pod(uid)
        stuck: list[str] = []
        for node in self._nodes:
            pod = self._pod(load)
            spec = pod["spec"]
            spec["tolerations"] = daemon_tolerations(spec)
            if not daemon_runs(spec, node):
                continue
            spec["affinity"] = {**(spec.get("affinity") or {}), "nodeAffinity": _only(name_of(node))}
            if words := self._placer.place(pod):
                why = self._placer.refused.get(name_of(node))
                stuck.append(f"{name_of(node)}: {', '.join(why.reasons) if why else words}")
        if stuck:
            yield load, len(stuck), stuck[0]

    def _pod(self, load: Load, number: int = 0) -> Obj:
        """A pod to be placed; of a StatefulSet the one with this number."""
        self._count += 1
        new = load.new
        uid = f"seatrial-{self._count}"
        metadata = {**new["metadata"], "uid": uid, "name": f"{new['metadata']['name']}-{self._count}"}
        spec = {**new["spec"], "priority": self._priority(new["spec"])}
        claims = {name_of(one) for one in dig(load.obj, "spec.volumeClaimTemplates", [])}
        if claims:  # each replica has its own; those that are bound keep it where they are
            named = {name: f"{name}-{name_of(load.obj)}-{number}" for name in sorted(claims)}
            spec["volumes"] = [one for one in spec.get("volumes") or () if one["name"] not in claims]
            spec["volumes"] += [
                {"name": name, "persistentVolumeClaim": {"claimName": claim}}
                for name, claim in named.items()
                if self._target.named.get(Ref("", "PersistentVolumeClaim", namespace_of(load.obj), claim)) is not None
            ]
        return {**new, "metadata": metadata, "spec": spec}

    def victims(self, load: Load) -> int:
        """How many pods have a lower priority, and could be taken away to make room."""
        own = self._priority(load.new["spec"])
        return sum(int(pod["spec"].get("priority") or 0) < own for pod in self._target.of(PODS)) if own > 0 else 0

    def _priority(self, spec: Obj) -> int:
        name = spec.get("priorityClassName")
        classes = self._target.of("priorityclasses.scheduling.k8s.io")
        return next((int(one.get("value", 0)) for one in classes if name_of(one) == name), 0)

    def table(self) -> Table:
        """What the nodes have, what is asked of them, and what the release adds when it is done."""
        rows = []
        adds = _added(self._target.loads)
        for resource in ("cpu", "memory", "pods"):
            have = sum(
                (quantity.parse(dig(node, "status.allocatable", {}).get(resource, "0")) for node in self._nodes), Fraction(0)
            )
            used, largest = Fraction(0), Fraction(0)
            for info in self._state.nodes.values():
                taken = Fraction(len(info.pods)) if resource == "pods" else Fraction(info.requested(resource))
                own = quantity.parse(dig(info.node, "status.allocatable", {}).get(resource, "0"))
                taken = taken / 1000 if resource == "cpu" else taken
                used, largest = used + taken, max(largest, own - taken)
            cells = (have, used, have - used, largest, adds.get(resource, Fraction(0)))
            rows.append((resource, *(_rounded(resource, cell) for cell in cells)))
        title = f"Room on {len(self._nodes)} node{'' if len(self._nodes) == 1 else 's'}"
        return Table(title, ("resource", "allocatable", "requested", "free", "most on one node", "needed more"), tuple(rows))


def _added(found: Iterable[Load]) -> Mapping[str, Fraction]:
    """What the workloads ask for when the release is done, beyond what they ask for now."""
    total: dict[str, Fraction] = {}
    for load in found:
        if load.hook:
            continue
        for pod, sign in ((load.new, load.after), (load.old, -load.before)):
            amounts = pod_resources.requests(pod["spec"]) if pod else {}
            for name in ("cpu", "memory"):
                total[name] = total.get(name, Fraction(0)) + sign * quantity.parse(amounts.get(name, "0"))
            total["pods"] = total.get("pods", Fraction(0)) + (sign if pod else 0)
    return total


def _rounded(resource: str, value: Fraction) -> str:
    """Memory to whole MiB, for people; CPU to millicores."""
    if resource == "memory":
        mebibytes = int(value) >> 20
        return quantity.render_bytes(mebibytes << 20) if mebibytes > 0 else f"{mebibytes}Mi" if mebibytes else "0"
    return quantity.render(Fraction(int(value * 1000), 1000), binary=False) if resource == "cpu" else str(int(value))


def _only(node: str) -> Obj:
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}


def _shelf(target: Target) -> Shelf:
    """What the plugins look up. A claim that is not bound yet is taken for one that is bound where its pod goes."""
    namespace = target.plan.namespace
    known = [*target.plan.live.values(), *(obj for obj in target.named.values() if obj), *target.plan.objects]
    claims: dict[str, Obj] = {}
    for obj in known:
        if obj["kind"] == "PersistentVolumeClaim" and namespace_of(obj) == namespace:
            claims.setdefault(name_of(obj), obj)
    for load in target.loads:
        for volume in load.new["spec"].get("volumes") or ():
            name = dig(volume, "persistentVolumeClaim.claimName")
            if name:  # one that is missing is told by another check
                claims.setdefault(name, {"metadata": {"name": name, "namespace": namespace}, "spec": {}})
    shelved = [one if dig(one, "spec.volumeName") else _anywhere(one, namespace) for one in claims.values()]
    anywhere = {"metadata": {"name": _ANYWHERE}, "volumeBindingMode": "WaitForFirstConsumer"}
    return Shelf(
        {
            "persistentvolumeclaims": shelved,
            "persistentvolumes": [obj for obj in known if obj["kind"] == "PersistentVolume"],
            "storageclasses.storage.k8s.io": [anywhere],
            "services": [obj for obj in target.plan.objects if obj["kind"] == "Service" and dig(obj, "spec")],
            "namespaces": [target.namespace] if target.namespace else [],
        }
    )


def _anywhere(claim: Obj, namespace: str) -> Obj:
    metadata = {"name": name_of(claim), "namespace": namespace}
    return {"metadata": metadata, "spec": {**(claim.get("spec") or {}), "storageClassName": _ANYWHERE}}
