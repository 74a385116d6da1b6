"""A world: objects by Ref, and how they belong together — owners, events, labels — answered in constant time.

It is filled once (files, a chart, a snapshot) or kept up to date by a watch, object by object; both ask it the same things.
Objects are as they were given: nobody changes one that is in a world.  What points at what by name is for the reference graph.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from seatrial.world.objects import Obj, Ref, controller_of, dig, labels_of, name_of, ref_of
from seatrial.world.selectors import matches, matches_labels

if TYPE_CHECKING:
    from seatrial.world.graph import Graph
    from seatrial.world.place import Locate, Place

#: Owners of owners, at most: a circle of owner references ends here.
GENERATIONS = 8


class LogKey(NamedTuple):
    """A container's log: `previous` is that of the run before the present one."""

    pod: Ref
    container: str
    previous: bool = False


class World:
    """Objects by Ref. `facts` holds what somebody found out about the cluster that no object says (`autoscaler`, `version`).

    `logs` are the ends of containers' logs where somebody has read them: a key that is missing was not asked for.
    """

    def __init__(self, objects: Iterable[Obj] = (), sources: Mapping[Ref, str] | None = None) -> None:
        self._objects: dict[Ref, Obj] = {}
        self._kinds: dict[str, dict[Ref, Obj]] = defaultdict(dict)
        self._groups: dict[str, dict[str, None]] = defaultdict(dict)  # the groups that a kind was seen in
        self._uids: dict[str, Ref] = {}
        self._owned: dict[str, dict[Ref, Obj]] = defaultdict(dict)  # by the owner's uid
        self._events: dict[str, dict[Ref, Obj]] = defaultdict(dict)  # by the uid, or the name, of what they are about
        self._labels: dict[tuple[str, str, str, str], dict[Ref, Obj]] | None = None
        self._inside: dict[str, dict[str, list[Obj]]] | None = None  # by kind and namespace
        self._graph: Graph | None = None
        self.sources: dict[Ref, str] = dict(sources or {})
        self._places: dict[Ref, Locate] = {}
        self.facts: dict[str, Any] = {}
        self.logs: dict[LogKey, list[str]] = {}
        for obj in objects:
            self.put(obj)

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[Obj]:
        return iter(self._objects.values())

    def __contains__(self, ref: object) -> bool:
        return ref in self._objects

    # filling

    def put(self, obj: Obj, source: str = "", written: Locate | None = None) -> Ref:
        """Add an object, or replace the one of its name. `source` is file:line, or where else it is from; `written` knows the
        file, line and column of each of its fields.
        """
        ref = ref_of(obj)
        if ref in self._objects:
            self._forget(ref)
        self._objects[ref] = obj
        self._kinds[ref.kind][ref] = obj
        self._groups[ref.kind][ref.group] = None
        if source:
            self.sources[ref] = source
        if written is not None:
            self._places[ref] = written
        metadata = obj.get("metadata") or {}
        if uid := metadata.get("uid"):
            self._uids[uid] = ref
        for owner in metadata.get("ownerReferences") or ():
            self._owned[owner.get("uid", "")][ref] = obj
        if ref.kind == "Event":
            self._events[_about(obj)][ref] = obj
        self._labels = self._graph = self._inside = None
        return ref

    def drop(self, ref: Ref) -> None:
        """Take an object out; one that is not there is fine."""
        if ref in self._objects:
            self._forget(ref)
            self.sources.pop(ref, None)
            self._places.pop(ref, None)
            self._labels = self._graph = self._inside = None

    def _forget(self, ref: Ref) -> None:
        obj = self._objects.pop(ref)
        del self._kinds[ref.kind][ref]
        metadata = obj.get("metadata") or {}
        if self._uids.get(metadata.get("uid", "")) == ref:
            del self._uids[metadata["uid"]]
        for owner in metadata.get("ownerReferences") or ():
            _take(self._owned, owner.get("uid", ""), ref)
        if ref.kind == "Event":
            _take(self._events, _about(obj), ref)

    # asking

    def get(self, ref: Ref) -> Obj | None:
        return self._objects.get(ref)

    def refs(self) -> Iterable[Ref]:
        """The names of all objects, in the order in which they came."""
        return self._objects.keys()

    def items(self) -> Iterable[tuple[Ref, Obj]]:
        """All objects with their names."""
        return self._objects.items()

    @property
    def graph(self) -> Graph:
        """What names, selects and makes what; made when it is first asked after a change."""
        if self._graph is None:
            from seatrial.world.graph import Graph

            self._graph = Graph(self)
        return self._graph

    def find(self, kind: str, namespace: str, name: str, group: str | None = None) -> Obj | None:
        """An object by its kind and name; `group` only where one kind is served in several."""
        groups = self._groups.get(kind, ()) if group is None else (group,)
        return next((obj for each in groups if (obj := self._objects.get(Ref(each, kind, namespace, name)))), None)

    def of(self, *kinds: str) -> Iterator[Obj]:
        """The objects of some kinds."""
        for kind in kinds:
            yield from tuple(self._kinds[kind].values())

    def inside(self, kind: str, namespace: str) -> list[Obj]:
        """The objects of a kind in one namespace, for whoever asks for each of many."""
        if self._inside is None:
            self._inside = {}
        if kind not in self._inside:
            spaces = self._inside[kind] = {}
            for ref, obj in self._kinds[kind].items():
                spaces.setdefault(ref.namespace, []).append(obj)
        return self._inside[kind].get(namespace, [])

    def owned(self, obj: Obj, kind: str = "") -> list[Obj]:
        """What an object owns (of one kind, if it is given), by their owner references."""
        children = self._owned.get(dig(obj, "metadata.uid", "-"), {})
        return [child for ref, child in children.items() if not kind or ref.kind == kind]

    def owner(self, obj: Obj) -> Obj | None:
        """What controls an object, where that is known here."""
        reference = controller_of(obj)
        ref = self._uids.get(reference["uid"]) if reference and reference.get("uid") else None
        return self._objects.get(ref) if ref else None

    def root(self, obj: Obj) -> Obj:
        """The last of the owners: the Deployment of a pod; the object itself where it has none."""
        for _ in range(GENERATIONS):
            above = self.owner(obj)
            if above is None:
                break
            obj = above
        return obj

    def of_uid(self, uid: str) -> Obj | None:
        ref = self._uids.get(uid)
        return self._objects.get(ref) if ref else None

    def events(self, obj: Obj, *reasons: str) -> list[Obj]:
        """The events about an object (for some reasons only), oldest first."""
        found = {**self._events.get(_named(ref_of(obj)), {}), **self._events.get(dig(obj, "metadata.uid", "-"), {})}
        chosen = [event for event in found.values() if not reasons or event.get("reason") in reasons]
        return sorted(chosen, key=event_time)

    def selected(self, kind: str, namespace: str, selector: Mapping[str, Any] | None) -> list[Obj]:
        """The objects of a kind in a namespace that a LabelSelector selects; a plain map of labels is one too."""
        if not selector:
            return []
        plain = "matchLabels" not in selector and "matchExpressions" not in selector
        wanted: Mapping[str, str] = selector if plain else selector.get("matchLabels") or {}
        if wanted:
            index = self._index()
            pairs = [index.get((kind, namespace, key, str(value)), {}) for key, value in wanted.items()]
            candidates = list(min(pairs, key=len).values())
        else:
            candidates = [obj for ref, obj in self._kinds[kind].items() if ref.namespace == namespace]
        if plain:
            return [obj for obj in candidates if matches_labels(wanted, labels_of(obj))]
        return [obj for obj in candidates if matches(selector, labels_of(obj))]

    def place(self, ref: Ref, path: str = "") -> Place | None:
        """Where an object, or a field of it (`spec.ports[0].name`), is written: in its manifest, the template or the app file
        that it is rendered from. For a field that is not written, the nearest thing above it; None for what is in no file.
        """
        written = self._places.get(ref)
        return written(path) if written else None

    def written(self, ref: Ref) -> Locate | None:
        """What knows the places of an object's fields: to put a changed copy of it where it was."""
        return self._places.get(ref)

    def source(self, ref: Ref, path: str = "") -> str:
        """Where an object (or a field of it) is from, as evidence cites it: its file and line, else its name."""
        known = self.sources.get(ref)
        if known:
            return known
        place = self.place(ref, path)
        if place is not None:
            return str(place)
        return f"{ref}, {path}" if path else str(ref)

    def _index(self) -> dict[tuple[str, str, str, str], dict[Ref, Obj]]:
        if self._labels is None:
            self._labels = defaultdict(dict)
            for ref, obj in self._objects.items():
                for key, value in labels_of(obj).items():
                    self._labels[ref.kind, ref.namespace, key, str(value)][ref] = obj
        return self._labels


def event_time(event: Obj) -> str:
    """When an event was seen last, as it sorts; the microseconds of an eventTime do no harm."""
    return str(dig(event, "series.lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")


def event_count(event: Obj) -> int:
    """How often it was seen."""
    return int(dig(event, "series.count") or event.get("count") or 1)


def _about(event: Obj) -> str:
    about = event.get("involvedObject") or event.get("regarding") or {}
    if about.get("uid"):
        return str(about["uid"])
    return _named(Ref("", about.get("kind", ""), about.get("namespace", ""), about.get("name", "")))


def _named(ref: Ref) -> str:
    return f"{ref.kind}/{ref.namespace}/{ref.name}"


def _take(index: dict[str, dict[Ref, Obj]], key: str, ref: Ref) -> None:
    """Remove an entry, and its shelf when that was the last on it."""
    shelf = index.get(key)
    if shelf is not None:
        shelf.pop(ref, None)
        if not shelf:
            del index[key]


def short(obj: Obj) -> str:
    """`Deployment web`: an object as a sentence names it, its namespace being known."""
    return f"{obj.get('kind', '')} {name_of(obj)}"
