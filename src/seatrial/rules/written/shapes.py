# ruff: noqa: E501 - a line of the table is one saying
"""Objects against the types of their kinds, as an API server takes them: fields that there are not, values of the wrong type or
that no server lets in, fields that it misses.  The types are those of Kubernetes 1.36, and those of the definitions of custom
resources in the same files.

Where a rule of its own says more about a mistake, that one is told: `rules.overlap`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.gone import GONE
from seatrial.rules.patching import patched
from seatrial.rules.written.examples import container, manifest
from seatrial.rules.written.misfitting import of_causes, of_shape
from seatrial.rules.written.reading import items, mapping, text
from seatrial.rules.written.telling import put, tell
from seatrial.world.admission.causes import Cause
from seatrial.world.objects import Obj, clone, dig
from seatrial.world.once import once
from seatrial.world.patterns import pattern
from seatrial.world.schema import Misfit, Shape, fits, keda, kinds, misfits, normalise, shape_of, structural
from seatrial.world.schema.fitting import Fit
from seatrial.world.world import World

_UNKNOWN = "kubectl and server-side apply refuse it (`unknown field`); what lets it through drops it without a word, and what it should do is not done."
_REFUSED = "It is refused: nothing of the object is applied, and the release stops there."

RULES = (
    Rule("unknown-field", "error", "has a field that there is not", _UNKNOWN,
         "Correct the name, or move the field to where it belongs.",
         container("", spec="minReadySecond: 5"), container("", spec="minReadySeconds: 5")),
    Rule("wrong-type", "error", "has a value of the wrong type", _REFUSED,
         "Write a value of the type that is named; quotes make a text of anything.",
         manifest("policy/v1", "PodDisruptionBudget", 'spec: {maxUnavailable: 1, selector: {matchLabels: {app: api, tier: 1}}}'),
         manifest("policy/v1", "PodDisruptionBudget", 'spec: {maxUnavailable: 1, selector: {matchLabels: {app: api, tier: "1"}}}')),
    Rule("missing-field", "error", "misses a field that it needs", _REFUSED,
         "Add the field.",
         manifest("networking.k8s.io/v1", "IngressClass", "spec: {parameters: {kind: Config, name: nginx}}", namespace=""),
         manifest("networking.k8s.io/v1", "IngressClass", "spec: {controller: k8s.io/ingress-nginx}", namespace="")),
    Rule("value-not-allowed", "error", "has a value that is none of those allowed", _REFUSED,
         "Write one of the values that are named; capitals count.",
         manifest("v1", "Service", "spec: {type: ClusterIp, selector: {app: api}, ports: [{port: 80}]}"),
         manifest("v1", "Service", "spec: {type: ClusterIP, selector: {app: api}, ports: [{port: 80}]}")),
    Rule("value-refused", "error", "has a value that the API server refuses", _REFUSED,
         "Change the value as the API server's words say.",
         container("", spec="strategy: {type: Recreate, rollingUpdate: {maxSurge: 1}}"),
         container("", spec="strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}")),
    Rule("unknown-kind", "error", "is of a kind that Kubernetes does not have", "It is refused (`no matches for kind`): the release stops there.",
         "Correct the kind, or the apiVersion.",
         container("ports: []").replace("apps/v1", "v1"),
         container("ports: []")),
)  # fmt: skip

_KINDS: dict[tuple[str, str], tuple[Shape, Fit] | None] = {}


def known(version: str, kind: str) -> tuple[Shape, Fit] | None:
    """The type of a built-in kind, and what tells quickly whether an object fits it."""
    key = version, kind
    if key not in _KINDS:
        shape = shape_of(version, kind)
        _KINDS[key] = None if shape is None else (shape, fits(shape))
    return _KINDS[key]


@check("*", rules=RULES)
def against_types(world: World, obj: Obj) -> Iterator[Finding]:
    """An object of any kind against its type."""
    found = known(obj["apiVersion"], obj["kind"])
    if found is not None:
        yield from built_in(world, obj, *found)
    else:
        yield from custom(world, obj)
        yield from unknown(world, obj)


def built_in(world: World, obj: Obj, shape: Shape, fit: Fit) -> Iterator[Finding]:
    """An object of a built-in kind, and what a server lets in of it."""
    refusals = _server()
    if fit(obj):
        wrong = () if _is_from_a_server(obj) or not refusals(obj) else refusals(normalise(obj))
        yield from of_causes(world, obj, wrong)
        return
    odd = list(misfits(obj, shape))
    if _is_unfinished(odd):
        return
    told = list(of_shape(world, obj, shape, odd))
    yield from told
    if not _is_from_a_server(obj) and all(each.unknown for each in odd):  # a server looks no further either
        yield from of_causes(world, obj, refusals(normalise(_mended(obj, told))))


@cache
def _server() -> Callable[[Obj], list[Cause]]:
    from seatrial.world.admission.creating import refusals  # a world without built-in kinds need not wait for it

    return refusals


@dataclass(frozen=True)
class Custom:
    """A version of a definition of custom resources."""

    schema: Obj

    @cached_property
    def shape(self) -> Shape:
        return structural(self.schema)

    @cached_property
    def fit(self) -> Fit:
        return fits(self.shape)


def custom(world: World, obj: Obj) -> Iterator[Finding]:
    """A custom resource against its definition, where that is in the world too, or comes with Seatrial."""
    version, named = str(obj.get("apiVersion", "")), str(obj.get("kind", ""))
    found = once(world, definitions).get((version, named)) if "." in version else None
    if found is None and version in _SHIPPED:
        found = _shipped(version).get(named)
    if found is None:
        return
    odd = [] if found.fit(obj) else list(misfits(obj, found.shape))
    told = [] if _is_unfinished(odd) else list(of_shape(world, obj, found.shape, odd))
    yield from told
    if not _is_from_a_server(obj) and all(each.unknown for each in odd) and not _is_unfinished(odd):
        yield from of_causes(world, obj, _refusals(_mended(obj, told), found.schema))


def definitions(world: World) -> dict[tuple[str, str], Custom]:
    """(apiVersion, kind) -> the definition in the world that serves it, if it has a schema."""
    found = {}
    for definition in world.of("CustomResourceDefinition"):
        spec = mapping(definition, "spec")
        for version in items(spec, "versions"):
            schema = mapping(version, "schema", "openAPIV3Schema")
            if schema and schema.get("type") == "object" and definition.get("apiVersion") == "apiextensions.k8s.io/v1":
                found[f"{text(spec, 'group')}/{text(version, 'name')}", text(spec, "names", "kind")] = Custom(schema)
    return found


#: What a rule in CEL comes to when it cannot be asked, which is no word against the object.
_UNSURE = pattern(r" cost | evaluating rule: |did not match a supported operator")


#: Versions whose definitions come with Seatrial, for the embedded cluster runs what they are for.
_SHIPPED = {"keda.sh/v1alpha1": keda.definitions}


@cache
def _shipped(version: str) -> dict[str, Custom]:
    made = {}
    for definition in _SHIPPED[version]():
        schema = dig(definition, "spec.versions")[0]["schema"]["openAPIV3Schema"]
        made[dig(definition, "spec.names.kind")] = Custom(schema)
    return made


def _refusals(obj: Obj, schema: Obj) -> list[Cause]:
    """Why a server would refuse a custom resource that fits its type."""
    from seatrial.world.admission import structure
    from seatrial.world.cel.rules import Rules, has_rules

    new = clone({key: value for key, value in obj.items() if key != "status"})
    structure.default(new, schema)
    causes: list[Cause] = [*structure.validate(new, schema)]
    if not causes and has_rules(schema):
        causes = [cause for cause in Rules(schema).problems(new, None) if not _UNSURE.search(cause.message)]
    return causes


# kinds


def unknown(world: World, obj: Obj) -> Iterator[Finding]:
    """A kind that is not known, and that a built-in group should have: where another is near, or another group has it.

    Versions before the first stable one come and go, and are not told.
    """
    version, named = obj["apiVersion"], obj["kind"]
    if (version, named) in GONE or not _may_be_built_in(version):
        return
    if any(group == version.partition("/")[0] for (group, _, _) in (key[0].partition("/") for key in once(world, definitions))):
        return
    here = kinds().get(version, frozenset())
    near = [each for each in here if each.lower() == named.lower()] or difflib.get_close_matches(named, here, n=1, cutoff=0.85)
    of = [each for each, names in kinds().items() if named in names]
    if near:
        title = f"is no kind of {version}; did you mean `{near[0]}`?"
        yield tell(world, "unknown-kind", obj, ("kind",), f"kind: {named}", title=title, ops=[put(obj, ("kind",), near[0])])
    elif of and (here or _is_stable_or_none(version, of)):
        words = f"is no kind of {version}: {named} is one of `{of[0]}`"
        ops = [put(obj, ("apiVersion",), of[0])] if len(of) == 1 else []
        yield tell(world, "unknown-kind", obj, ("apiVersion",), f"apiVersion: {version}", title=words, ops=ops)


def _may_be_built_in(version: str) -> bool:
    group, slash, _ = version.partition("/")
    return not slash or "." not in group or "k8s" in group or "k8.io" in group


def _is_stable_or_none(version: str, of: Sequence[str]) -> bool:
    """Whether a version that there is not was meant to be one of these: a stable one, or one of a group that there is not."""
    group, slash, number = version.partition("/")
    groups = {each.partition("/")[0] for each in kinds() if "/" in each}
    if not slash or group in groups:
        return re.fullmatch(r"v\d+", number or group) is not None
    return "." not in group or bool(difflib.get_close_matches(group, [each.partition("/")[0] for each in of], cutoff=0.88))


# objects


def _is_from_a_server(obj: Obj) -> bool:
    """Whether a server has let an object in already: it was saved from a cluster. So are events, which nobody writes."""
    metadata = obj.get("metadata") or {}
    return bool(metadata.get("uid") or metadata.get("resourceVersion")) or obj["kind"] == "Event"


def _mended(obj: Obj, findings: Sequence[Finding]) -> Obj:
    """The object with fields where they were meant to be, so that none is missed that has only the wrong name."""
    for finding in findings:
        try:
            obj = patched(obj, finding.patch[0]["operations"]) if finding.patch else obj
        except ValueError:
            continue  # two of them have one place
    return obj


def _is_unfinished(odd: Sequence[Misfit]) -> bool:
    """Whether it is no object yet: a patch, which says so (`$patch: delete`), or one that SOPS has encrypted."""
    return any(each.unknown and (str(each.path[-1]).startswith("$") or each.path == ("sops",)) for each in odd)
