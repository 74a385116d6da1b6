"""Every rule over a whole world: (world, live) -> findings.  A rule that fails on an object is told, and the others go on."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from seatrial.rules.finding import CHECKS, Check, Finding
from seatrial.rules.overlap import NAMES, settled
from seatrial.rules.patching import patched
from seatrial.world.load.problems import Problem
from seatrial.world.objects import Obj, Ref
from seatrial.world.patterns import pattern
from seatrial.world.world import World


def found(world: World, *, live: bool, problems: list[Problem] | None = None) -> list[Finding]:
    """What the rules of what runs, or those of what is written, say of every object. `problems` receives rules that failed."""
    alternatives = _alternatives(world)
    pieces, bases = world.facts.get("pieces", frozenset()), world.facts.get("bases", frozenset())
    if live:
        return settled(_asked(world, live, problems))  # what a cluster says is as it is, whatever a log or an event looks like
    findings = _sure(settled(_independent(world, _asked(world, live, problems))), problems)
    collections = _collections(world) if alternatives else frozenset()
    return [_doubted(one, alternatives, pieces, bases, collections) for one in findings]


#: Modules of rules that look at one object at a time: of a large world, a second process asks them meanwhile.
_ALONE = frozenset(
    f"seatrial.rules.written.{name}"
    for name in (
        "availability",
        "configuration",
        "containers",
        "hardening",
        "ignoring",
        "images",
        "probing",
        "resources",
        "runtimes",
        "secrets",
        "security",
        "shapes",
    )
)
#: With fewer objects a second process costs more than it brings.
_WORTH = 3000


class _Looked(NamedTuple):
    """What one check found, or how it failed, at one object: with the places of both, by which all of it is in order."""

    place: tuple[int, int]
    findings: list[Finding]
    check: str = ""
    failure: str = ""


def _asked(world: World, live: bool, problems: list[Problem] | None) -> list[Finding]:
    ask = partial(_looked, world, live, problems is None)
    if live or len(world) < _WORTH:
        looked = ask(None)
    else:
        from seatrial.rules.beside import side_by_side  # most worlds are small

        between, alone = side_by_side(partial(ask, False), partial(ask, True))
        looked = sorted(between + alone, key=lambda one: one.place)
    failed: dict[str, list[_Looked]] = {}
    for one in looked:
        if one.check:
            failed.setdefault(one.check, []).append(one)
    if problems is not None and failed:
        refs = list(world.refs())
        problems += [_broken(world.source(refs[ones[0].place[0]]), ones) for ones in failed.values()]
    return [finding for one in looked for finding in one.findings]


def _looked(world: World, live: bool, strict: bool, alone: bool | None) -> list[_Looked]:
    """Every object as all checks see it, or those that look at it alone, or the others. `strict` lets what fails fail."""
    by_kind, always = _by_kind(live)
    conditions = {check.when for check in always if check.when is not None}
    chosen: dict[tuple[str, frozenset[object]], list[tuple[int, Check]]] = {}
    looked: list[_Looked] = []
    for number, obj in enumerate(world):
        met = frozenset([None, *(when for when in conditions if _holds(when, world, obj))])
        kind = obj.get("kind", ""), met
        if kind not in chosen:
            checks = [*by_kind.get(kind[0], ()), *(check for check in always if check.when in met)]
            chosen[kind] = [pair for pair in enumerate(checks) if alone in (None, pair[1].look.__module__ in _ALONE)]
        for place, check in chosen[kind]:
            try:
                findings = list(check.look(world, obj))
            except Exception as error:
                if strict:
                    raise
                looked.append(_Looked((number, place), [], check.look.__name__, f"{type(error).__name__}: {error}"))
            else:
                if findings:
                    looked.append(_Looked((number, place), findings))
    return looked


#: So many objects with misspelled fields are asked what they would say without.
_SUPPOSED = 50


def _independent(world: World, findings: list[Finding]) -> list[Finding]:
    """The findings without those about an object that go when its misspelled fields get their names: they follow from those."""
    misspelled: dict[Ref, list[Finding]] = defaultdict(list)
    for one in findings:
        if one.rule == NAMES and one.patch:
            misspelled[one.refs[0]].append(one)
    follow = {key for ref, ones in list(misspelled.items())[:_SUPPOSED] for key in _following(world, ref, ones)}
    return [one for one in findings if one.rule == NAMES or _key(one) not in follow] if follow else findings


def _following(world: World, ref: Ref, misspelled: list[Finding]) -> set[tuple[object, ...]]:
    """What the rules say of an object alone, and would not if its fields had their names."""
    obj = world.get(ref)
    try:
        mended = patched(obj or {}, [operation for one in misspelled for operation in one.patch[0]["operations"]])
        return {_key(one) for one in _alone(world, obj or {})} - {_key(one) for one in _alone(world, mended)}
    except Exception:
        return set()  # two names for one field, or an object too odd for a rule, which is told as such


def _alone(world: World, obj: Obj) -> list[Finding]:
    alone = World([obj])
    alone.facts = world.facts
    return _asked(alone, False, None)


def _key(finding: Finding) -> tuple[object, ...]:
    return finding.rule, finding.refs, finding.title, finding.at


def _broken(source: str, failures: list[_Looked]) -> Problem:
    """A rule that failed, told once."""
    first = failures[0]
    others = f", and at {len(failures) - 1} more objects" if len(failures) > 1 else ""
    words = f"a rule failed here{others}: {first.check}: {first.failure}"
    return Problem(source, 0, 0, words, "This is a defect in Seatrial.")


#: What another tool or a person fills in before anything is applied: envsubst and Flux, Helm and its like, kustomize's variables,
#: documentation. Not the arguments of an analysis, which Argo fills in when it runs.
_FILLED_IN = pattern(
    r"\$\{[A-Za-z_][^{}\s]*\}|\$\{[A-Z][A-Z0-9_]*[/#%]|\$\([A-Za-z_][\w.-]*\)|(?<![\w$])\$[A-Z][A-Z0-9_]+\b|\{\{(?!-?\s*args\.).*?\}\}"
    r"|\[\[.*?\]\]|\(\([A-Za-z][\w.-]*\)\)|<(?:\*\.)?[A-Za-z][\w .-]*>|\[REDACTED[^\]]*\]"
    r"|(?<![^\W_])__[A-Z][A-Z0-9_]*[A-Z0-9]__|\bYOUR_[A-Z0-9_]+\b"
    r"|\$[a-z]+\$|\b(?:A\.B\.C\.D|(?:[Xx]{1,3}\.){3}[Xx]{1,3})\b"
)
#: Where a number, true or false, or a name is wanted, a constant's name is such a thing too.
_CONSTANT, _PLAIN = (
    pattern(r"(?:: [\"']?(?:[a-z0-9]+-)*|\.)[A-Z][A-Z0-9]*(?:[_-][A-Z0-9]+)+\b"),
    frozenset(
        {
            "wrong-type",
            "replicas-invalid",
            "quota-amount",
            "name-invalid",
            "value-refused",
            "resource-unknown",
            "container-name-invalid",
        }
    ),
)
#: And where a number is wanted, or what is in base64, so is a word in capitals (but `"TRUE"` and its like).
_WORD = pattern(r": [\"']?(?!TRUE\b|FALSE\b|YES\b|NO\b|ON\b|OFF\b)[A-Z][A-Z0-9]{2,}[\"']?$")
#: A name that is yet to be filled in is not missed either.
_NAMED = pattern(r"^(missing-\w+|call-nobody)$")
#: Rules that are about such a thing being left where nobody fills it in, or about a field, whatever it holds.
_LEFT = frozenset({"env-template-left", NAMES})


def _sure(findings: list[Finding], problems: list[Problem] | None) -> list[Finding]:
    """The findings without errors about values that somebody has yet to fill in, nor what is missed by such a name; a note for
    each file stays. What else is wrong with such an object is none for sure.
    """
    kept: list[Finding] = []
    unknown: dict[str, Problem] = {}
    templates: set[Ref] = set()
    for one in findings:
        judged = one.severity == "error" or _NAMED.match(one.rule)
        fact = one.evidence[0] if judged and one.evidence and one.rule not in _LEFT else None
        mark = _mark(one, fact.text) if fact else None
        if fact is None or mark is None:
            kept.append(one)
            continue
        file, _, line = fact.source.rpartition(":")
        words = f"{mark[0].removeprefix(': ')[:60]} is yet to be filled in: what hangs on it is not judged"
        templates.update(one.refs[:1] if one.severity == "error" else ())
        unknown.setdefault(file, Problem(file or fact.source, int(line) if line.isdigit() else 0, 0, words, severity="note"))
    if problems is not None:
        problems += unknown.values()
    if not templates:
        return kept
    return [
        replace(one, severity="warning") if one.severity == "error" and one.refs[:1] and one.refs[0] in templates else one
        for one in kept
    ]


def _mark(finding: Finding, says: str) -> re.Match[str] | None:
    """What somebody has yet to fill in, in what a finding is about."""
    mark = _FILLED_IN.search(f"{says}\n{finding.title}")
    if mark is None and finding.rule in _PLAIN:
        mark = _CONSTANT.search(says) or (_WORD.search(says) if finding.rule == "wrong-type" else None)
    return mark


def _holds(when: Callable[[World, Obj], object], world: World, obj: Obj) -> bool:
    """Whether checks with a condition are to be asked; those that an object is too odd for say so themselves."""
    try:
        return when(world, obj) is not None
    except Exception:
        return True


def _alternatives(world: World) -> frozenset[Ref]:
    """Objects that several files write, each in its own way: which of them is meant, nobody can see."""
    return frozenset(
        ref
        for ref, places in world.facts.get("duplicates", {}).items()
        if any(first.file != second.file for first, second in places)
    )


#: So often an object stands in several files of one folder to make it a collection of examples.
_SEVERAL = 3


def _collections(world: World) -> frozenset[str]:
    """Folders of which nobody applies all: their files write the same objects, each in its own way."""
    twice: dict[str, int] = defaultdict(int)
    for places in world.facts.get("duplicates", {}).values():
        for first, second in places:
            folder = first.file.rpartition("/")[0]
            if first.file != second.file and folder == second.file.rpartition("/")[0]:
                twice[folder] += 1
    return frozenset(folder for folder, times in twice.items() if times >= _SEVERAL)


#: What a kustomization that takes in another may add to it: a namespace for its accounts, and labels to select by.
_ADDED = pattern(
    r"^(rbac-subject|selector-missing|target-port-unknown) |^(missing-field|value-refused) .*"
    r"`(subjects\[\d+\]\.namespace|spec\.selector|spec\.template\.metadata\.labels)` "
)


#: What a namespace does to all that is in it; of an object that has none yet, which namespace that will be is not known.
_OF_NAMESPACE = frozenset({"limit-range-refuses", "quota-too-small"})


def _doubted(
    finding: Finding, alternatives: frozenset[Ref], pieces: frozenset[str], bases: frozenset[str], collections: frozenset[str]
) -> Finding:
    """An error between objects is none for sure where one of them is an alternative of another file's; nor is one in a piece of
    something that could not be put together, for want of what an overlay may add, or of what another example of a collection has.
    """
    between = len(finding.refs) > 1 and not alternatives.isdisjoint(finding.refs)
    file = finding.evidence[0].source.rpartition(":")[0] if finding.evidence else ""
    piece = file in pieces or (file in bases and _ADDED.match(f"{finding.rule} {finding.title}") is not None)
    folder = file.rpartition("/")[0]
    example = finding.rule.startswith("missing-") and len(finding.refs) == 1 and folder in collections
    if finding.rule in _OF_NAMESPACE and finding.refs and not finding.refs[0].namespace:
        folders = {fact.source.partition("/templates/")[0].rpartition("/")[0] for fact in finding.evidence if fact.source}
        example = folder in collections or len(folders) > 1
    doubtful = finding.severity == "error" and (between or piece or example)
    return replace(finding, severity="warning") if doubtful else finding


def _by_kind(live: bool) -> tuple[dict[str, list[Check]], list[Check]]:
    by_kind: dict[str, list[Check]] = defaultdict(list)
    always = []
    for check in CHECKS:
        if check.live is not live:
            continue
        if "*" in check.kinds:
            always.append(check)
        for kind in check.kinds - {"*"}:
            by_kind[kind].append(check)
    return by_kind, always


def together(variants: Mapping[str, Iterable[Finding]]) -> list[tuple[Finding, tuple[str, ...]]]:
    """Findings of several variants of a world (its environments), each once, with the variants it is in."""
    where: dict[tuple[object, ...], list[str]] = {}
    first: dict[tuple[object, ...], Finding] = {}
    for variant, findings in variants.items():
        for finding in findings:
            key = told_as(finding)
            first.setdefault(key, finding)
            if variant not in where.setdefault(key, []):
                where[key].append(variant)
    return [(finding, tuple(where[key])) for key, finding in first.items()]


def told_as(finding: Finding) -> tuple[object, ...]:
    """What makes findings of several variants one: the same words about the same places."""
    return finding.rule, finding.title, tuple(fact.source for fact in finding.evidence)
