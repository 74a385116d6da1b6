"""Findings that somebody has decided to live with, each with the reason: by comment, by annotation, by file.

A comment on the line of the finding, on the line above it, or above the first line of the document (for the whole object):

    image: nginx  # seatrial: ignore[image-tag-missing] pinned by the mirror

An annotation on the object: `ignore.seatrial.dev/image-tag-missing: pinned by the mirror`.  A rule may be named with `*` in it.
What names no reason ignores nothing, and is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from seatrial.rules.finding import Fact, Finding, Rule, check
from seatrial.world.objects import Obj, Ref, annotations_of, ref_of
from seatrial.world.patterns import pattern
from seatrial.world.place import Place, of_source
from seatrial.world.world import World

PREFIX = "ignore.seatrial.dev/"
_COMMENT = pattern(r"#\s*seatrial:\s*ignore\[([^\]]*)\]\s*(.*)")


class Ignore(NamedTuple):
    """An entry of a file of decisions: findings of a rule, in these objects (`Kind/name`) or these files, for a reason."""

    rule: str
    reason: str
    objects: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    source: str = ""


class Ignored(NamedTuple):
    """A finding that is not told, why, and where that is written."""

    finding: Finding
    reason: str
    source: str


@dataclass
class Decisions:
    """What was decided. `lines` reads the lines of a file a finding is in (none where it is not to be had)."""

    entries: tuple[Ignore, ...] = ()
    lines: Callable[[str], list[str]] = field(default=lambda _: [])

    def __post_init__(self) -> None:
        self._comments: dict[str, Mapping[int, list[tuple[str, str]]]] = {}
        self._unreasoned: dict[str, Finding] = {}

    def split(self, world: World, findings: Iterable[Finding]) -> tuple[list[Finding], list[Ignored]]:
        """The findings that stand, and those that were decided to be ignored."""
        kept, ignored = [], []
        for finding in findings:
            found = next(self._of(world, finding), None)
            if found is None:
                kept.append(finding)
            else:
                ignored.append(Ignored(finding, *found))
        kept += self._unreasoned.values()
        self._unreasoned = {}
        return kept, ignored

    def _of(self, world: World, finding: Finding) -> Iterator[tuple[str, str]]:
        """(reason, where it is written) for each decision about a finding."""
        for ref in finding.refs[:1]:
            for rule, reason in _annotated(world.get(ref)):
                if reason and fnmatchcase(finding.rule, rule):
                    yield reason, world.source(ref, f'metadata.annotations["{PREFIX}{rule}"]')
        places = [place for fact in finding.evidence[:1] if (place := of_source(fact.source))]
        yield from self._commented(world, finding, places)
        for entry in self.entries:
            if entry.reason and fnmatchcase(finding.rule, entry.rule) and _covers(entry, finding.refs[:1], places):
                yield entry.reason, entry.source

    def _commented(self, world: World, finding: Finding, places: list[Place]) -> Iterator[tuple[str, str]]:
        """Those on the line of the finding or above it, and those above the document of its object."""
        own = [place for ref in finding.refs[:1] if (place := of_source(world.source(ref)))]
        for place in (*places, *own):
            comments = self._in(place.file)
            for near in (place.line, *self._above(place.file, place.line)) if comments else ():
                for rule, reason in comments.get(near, ()):
                    if reason and fnmatchcase(finding.rule, rule):
                        yield reason, f"{place.file}:{near}"
                    elif fnmatchcase(finding.rule, rule):
                        source = f"{place.file}:{near}"
                        self._unreasoned.setdefault(source + rule, _no_reason(finding.refs[:1], rule, f"ignore[{rule}]", source))

    def _in(self, file: str) -> Mapping[int, list[tuple[str, str]]]:
        if file not in self._comments:
            self._comments[file] = comments_of(self.lines(file))
        return self._comments[file]

    def _above(self, file: str, line: int) -> Iterator[int]:
        """The lines of comment directly above a line."""
        lines = self.lines(file)
        while line > 1 and line - 2 < len(lines) and lines[line - 2].lstrip().startswith("#"):
            line -= 1
            yield line


def comments_of(lines: Iterable[str]) -> dict[int, list[tuple[str, str]]]:
    """(rule, reason) by line number, for each comment that ignores."""
    found: dict[int, list[tuple[str, str]]] = {}
    for number, line in enumerate(lines, 1):
        match = _COMMENT.search(line) if "seatrial:" in line else None
        if match:
            found[number] = [(rule.strip(), match[2].strip()) for rule in match[1].split(",") if rule.strip()]
    return found


def _annotated(obj: Obj | None) -> Iterator[tuple[str, str]]:
    for key, reason in annotations_of(obj or {}).items():
        if key.startswith(PREFIX):
            yield key.removeprefix(PREFIX), str(reason or "").strip()


def _covers(entry: Ignore, refs: tuple[Ref, ...], places: list[Place]) -> bool:
    by_object = not entry.objects or any(fnmatchcase(f"{r.kind}/{r.name}", glob) for r in refs for glob in entry.objects)
    return by_object and (not entry.files or any(fnmatchcase(place.file, glob) for place in places for glob in entry.files))


@check(
    "*",
    rules=[
        Rule(
            "ignore-no-reason",
            "warning",
            "a rule is to be ignored, and no reason is given",
            "Nobody can tell later whether the reason still holds, so nothing is ignored until one is given.",
            "Give the reason as the value of the annotation.",
            wrong="""\
apiVersion: v1
kind: ConfigMap
metadata:
  name: web
  annotations: {ignore.seatrial.dev/config-too-large: ""}
""",
            right="""\
apiVersion: v1
kind: ConfigMap
metadata:
  name: web
  annotations: {ignore.seatrial.dev/config-too-large: "split in the next release, see the backlog"}
""",
        )
    ],
)
def without_reason(world: World, obj: Obj) -> Iterator[Finding]:
    """An annotation that is to ignore a rule, and says not why."""
    for rule, reason in _annotated(obj):
        if not reason:
            source = world.source(ref_of(obj), f'metadata.annotations["{PREFIX}{rule}"]')
            yield _no_reason((ref_of(obj),), rule, f"{PREFIX}{rule}: ''", source)


def _no_reason(refs: tuple[Ref, ...], rule: str, says: str, source: str) -> Finding:
    who = f"{refs[0].kind} {refs[0].name}: " if refs else ""
    return Finding(
        "ignore-no-reason", "warning", f"{who}{rule} is to be ignored, and no reason is given", refs, (Fact(says, source),),
        "Nobody can tell later whether the reason still holds, so nothing is ignored.",
        "Give the reason: behind the bracket of a comment, or as the value of an annotation.",
    )  # fmt: skip


def entries_of(document: Any, source: str) -> tuple[Ignore, ...]:
    """The entries of a file of decisions. Raises ValueError that says which entry is wrong, and how it should be."""
    if document is None:
        return ()
    listed = document.get("ignore") if isinstance(document, dict) else None
    if not isinstance(listed, list) or set(document) - {"ignore"}:
        raise ValueError(f"{source}: this should be `ignore:` with a list of {{rule, reason, objects, files}}")
    return tuple(_entry(each, f"{source}, ignore[{place}]") for place, each in enumerate(listed))


def _entry(entry: Any, source: str) -> Ignore:
    keys = {"rule", "reason", "objects", "files"}
    if not isinstance(entry, dict) or set(entry) - keys or not isinstance(entry.get("rule"), str):
        raise ValueError(f"{source}: an entry has `rule` and `reason`, and may have `objects` and `files`")
    if not isinstance(entry.get("reason"), str) or not entry["reason"].strip():
        raise ValueError(f"{source}: {entry['rule']} is to be ignored, and no reason is given")
    globs = {key: [entry[key]] if isinstance(entry.get(key), str) else entry.get(key) or [] for key in ("objects", "files")}
    if not all(isinstance(each, list) and all(isinstance(one, str) for one in each) for each in globs.values()):
        raise ValueError(f"{source}: `objects` (Kind/name) and `files` are lists of patterns")
    return Ignore(entry["rule"], entry["reason"].strip(), tuple(globs["objects"]), tuple(globs["files"]), source)
