"""What the fields of objects name: rows of the tables, hosts and addresses, and what custom resources seem to name.

It is asked once, when the graph is made.  A name is resolved in the world: to an object that is there, else to what it would be
called.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from seatrial.world import paths
from seatrial.world.graph import habits, table
from seatrial.world.graph.edges import PodTemplate, Reference
from seatrial.world.graph.hosts import Host, addresses, host
from seatrial.world.graph.kinds import GROUPS, is_cluster_scoped, kind_of, known
from seatrial.world.graph.table import LOOSE, Row
from seatrial.world.graph.walk import Hit, Node, Place, hits, weave
from seatrial.world.objects import Obj, Ref, ref_of

if TYPE_CHECKING:
    from seatrial.world.world import World

_ROWS = {kind_of(kind): weave((*table.EVERY, *rows)) for kind, rows in table.KINDS.items()}
_EVERY = weave(table.EVERY)
_POD = weave(table.POD)
#: The relation of what a custom resource seems to name, by the habits of schemas.
HABIT = "habit"


class Resolve(Protocol):
    def __call__(self, ref: Ref) -> Ref: ...


class Naming:
    """`made` are the (group, kind, name) of what operators make; `templates` the pods of each workload."""

    def __init__(
        self,
        world: World,
        resolve: Resolve,
        made: Collection[tuple[str, str, str]],
        templates: Mapping[Ref, Sequence[PodTemplate]],
    ) -> None:
        self._world = world
        self._resolve = resolve
        self._made = made
        self._templates = templates

    def by_object(self, obj: Obj, ref: Ref) -> Iterator[Reference]:
        for hit in hits(_ROWS.get(known(ref), _EVERY), obj):
            yield from self._of(hit, ref)

    def by_pods(self, template: PodTemplate) -> Iterator[Reference]:
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
        optional = row.relation in LOOSE or bool(row.optional and paths.at(hit.beside, row.optional) is True)
        key = value if row.relation == "subset" else _first(hit.beside, row.key)
        port = _first(hit.beside, row.port)
        key = key if isinstance(key, str) else ""
        yield Reference(source, path, target, row.relation, optional, key, _port(port))
        if row.keys:
            for item in hits(_keys(row.keys), hit.beside, hit.steps[:-1]):
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
        return self._resolve(Ref(group, kind, namespace, value))

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
            return self._resolve(Ref("", "Service", found.namespace or source.namespace, found.name))
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
        target = self._resolve(Ref("", "Service", found.namespace or source.namespace, found.name))
        surely = found.sure or (in_url and (not found.namespace or found.namespace in self._spaces))
        made = ("", "Service", found.name) in self._made
        return target if surely or target in self._world or made else None

    @cached_property
    def _spaces(self) -> frozenset[str]:
        """The namespaces of which the world has Services, without those whose names are domains of the internet too."""
        found = frozenset(ref_of(obj).namespace for obj in self._world.of("Service"))
        return found - {"", "dev", "app", "io", "com", "net", "org"}

    def guessed(self, obj: Obj, ref: Ref) -> Iterator[Reference]:
        pods = tuple(f"{one.spec_path}." for one in self._templates.get(ref, ()))
        for guess in habits.guesses(obj):
            path = paths.join(guess.steps)
            if not path.startswith(pods):
                namespace = "" if is_cluster_scoped(guess.group, guess.kind) else guess.namespace or ref.namespace
                target = self._resolve(Ref(guess.group, guess.kind, namespace, guess.name))
                yield Reference(ref, path, target, HABIT, True, guess.key)

    @cached_property
    def _rules_by_host(self) -> dict[Ref, list[Ref]]:
        """The DestinationRules of a Service (or of the host as it is written)."""
        found: dict[Ref, list[Ref]] = defaultdict(list)
        for obj in self._world.of("DestinationRule"):
            written, ref = paths.at(obj, "spec.host"), ref_of(obj)
            if isinstance(written, str):
                found[self._service(written, ref)].append(ref)
        return found


def _kind(row: Row, beside: Any) -> tuple[str, str] | None:
    """(group, kind) of a row's target; None for what is no object (users and groups)."""
    group, kind = _kind_of(row.to)
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


@lru_cache(maxsize=1024)
def _kind_of(written: str) -> tuple[str, str]:
    return kind_of(written.lstrip("?"))


def _first(beside: Any, words: str) -> Any:
    """The first of several paths beside a name that has a value."""
    if not words:
        return None
    return next((found for word in words.split() if (found := paths.at(beside, word)) is not None), None)


def _port(value: Any) -> int | str | None:
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return value if isinstance(value, (int, str)) and not isinstance(value, bool) and value != "" else None


@lru_cache(maxsize=256)
def _keys(path: str) -> Node[Place]:
    return weave([Place(path)])
