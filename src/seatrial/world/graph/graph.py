"""The reference graph of a world: what names what, what selects what, who makes what, and what is missing.

It is made in one pass when it is first asked, from the tables beside it, and answers in constant time.  It never follows a
reference while it is made, so circles do no harm.  It says what is there and what is not; whether that is a fault is for the
rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from seatrial.world import paths, selectors
from seatrial.world.graph import habits, making, ports, selecting, table
from seatrial.world.graph.edges import Maker, PodTemplate, Port, Reference
from seatrial.world.graph.hosts import Host, addresses, host
from seatrial.world.graph.kinds import BUILT_IN_GROUPS, FORMER, GROUPS, is_always_there, is_cluster_scoped, kind_of
from seatrial.world.graph.table import LOOSE, Row
from seatrial.world.graph.walk import Hit, hits, weave
from seatrial.world.objects import Obj, Ref, controller_of, labels_of, ref_of

if TYPE_CHECKING:
    from seatrial.world.world import World

_ROWS = {kind_of(kind): weave((*table.EVERY, *rows)) for kind, rows in table.KINDS.items()}
_EVERY = weave(table.EVERY)
_POD = weave(table.POD)
_SELECTS = {kind_of(kind): weave(rows) for kind, rows in selecting.SELECTS.items()}
_POD_SELECTS = weave(selecting.POD)


#: The relation of what a custom resource seems to name, by the habits of schemas.
HABIT = "habit"


class _Template:
    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path


_TEMPLATES = {kind_of(kind): weave(map(_Template, where)) for kind, where in table.TEMPLATES.items()}
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

    # asking

    def out(self, ref: Ref) -> list[Reference]:
        """What an object names and selects, in the order of its fields."""
        return list(self._edges[0].get(ref, ()))

    def into(self, ref: Ref) -> list[Reference]:
        """What names or selects an object, whether it is there or not."""
        return list(self._edges[1].get(ref, ()))

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
        known = self._called.get((ref.group, ref.kind, ref.name), ())
        fitting = [one for one in known if _together(one.namespace, ref.namespace)]
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
            tree = _TEMPLATES.get(_known(ref))
            if tree is None and ref.group in BUILT_IN_GROUPS:
                continue
            if controller_of(obj) and self._world.owner(obj):
                continue
            places = ((hit.steps, hit.value) for hit in hits(tree, obj)) if tree else habits.templates(obj)
            found += [
                PodTemplate(ref, paths.join(steps), template, ref)
                for steps, template in places
                if isinstance(template, dict) and isinstance(template.get("spec"), dict)
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
    def _rules_by_host(self) -> dict[Ref, list[Ref]]:
        """The DestinationRules of a Service (or of the host as it is written)."""
        found: dict[Ref, list[Ref]] = defaultdict(list)
        for obj in self._world.of("DestinationRule"):
            written, ref = paths.at(obj, "spec.host"), ref_of(obj)
            if isinstance(written, str):
                found[self._service(written, ref)].append(ref)
        return found

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
        made = {(maker.source, maker.path) for makers in self._operated.values() for maker in makers}
        for ref, obj in self._world.items():
            if ref.kind in _MUTE:
                continue
            edges[ref] += self._named(obj, ref)
            if ref.group not in BUILT_IN_GROUPS:
                taken = {one.path for one in edges[ref]}
                edges[ref] += (one for one in self._guessed(obj, ref) if one.path not in taken and (ref, one.path) not in made)
        for template in self._templates:
            edges[template.ref] += self._named_by_pods(template)
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
            tree = _SELECTS.get(_known(ref))
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

    # names

    def _named(self, obj: Obj, ref: Ref) -> Iterator[Reference]:
        for hit in hits(_ROWS.get(_known(ref), _EVERY), obj):
            yield from self._of(hit, ref)

    def _named_by_pods(self, template: PodTemplate) -> Iterator[Reference]:
        for hit in hits(_POD, template.spec, paths.split(template.spec_path)):
            yield from self._of(hit, template.ref)

    def _of(self, hit: Hit[Row], source: Ref) -> Iterator[Reference]:
        """The references of one place."""
        row, value = hit.row, hit.value
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value:
            return
        if row.form == "urls":
            yield from self._calls(value, hit, source)
            return
        target = self._target(row, value, hit.beside, source)
        if target is None:
            return
        path = paths.join(hit.steps)
        optional = row.relation in LOOSE or paths.at(hit.beside, row.optional) is True
        key = value if row.relation == "subset" else _first(hit.beside, row.key)
        port = _first(hit.beside, row.port)
        key = key if isinstance(key, str) else ""
        yield Reference(source, path, target, row.relation, optional, key, _port(port))
        if row.keys:
            for item in hits(weave([_Template(row.keys)]), hit.beside, hit.steps[:-1]):
                if isinstance(item.value, str):
                    yield Reference(source, paths.join(item.steps), target, row.relation, optional, item.value)

    def _target(self, row: Row, value: str, beside: Any, source: Ref) -> Ref | None:
        if row.relation == "subset":
            return self._rule_of(_first(beside, "host"), source)
        if row.form == "host":
            return None if value.startswith("*") else self._service(value, source, strict=True)
        named = _kind(row, beside)
        if named is None:
            return None
        group, kind = named
        namespace = _first(beside, row.namespace) if row.namespace else None
        if row.form == "slashed" and "/" in value:
            namespace, _, value = value.partition("/")
        if (row.relation, value) == ("gateway", "mesh"):
            return None
        if is_cluster_scoped(group, kind):
            namespace = ""
        elif not isinstance(namespace, str) or not namespace or namespace == ".":
            namespace = source.namespace
        return self.resolve(Ref(group, kind, namespace, value))

    def _rule_of(self, written: Any, source: Ref) -> Ref | None:
        """The DestinationRule of a destination's host, by the host's own name where there is none."""
        if not isinstance(written, str):
            return None
        rules = self._rules_by_host.get(self._service(written, source), ())
        return rules[0] if rules else Ref("networking.istio.io", "DestinationRule", source.namespace, written.partition(".")[0])

    def _service(self, written: str, source: Ref, strict: bool = False) -> Ref:
        """What a host means to Istio: a Service, or the ServiceEntry that has the host; else a Service of that name."""
        found = host(written)
        if found is not None and (found.sure or "." not in written):
            return self.resolve(Ref("", "Service", found.namespace or source.namespace, found.name))
        entry = self._entries_by_host.get(written)
        return entry or Ref("", "Service", source.namespace, written)

    @cached_property
    def _entries_by_host(self) -> dict[str, Ref]:
        found = {}
        for obj in self._world.of("ServiceEntry"):
            for written in paths.at(obj, "spec.hosts", []):
                if isinstance(written, str):
                    found[written] = ref_of(obj)
        return found

    def _calls(self, text: str, hit: Hit[Row], source: Ref) -> Iterator[Reference]:
        """The Services whose addresses stand in a text."""
        called = _first(hit.beside, "name") if hit.steps[-1] == "value" else hit.steps[-1]
        seen = set()
        for found, in_url in addresses(text, called if isinstance(called, str) else ""):
            target = self._called_service(found, in_url, source)
            if target is not None and (target, found.port) not in seen:
                seen.add((target, found.port))
                yield Reference(source, paths.join(hit.steps), target, hit.row.relation, True, port=found.port)

    def _called_service(self, found: Host, in_url: bool, source: Ref) -> Ref | None:
        """A host of one label in a URL can only be a Service; two labels, or none in a URL, are one where it is there."""
        target = self.resolve(Ref("", "Service", found.namespace or source.namespace, found.name))
        surely = found.sure or (in_url and (not found.namespace or found.namespace in self._spaces))
        made = ("", "Service", found.name) in self._operated
        return target if surely or target in self._world or made else None

    @cached_property
    def _spaces(self) -> frozenset[str]:
        """The namespaces of which the world has Services, without those whose names are domains of the internet too."""
        found = frozenset(ref_of(obj).namespace for obj in self._world.of("Service"))
        return found - {"", "dev", "app", "io", "com", "net", "org"}

    def _guessed(self, obj: Obj, ref: Ref) -> Iterator[Reference]:
        pods = tuple(f"{one.spec_path}." for one in self._templates_by.get(ref, ()))
        for guess in habits.guesses(obj):
            path = paths.join(guess.steps)
            if not path.startswith(pods):
                namespace = "" if is_cluster_scoped(guess.group, guess.kind) else guess.namespace or ref.namespace
                target = self.resolve(Ref(guess.group, guess.kind, namespace, guess.name))
                yield Reference(ref, path, target, HABIT, True, guess.key)

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


def _known(ref: Ref) -> tuple[str, str]:
    return FORMER.get((ref.group, ref.kind), ref.group), ref.kind


def _together(one: str, other: str) -> bool:
    """Whether two namespaces may be the same: an object without one is in the one it will be applied to."""
    return one == other or not one or not other


def _kind(row: Row, beside: Any) -> tuple[str, str] | None:
    """(group, kind) of a row's target; None for what is no object (users and groups)."""
    group, kind = kind_of(row.to.lstrip("?"))
    if row.cluster and paths.at(beside, row.cluster) is True:
        return group, f"Cluster{kind}"
    if not row.to.startswith("?") or not isinstance(beside, dict):
        return group, kind
    said = beside.get("kind")
    if not isinstance(said, str) or not said:
        said = kind
    elif said in ("User", "Group"):
        return None
    elif said != kind:
        group = group if said.removeprefix("Cluster") == kind else GROUPS.get(said, group)
    version = beside.get("apiVersion")
    if isinstance(version, str) and version:
        return version.rpartition("/")[0], said
    for word in ("group", "apiGroup"):
        if isinstance(beside.get(word), str):
            return beside[word], said
    return group, said


def _first(beside: Any, words: str) -> Any:
    """The first of several paths beside a name that has a value."""
    return next((found for word in words.split() if (found := paths.at(beside, word)) is not None), None)


def _port(value: Any) -> int | str | None:
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return value if isinstance(value, (int, str)) and not isinstance(value, bool) and value != "" else None


def _fits(selector: dict[str, Any], labels: dict[str, str], plain: bool) -> bool:
    """Whether labels fit a selector; one that is no selector fits nothing."""
    try:
        return selectors.matches_labels(selector, labels) if plain else selectors.matches(selector, labels)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return False
