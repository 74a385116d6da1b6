"""What is written once and filled in: the namespace and name of an environment, the version of a service.

Where a text names one, the tree has a word such as NAMESPACE, and a replacement that puts the fact there.  Kustomize cuts a text
at a delimiter and replaces one of the pieces; a replacement that finds no such field is an error, and one that cuts elsewhere
writes nonsense.  So each is looked at with all objects that it would select, and what none fits stays as it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.package.kustomize.keys import written_name
from seatrial.package.paths import NAME, Key
from seatrial.world.objects import Obj, labels_of

Worlds = Mapping[str, Mapping[Key, Obj]]
#: A key, an index, or the field and value that an item of a list is known by; "*" in a pattern is any item.
Step = str | int | tuple[str, str]
Path = tuple[Step, ...]
#: What cuts a text into pieces; "" where the whole text is the fact.
Cut = tuple[str, int]
#: One piece of one text: environment, object, path, cut.
Piece = tuple[str, Key, Path, Cut]

#: Texts that are longer are not said twice.
LONG = 60
DELIMITERS = ('"', " / ", "/", "_", ".", " ", ",", "=")
#: The keys that items of lists are known by, in Prometheus' rules and elsewhere.
_NAMED = ("alert", "record", "name")


@dataclass(frozen=True, slots=True)
class Fact:
    """`values` is what it is in each environment, `source` where Kustomize finds it."""

    word: str
    source: Obj
    values: Mapping[str, str]


@dataclass(slots=True)
class Target:
    """Which objects, and where in them: all of a kind (of any if that is ""), the one of a name, those of services or stores."""

    kind: str
    of: tuple[str, ...]
    paths: list[str]
    cut: Cut
    name: str = ""

    def written(self) -> Obj:
        select: Obj = {"kind": self.kind} if self.kind else {}
        if self.name:
            select["name"] = self.name
        if self.of:
            select["labelSelector"] = f"{NAME} in ({', '.join(self.of)})" if len(self.of) > 1 else f"{NAME}={self.of[0]}"
        delimiter, index = self.cut
        options: Obj = {"delimiter": delimiter, "index": index} if delimiter else {}
        return {"select": select, "fieldPaths": self.paths, **({"options": options} if options else {})}


def texts(obj: Obj) -> list[tuple[Path, str]]:
    """Every text in an object, with its path."""
    found: list[tuple[Path, str]] = []
    _texts(obj, (), found)
    return found


def _texts(part: Any, at: Path, found: list[tuple[Path, str]]) -> None:
    for step, value in part.items() if isinstance(part, dict) else enumerate(part):
        if isinstance(value, str):
            found.append(((*at, step), value))
        elif isinstance(value, (dict, list)):
            _texts(value, (*at, step), found)


def pieces(text: str, cut: Cut) -> list[str]:
    return text.split(cut[0]) if cut[0] else [text]


@dataclass(slots=True)
class Filling:
    """The replacements of one fact, by the sets of environments that they are for."""

    worlds: Worlds
    fact: Fact
    of: str = ""  # the service whose fact it is, and of whose objects alone
    least: int = 2  # environments that a replacement is worth it for
    targets: dict[tuple[str, ...], list[Target]] = field(default_factory=dict)
    kinds: dict[str, list[tuple[str, Key, Obj]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for environment, world in self.worlds.items():
            for key, obj in world.items():
                for kind in {key[1], obj["kind"]}:
                    self.kinds.setdefault(kind, []).append((environment, key, obj))

    def fill(self, wanted: Collection[Piece]) -> None:
        """Put the word in place of the wanted pieces, as far as replacements can undo it: in all environments, or in several."""
        every = tuple(self.worlds)
        left = self._fill(every, wanted)
        where: dict[Key, set[str]] = {}
        for environment, key, _, _ in left:
            where.setdefault(key, set()).add(environment)
        for scope in dict.fromkeys(tuple(one for one in every if one in own) for own in where.values()):
            if len(scope) >= self.least:
                self._fill(scope, [piece for piece in left if set(scope) == where[piece[1]]])

    def _fill(self, scope: tuple[str, ...], wanted: Collection[Piece]) -> list[Piece]:
        """Return the pieces that no target fits."""
        left = dict.fromkeys(wanted)
        for piece in wanted:
            for one in self._target(scope, piece) if piece in left else ():
                left.pop(one, None)
                self._mark(one)
        return list(left)

    def _target(self, scope: tuple[str, ...], piece: Piece) -> list[Piece]:
        """Add the most general target that has this piece and no wrong one, and return all that it has."""
        environment, key, path, cut = piece
        obj = self.worlds[environment][key]
        owner = labels_of(obj).get(NAME, "")
        alone: tuple[tuple[str, ...], str] = ((owner,), "") if owner else ((), written_name(self.worlds, key))
        for of, name in (alone,) if self.of else (((), ""), alone):
            for pattern in _patterns(obj, path):
                target = Target(key[1], of, [_written(pattern)], cut, name)
                if found := self._reached(scope, target, pattern):
                    self.targets.setdefault(scope, []).append(target)
                    return found
        return []

    def _reached(self, scope: Sequence[str], target: Target, pattern: Path) -> list[Piece] | None:
        """The pieces that a target replaces, or None if one of them is something else, or an object has none."""
        reached: list[Piece] = []
        for environment, key, obj in self.kinds[target.kind]:
            if environment not in scope or (target.of and labels_of(obj).get(NAME) not in target.of):
                continue
            if target.name and target.name != written_name(self.worlds, key):
                continue
            places = list(_matching(obj, pattern))
            if not places or not all(self._is(environment, text, target.cut) for _, text in places):
                return None
            reached += [(environment, key, path, target.cut) for path, _ in places]
        return reached

    def _is(self, environment: str, text: Any, cut: Cut) -> bool:
        """Whether that piece of a text is the fact, or already the word for it."""
        found = pieces(text, cut) if isinstance(text, str) else []
        return cut[1] < len(found) and found[cut[1]] in (self.fact.values[environment], self.fact.word)

    def _mark(self, piece: Piece) -> None:
        environment, key, path, cut = piece
        holder: Any = self.worlds[environment][key]
        for step in path[:-1]:
            holder = holder[step]
        found = pieces(holder[path[-1]], cut)
        found[cut[1]] = self.fact.word
        holder[path[-1]] = cut[0].join(found)

    def written(self, scope: tuple[str, ...]) -> list[Obj]:
        """The replacements for a set of environments: what is found and cut in the same way stands together."""
        owners: dict[tuple[str, str, Cut, str], list[str]] = {}
        for one in self.targets.get(scope, ()):
            for path in one.paths:
                known = owners.setdefault((one.kind, one.name, one.cut, path), [])
                known += [name for name in one.of if name not in known]
        alike: dict[tuple[str, str, Cut, tuple[str, ...]], list[str]] = {}
        for (kind, name, cut, path), of in owners.items():
            alike.setdefault((kind, name, cut, tuple(of)), []).append(path)
        targets = [Target(kind, of, paths, cut, name) for (kind, name, cut, of), paths in alike.items()]
        targets.sort(key=lambda one: (one.kind, one.cut))
        return [{"source": self.fact.source, "targets": [one.written() for one in targets]}] if targets else []


def _patterns(obj: Obj, path: Path) -> Iterator[Path]:
    """Paths that reach a place, the most general first: any item of each list, an item by its name, by its index."""
    if not all(isinstance(step, int) or re.fullmatch(r"[A-Za-z_][\w./-]*", str(step)) for step in path):
        return
    anything = tuple("*" if isinstance(step, int) else step for step in path)
    yield anything
    holder: Any = obj
    named = list[Step](path)
    for depth, step in enumerate(path):
        if isinstance(step, int) and isinstance(holder[step], dict):
            by = next((key for key in _NAMED if isinstance(holder[step].get(key), str)), None)
            if by and re.fullmatch(r"[\w:/ -]+", holder[step][by]):
                named[depth] = (by, holder[step][by])
        holder = holder[step]
    if tuple(named) == path:
        return
    last = max(depth for depth, step in enumerate(named) if isinstance(step, tuple))
    yield (*anything[:last], named[last], *anything[last + 1 :])
    yield tuple("*" if isinstance(step, int) else step for step in named)


def _matching(part: Any, pattern: Path, at: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The places that Kustomize finds for a field path (kyaml/yaml/match.go): a name is a regular expression, found anywhere."""
    if not pattern:
        yield at, part
        return
    step, rest = pattern[0], pattern[1:]
    if isinstance(part, list):
        for index, item in enumerate(part):
            by_name = isinstance(step, tuple) and isinstance(item, dict) and re.search(step[1], str(item.get(step[0], "")))
            if step == "*" or by_name:
                yield from _matching(item, rest, (*at, index))
    elif isinstance(part, dict) and isinstance(step, str) and step in part:
        yield from _matching(part[step], rest, (*at, step))


def _written(pattern: Path) -> str:
    """A pattern as Kustomize reads it; a key with dots stands in brackets."""
    words = (f"[{step[0]}={step[1]}]" if isinstance(step, tuple) else str(step) for step in pattern)
    return ".".join(f"[{word}]" if "." in word and word[0] != "[" else word for word in words)


#: Texts of which one piece surely is a fact, whatever it is.
_SURE = {
    "NAMESPACE": (
        r"(?<=namespace=\")FACT(?=\")",
        r"(?<=/ns/)FACT(?=/)",
        r"(?<=\.)FACT(?=\.svc\b)",
        r"(?<=kubectl -n )FACT(?= )",
        r"(?<=\"type\": \"constant\", \"query\": \")FACT(?=\")",
    ),
    "ENVIRONMENT": (r"(?<=deployment\.environment\.name=)FACT$",),
}
#: And fields that are one as a whole: what stands somewhere above, and the key.
_FIELDS = {"NAMESPACE": (("subjects", "namespace"), ("matchLabels", "kubernetes.io/metadata.name"))}


def sure(worlds: Worlds, fact: Fact) -> list[Piece]:
    """The pieces that are a fact whatever it is, by what stands around them."""
    found: list[Piece] = []
    patterns, fields = _SURE.get(fact.word, ()), _FIELDS.get(fact.word, ())
    for environment, key, path, text in _all(worlds):
        value = fact.values[environment]
        if value not in text:
            continue
        if text == value and any(tail[0] in path and path[-1] == tail[-1] for tail in fields):
            found.append((environment, key, path, ("", 0)))
            continue
        begins = {match.start() for one in patterns for match in re.finditer(one.replace("FACT", re.escape(value)), text)}
        if begins:
            found += [(environment, key, path, cut) for cut in _best(lambda at, part: part == value and at in begins, text)]  # noqa: B023
    return found


def different(worlds: Worlds, fact: Fact) -> list[Piece]:
    """The pieces by which a text differs between environments as the fact does."""
    there: dict[tuple[Key, Path], dict[str, str]] = {}
    for environment, key, path, text in _all(worlds):
        there.setdefault((key, path), {})[environment] = text
    found: list[Piece] = []
    for (key, path), own in there.items():
        if len(set(own.values())) < 2 or len({fact.values[environment] for environment in own}) < 2:
            continue
        if not all(fact.values[environment] in text for environment, text in own.items()):
            continue
        cuts = [set(_best(lambda _, part: part == fact.values[environment], text)) for environment, text in own.items()]  # noqa: B023
        found += [(environment, key, path, cut) for environment in own for cut in sorted(set.intersection(*cuts))]
    return found


def _all(worlds: Worlds) -> Iterator[tuple[str, Key, Path, str]]:
    """All texts but the names of objects, and the values of secrets."""
    for environment, world in worlds.items():
        for key, obj in world.items():
            for path, text in texts(obj) if key[1] != "Secret" else ():
                if path[:2] not in (("metadata", "name"), ("metadata", "namespace")):
                    yield environment, key, path, text


def _best(is_it: Callable[[int, str], bool], text: str) -> list[Cut]:
    """The cuts that leave the wanted pieces alone, with as few delimiters as can be."""
    found: dict[str, dict[int, Cut]] = {}
    for delimiter in DELIMITERS if text else ():
        parts, at = text.split(delimiter), 0
        for index, part in enumerate(parts if len(parts) > 1 else ()):
            if is_it(at, part):
                found.setdefault(delimiter, {})[at] = (delimiter, index)
            at += len(part) + len(delimiter)
    cuts: dict[int, Cut] = {}
    for own in sorted(found.values(), key=len, reverse=True):
        cuts = {**own, **cuts}
    return sorted(cuts.values())
