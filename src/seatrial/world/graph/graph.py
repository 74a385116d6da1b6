"""The reference graph of a world: what names what, what selects what, who makes what, and what is missing.

It is made in one pass when it is first asked, from the tables beside it, and answers in constant time.  It never follows a
reference while it is made, so circles do no harm.  It says what is there and what is not; whether that is a fault is for the
rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from seatrial.world import paths, selectors
from seatrial.world.graph import habits, making, ports, selecting, table
from seatrial.world.graph.edges import Maker, PodTemplate, Port, Reference
from seatrial.world.graph.kinds import BUILT_IN_GROUPS, FORMER, GROUPS, is_always_there, kind_of, known
from seatrial.world.graph.naming import HABIT, Naming
from seatrial.world.graph.walk import Hit, Place, hits, weave
from seatrial.world.objects import Obj, Ref, controller_of, labels_of, ref_of

if TYPE_CHECKING:
    from seatrial.world.world import World

_SELECTS = {kind_of(kind): weave(rows) for kind, rows in selecting.SELECTS.items()}
_POD_SELECTS = weave(selecting.POD)
_TEMPLATES = {kind_of(kind): weave(map(Place, where)) for kind, where in table.TEMPLATES.items()}
#: Kinds that are many and name nothing that anybody asks for.
_MUTE = frozenset({"Event", "Lease", "ControllerRevision"})
#: Along these a question "which pods are behind this?" goes on.
_BEHIND = frozenset(
    {"selects", "monitors", "manages", "backend", "host", "scale-target", "template", "traffic", "endpoints-of"}
    | {"stable-service", "canary-service"}
)


class Graph:
    """See the module. `World.graph` keeps one, and makes a new one after the world has changed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.kept: dict[Any, Any] = {}  # what others computed from the world as it is now

    # asking

    def out(self, ref: Ref) -> Sequence[Reference]:
        """What an object names and selects, in the order of its fields."""
        return self._edges[0].get(ref, ())

    def into(self, ref: Ref) -> Sequence[Reference]:
        """What names or selects an object, whether it is there or not."""
        return self._edges[1].get(ref, ())

    def __iter__(self) -> Iterator[Reference]:
        for references in self._edges[0].values():
            yield from references

    def makers(self, ref: Ref) -> list[Maker]:
        """Who will make an object that nobody wrote, with the keys it will have where they are known."""
        spaces = self._makers_in.get((ref.group, ref.kind, ref.name))
        if spaces is None:
            return []
        if not ref.namespace:
            return [maker for makers in spaces.values() for maker in makers]
        return [maker for namespace in (ref.namespace, "", "*") for maker in spaces.get(namespace, ())]

    def dangling(self) -> list[Reference]:
        """References whose target neither is here, nor is made by an object that is, nor always there.

        Optional ones are among them; what is missing may also be meant to be there already: that is for a rule to judge.
        """
        return [reference for reference in self if reference.relation != "owner" and not self.is_there(reference.target)]

    def is_there(self, ref: Ref) -> bool:
        """Whether an object is here, will be made, or is always there."""
        return ref in self._world or is_always_there(ref) or bool(self.makers(ref))

    def find(self, ref: Ref) -> Obj | None:
        """The object that a name means, as `resolve` finds it."""
        return self._world.get(self.resolve(ref))

    def resolve(self, ref: Ref) -> Ref:
        """The object of the world that a name means, else the name as it is.

        Objects without a namespace are in the one that they will be applied to: such a name means an object of any one
        namespace, and a name in a namespace may mean an object without one.
        """
        if ref in self._world:
            return ref
        group = FORMER.get((ref.group, ref.kind))
        if group is not None:
            ref = Ref(group, ref.kind, ref.namespace, ref.name)
            if ref in self._world:
                return ref
        alike = self._called.get((ref.group, ref.kind, ref.name), ())
        fitting = [one for one in alike if _together(one.namespace, ref.namespace)]
        return fitting[0] if len(fitting) == 1 else ref

    def keys(self, ref: Ref) -> frozenset[str] | None:
        """The keys of a ConfigMap or Secret, written or to be made; None where they cannot be known from here."""
        obj = self.find(ref)
        found: set[str] = set()
        for maker in self.makers(ref):
            if maker.keys is None:
                return None
            found |= maker.keys
        if obj is None:
            return frozenset(found) if self.makers(ref) else None
        for part in ("data", "stringData", "binaryData"):
            found.update(key for key in paths.at(obj, part, {}) if isinstance(key, str))
        return frozenset(found)

    @property
    def templates(self) -> list[PodTemplate]:
        """Every pod as a workload writes it; those of objects that another one here controls are left out."""
        return self._templates

    def templates_of(self, ref: Ref) -> list[PodTemplate]:
        """The pod templates of one workload."""
        return list(self._templates_by.get(ref, ()))

    def pods(self, ref: Ref) -> list[PodTemplate]:
        """The pods behind an object: its own, those it selects, those behind its backends or its scale target."""
        found: dict[tuple[Ref, str], PodTemplate] = {}
        seen, queue = {ref}, [ref]
        while queue:
            at = queue.pop(0)
            for template in self._templates_by.get(at, ()):
                found[template.ref, template.path] = template
            if at in self._templates_by:
                continue
            for reference in self._edges[0].get(at, ()):
                if reference.relation in _BEHIND and reference.target not in seen:
                    seen.add(reference.target)
                    queue.append(reference.target)
        return list(found.values())

    def ports(self, ref: Ref) -> list[Port]:
        """The ports that a Service, a workload, a Gateway or a ServiceEntry declares."""
        ref = self.resolve(ref)
        obj = self._world.get(ref)
        if obj is None:
            return []
        own = _PORTS.get((ref.group, ref.kind))
        if own is not None:
            return list(own(obj, ref))
        return [port for template in self._templates_by.get(ref, ()) for port in ports.of_template(template)]

    def port(self, ref: Ref, wanted: int | str) -> Port | None:
        """The port of an object by number or name."""
        return ports.fitting(self.ports(ref), wanted)

    # making

    @cached_property
    def _called(self) -> dict[tuple[str, str, str], list[Ref]]:
        found: dict[tuple[str, str, str], list[Ref]] = defaultdict(list)
        for ref in self._world.refs():
            found[FORMER.get((ref.group, ref.kind), ref.group), ref.kind, ref.name].append(ref)
        return found

    @cached_property
    def _templates(self) -> list[PodTemplate]:
        found: list[PodTemplate] = []
        for ref, obj in self._world.items():
            tree = _TEMPLATES.get(known(ref))
            if tree is None and ref.group in BUILT_IN_GROUPS:
                continue
            if controller_of(obj) and self._world.owner(obj):
                continue
            places = ((hit.steps, hit.value) for hit in hits(tree, obj)) if tree else habits.templates(obj)
            found += [
                PodTemplate(ref, paths.join(steps), template, ref)
                for steps, template in places
                if isinstance(template, dict) and any(isinstance(template.get(part), dict) for part in ("spec", "metadata"))
            ]
        return found + list(self._borrowed(found))

    def _borrowed(self, found: Iterable[PodTemplate]) -> Iterator[PodTemplate]:
        """The pods of Rollouts that take the template of another workload."""
        by = {template.ref: template for template in found}
        for obj in self._world.of("Rollout"):
            ref, name = ref_of(obj), paths.at(obj, "spec.workloadRef.name")
            kind = paths.at(obj, "spec.workloadRef.kind", "Deployment")
            if ref in by or not isinstance(name, str) or not isinstance(kind, str):
                continue
            template = by.get(self.resolve(Ref(GROUPS.get(kind, "apps"), kind, ref.namespace, name)))
            if template is not None:
                yield PodTemplate(ref, template.path, template.template, template.written)

    @cached_property
    def _templates_by(self) -> dict[Ref, list[PodTemplate]]:
        found: dict[Ref, list[PodTemplate]] = defaultdict(list)
        for template in self._templates:
            found[template.ref].append(template)
        return dict(found)

    def _shelves(self, of: str) -> selecting.Shelves:
        """What can be selected of a kind (`pods`: the pod templates), sorted by labels and namespaces."""
        if of not in self._sorted:
            here = (
                [(template.ref, template.labels) for template in self._templates]
                if of == "pods"
                else [(ref_of(obj), labels_of(obj)) for obj in self._world.of(of)]
            )
            self._sorted[of] = selecting.Shelves(here)
        return self._sorted[of]

    @cached_property
    def _sorted(self) -> dict[str, selecting.Shelves]:
        return {}

    @cached_property
    def _operated(self) -> dict[tuple[str, str, str], list[Maker]]:
        """What operators make, by the tables."""
        found: dict[tuple[str, str, str], list[Maker]] = defaultdict(list)
        for ref, obj in self._world.items():
            for maker in making.makers(obj, ref):
                found[maker.target.group, maker.target.kind, maker.target.name].append(maker)
        return found

    @cached_property
    def _named_edges(self) -> dict[Ref, list[Reference]]:
        edges: dict[Ref, list[Reference]] = defaultdict(list)
        naming = Naming(self._world, self.resolve, self._operated, self._templates_by)
        made = {(maker.source, maker.path) for makers in self._operated.values() for maker in makers}
        for ref, obj in self._world.items():
            if ref.kind in _MUTE:
                continue
            edges[ref] += naming.by_object(obj, ref)
            if ref.group not in BUILT_IN_GROUPS:
                taken = {one.path for one in edges[ref]}
                edges[ref] += (one for one in naming.guessed(obj, ref) if one.path not in taken and (ref, one.path) not in made)
        for template in self._templates:
            edges[template.ref] += naming.by_pods(template)
        return edges

    @cached_property
    def _makers(self) -> dict[tuple[str, str, str], list[Maker]]:
        """Who makes what; what nobody's table knows may make what it names."""
        found = defaultdict(list, {key: list(makers) for key, makers in self._operated.items()})
        for references in self._named_edges.values():
            for one in references:
                if one.relation == HABIT:
                    found[one.target.group, one.target.kind, one.target.name].append(Maker(one.source, one.path, one.target))
        return found

    @cached_property
    def _makers_in(self) -> dict[tuple[str, str, str], dict[str, list[Maker]]]:
        """The same by the namespace of what is made: one name is made in many of them."""
        found: dict[tuple[str, str, str], dict[str, list[Maker]]] = {}
        for name, makers in self._makers.items():
            spaces = found[name] = defaultdict(list)
            for maker in makers:
                spaces[maker.target.namespace].append(maker)
        return found

    @cached_property
    def _edges(self) -> tuple[dict[Ref, list[Reference]], dict[Ref, list[Reference]]]:
        out = self._named_edges
        for ref, obj in self._world.items():
            tree = _SELECTS.get(known(ref))
            if tree is not None:
                for hit in hits(tree, obj):
                    out[ref] += self._selected(ref, hit)
        for template in self._templates:
            steps = paths.split(template.spec_path)
            for hit in hits(_POD_SELECTS, template.spec, steps):
                out[template.ref] += self._selected(template.ref, hit)
        into: dict[Ref, list[Reference]] = defaultdict(list)
        for references in out.values():
            for reference in references:
                into[reference.target].append(reference)
        return out, into

    # selectors

    def _selected(self, source: Ref, hit: Hit[selecting.Select]) -> Iterator[Reference]:
        row, selector = hit.row, hit.value
        if not isinstance(selector, dict) or (row.plain and not selector):
            return
        wider = hit.beside.get(row.namespaces) if row.namespaces and isinstance(hit.beside, dict) else None
        path = paths.join(hit.steps)
        narrow = source.namespace if not isinstance(wider, dict) and row.namespaces != "*" else ""
        for ref, labels in self._candidates(row, selector, narrow):
            if self._in_reach(source, ref, wider, row) and _fits(selector, labels, row.plain):
                yield Reference(source, path, ref, row.relation)

    def _candidates(self, row: selecting.Select, selector: dict[str, Any], space: str) -> Iterator[tuple[Ref, dict[str, str]]]:
        """What a selector could mean, narrowed by one of its pairs where it has any, and to a namespace where it has one."""
        pairs = selector if row.plain else selector.get("matchLabels")
        yield from self._shelves(row.of).near(pairs if isinstance(pairs, dict) else {}, space)

    def _in_reach(self, source: Ref, ref: Ref, wider: Any, row: selecting.Select) -> bool:
        if row.namespaces == "*":
            return True
        if not isinstance(wider, dict):
            return _together(source.namespace, ref.namespace)
        if row.relation == "monitors" and row.of != "ServiceMonitor" and ("any" in wider or "matchNames" in wider):
            names = wider.get("matchNames")
            return wider.get("any") is True or (isinstance(names, list) and ref.namespace in (*names, ""))
        space = self._world.get(Ref("", "Namespace", "", ref.namespace))
        labels = {"kubernetes.io/metadata.name": ref.namespace, **(labels_of(space) if space else {})}
        return _fits(wider, labels, False)


_PORTS = {
    ("", "Service"): ports.of_service,
    ("gateway.networking.k8s.io", "Gateway"): ports.of_gateway,
    ("networking.istio.io", "Gateway"): ports.of_gateway,
    ("networking.istio.io", "ServiceEntry"): ports.of_entry,
}


def pod_templates(world: World) -> list[PodTemplate]:
    """Every pod of a world as a workload writes it, with where: Deployments, CronJobs, Rollouts and all the others."""
    return world.graph.templates


def _together(one: str, other: str) -> bool:
    """Whether two namespaces may be the same: an object without one is in the one it will be applied to."""
    return one == other or not one or not other


def _fits(selector: dict[str, Any], labels: dict[str, str], plain: bool) -> bool:
    """Whether labels fit a selector; one that is no selector fits nothing."""
    try:
        return selectors.matches_labels(selector, labels) if plain else selectors.matches(selector, labels)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return False
