"""One mistake, told once: what the general rules of types and values find, and what a rule of its own says of the same field.

The one that knows more is told.  Of a value of the wrong type others say things that follow from it, which are not told.  What
else stands in the object is told beside them.  (What is missed for a misspelled name, `looking` finds out.)  And one oddity of
an app file that its loading noted, and a rule finds in what is made of it, is told by the rule at the line that was noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from seatrial.rules.finding import Finding
from seatrial.world.load.problems import Problem
from seatrial.world.objects import Obj, Ref, labels_of
from seatrial.world.patterns import pattern
from seatrial.world.world import World

NAMES, TYPES = "unknown-field", "wrong-type"
VALUES = frozenset({"missing-field", "value-not-allowed", "value-refused"})
GENERAL = VALUES | {NAMES, TYPES}
#: Rules that are about types themselves, and say more than that one is wrong.
ABOUT_TYPES = frozenset({"annotation-invalid", "command-not-list", "config-not-text", "env-not-text", "keda-metadata-text",
                         "label-not-text", "limit-range-amount", "quantity-invalid", "quota-amount", "replicas-invalid",
                         "secret-not-base64"})  # fmt: skip
#: Rules that tell at one place what Kubernetes tells at another, or at several: the fields that they speak for.
ELSEWHERE = {
    "claim-incomplete": pattern(r"spec\.(accessModes|resources)"),
    "container-name-twice": pattern(r".*ontainers\[\d+]\.name$"),
    "limit-range-order": pattern(r"spec\.limits\["),
    "port-name-twice": pattern(r".*\.ports\[\d+]\.name$"),
    "resource-unknown": pattern(r".*\.resources\.(limits|requests)\."),
    "secret-type-keys": pattern(r"data\b"),
    "selector-missing": pattern(r"spec\.(selector|template\.metadata\.labels)$"),
    "selector-of-others": pattern(r"spec\.(selector|template\.metadata\.labels)$"),
    "service-ports": pattern(r"spec\.ports\[\d+](\.name)?$"),
    "volume-name-twice": pattern(r".*\.volumes\[\d+]\.name$"),
}
#: Parents that hold so much that an error about one says nothing of the others in it.
_WIDE = frozenset({"", "metadata", "spec", "spec.template", "spec.template.spec", "spec.jobTemplate.spec.template.spec"})


def settled(findings: Sequence[Finding]) -> list[Finding]:
    """The findings without those that another one tells better."""
    broken = {one.refs[0] for one in findings if one.rule in GENERAL}
    if not broken:
        return list(findings)
    by_ref: dict[Ref, list[Finding]] = {}
    for one in findings:
        if one.refs and one.refs[0] in broken and one.at:
            by_ref.setdefault(one.refs[0], []).append(one)
    gone = {id(one) for ones in by_ref.values() for one in _told_better(ones)}
    return [one for one in findings if id(one) not in gone]


def once_told(world: World, findings: Sequence[Finding], noted: Iterable[Problem]) -> tuple[list[Finding], set[Problem]]:
    """The findings, with line and way out of what was noted of the same part of an app file; and the notes that they tell."""
    by_rule: dict[str, list[Problem]] = {}
    for note in noted:
        if note.rule:
            by_rule.setdefault(note.rule, []).append(note)
    told: set[Problem] = set()
    made: list[Finding] = []
    for one in findings:
        parts = {_part(world.get(ref)) for ref in one.refs} if one.rule in by_rule else set()
        same = [note for note in by_rule.get(one.rule, ()) if note.part in parts]
        made.append(_as_noted(one, same[0]) if same else one)
        told.update(same)
    return made, told


def _part(obj: Obj | None) -> str:
    return str(labels_of(obj or {}).get("app.kubernetes.io/name", ""))


def _as_noted(finding: Finding, note: Problem) -> Finding:
    first, *rest = finding.evidence
    fix = f"{note.hint[:1].upper()}{note.hint[1:]}." if note.hint else finding.fix
    return replace(finding, evidence=(first._replace(source=f"{note.file}:{note.line}"), *rest), fix=fix)


def _told_better(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Those of one object that are not to be told."""
    general = [one for one in findings if one.rule in GENERAL]
    others = [one for one in findings if one.rule not in GENERAL]
    for one in general:
        if one.rule == NAMES:
            yield from _of_name(one, [*others, *(each for each in general if each.rule in VALUES)])
        elif one.rule == TYPES:
            yield from _of_type(one, others)
        elif any(_says_it(other, one) for other in others):
            yield one


def _of_name(one: Finding, others: Sequence[Finding]) -> Iterator[Finding]:
    """A name that nobody can correct is told by who knows more about what it stands in; what is missed for it is not."""
    perhaps = one.details.get("perhaps", ())
    yield from (other for other in others if other.at in perhaps)
    specific = (other for other in others if other.rule not in GENERAL and other.severity == "error")
    if not one.patch and any(other.at == _parent(one.at) not in _WIDE for other in specific):
        yield one


def _of_type(one: Finding, others: Iterable[Finding]) -> Iterator[Finding]:
    here = [other for other in others if _within(other.at, one.at)]
    if any(other.rule in ABOUT_TYPES for other in here):
        yield one
    yield from (other for other in here if other.rule not in ABOUT_TYPES)


def _says_it(other: Finding, one: Finding) -> bool:
    """Whether a rule of its own says what Kubernetes says of a field: there, in it, or of what it is in."""
    if other.severity != "error":
        return False
    if _within(other.at, one.at) or other.at == _parent(one.at) not in _WIDE:
        return True
    return other.rule in ELSEWHERE and ELSEWHERE[other.rule].match(one.at) is not None


def _within(path: str, outer: str) -> bool:
    return path.startswith(outer) and path[len(outer) : len(outer) + 1] in ("", ".", "[")


def _parent(path: str) -> str:
    cut = max(path.rfind("."), path.rfind("["))
    return path[:cut] if cut > 0 else ""
