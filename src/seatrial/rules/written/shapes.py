# ruff: noqa: E501 - a line of the table is one saying
"""Objects against the types of their kinds, as an API server takes them: fields that there are not, values of the wrong type or
that no server lets in, fields that it misses.  The types are those of Kubernetes 1.36, and those of the definitions of custom
resources in the same files.

Where a rule of its own says more about a mistake, that one is told: `rules.overlap`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from seatrial.rules.finding import Finding, Rule, Severity, check
from seatrial.rules.patching import Operation, Path, move, patched, put
from seatrial.rules.written.belonging import meant
from seatrial.rules.written.examples import container, manifest
from seatrial.rules.written.telling import brief, tell
from seatrial.rules.written.versions import NEWEST, target
from seatrial.world.admission.causes import Cause
from seatrial.world.objects import Obj
from seatrial.world.paths import join
from seatrial.world.schema import Misfit, Shape, fits, misfits, normalise, shape_of
from seatrial.world.schema.fitting import Fit
from seatrial.world.schema.table import DURATION, INT_OR_STRING, MICRO_TIME, QUANTITY, TIME
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
def built_in(world: World, obj: Obj) -> Iterator[Finding]:
    """An object of a built-in kind against its type, and against what a server lets in."""
    found = known(obj["apiVersion"], obj["kind"])
    if found is None:
        return
    from seatrial.world.admission.creating import refusals  # a world without built-in kinds need not wait for it

    shape, fit = found
    if fit(obj):
        wrong = () if _is_from_a_server(obj) or not refusals(obj) else refusals(normalise(obj))
    else:
        odd = list(shapes(world, obj, shape))
        yield from odd
        if _is_from_a_server(obj) or any(one.rule == "wrong-type" for one in odd):
            return  # a server looks no further either
        wrong = refusals(normalise(_mended(obj, odd)))
    yield from _refused(world, obj, wrong)


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


# fields and types


def shapes(world: World, obj: Obj, shape: Shape) -> Iterator[Finding]:
    """Every place of an object that its type does not have, or has otherwise."""
    for misfit in misfits(obj, shape):
        yield _unknown(world, obj, shape, misfit) if misfit.unknown else _mistyped(world, obj, misfit)


def _unknown(world: World, obj: Obj, root: Shape, misfit: Misfit) -> Finding:
    *parent, key = misfit.path
    place = meant(obj, root, misfit)
    whose = f"`{join(parent)}`" if parent else f"a {obj['kind']}"
    words = f"`{key}` is no field of {whose}" + (f"; {place.words}" if place.words else "")
    ops = [move(misfit.path, place.path)] if place.path else []
    severity: Severity | None = "warning" if target(world) > NEWEST else None  # it may have come since
    details = {"instead": join(place.path)} if place.path else {}
    says = f"{key}: {_shown(obj, misfit.path, misfit.value)}"
    return tell(world, "unknown-field", obj, misfit.path, says, title=words, ops=ops, severity=severity, details=details)


_CALLED = {"struct": "a map", "map": "a map", "list": "a list", "string": "a text", "bool": "true or false", "bytes": "a text in base64",
           "int32": "a whole number", "int64": "a whole number", "double": "a number", QUANTITY: "a quantity (500m, 1Gi)",
           INT_OR_STRING: "a whole number or a text", TIME: "a time (2006-01-02T15:04:05Z)", MICRO_TIME: "a time (2006-01-02T15:04:05.000000Z)",
           DURATION: "a duration (1m30s)"}  # fmt: skip


def _mistyped(world: World, obj: Obj, misfit: Misfit) -> Finding:
    path, value, shape = misfit.path, misfit.value, misfit.shape
    wanted = _CALLED.get(shape.type if shape.kind == "scalar" else shape.kind, "something else")
    got = _got(value)
    if shape.kind == "scalar" and (_is_near(got, wanted) or (isinstance(value, str) and shape.type in _WRITTEN)):
        got = _shown(obj, path, value)
    words = f"`{join(path)}` must be {wanted}, not {got}"
    hint = _hint(path, value, shape)
    ops = _typed(obj, misfit)
    says = f"{path[-1]}: {_shown(obj, path, value)}"
    return tell(world, "wrong-type", obj, path, says, title=words + (f"; {hint}" if hint else ""), ops=ops)


#: Types whose values are texts of a form: it is the form that is wrong.
_WRITTEN = frozenset({QUANTITY, TIME, MICRO_TIME, DURATION})


def _is_near(got: str, wanted: str) -> bool:
    return got == wanted.partition(" in ")[0] or (wanted.startswith("a whole number") and got.endswith("number"))


def _got(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a whole number" if isinstance(value, int) else "a number"
    return "a map" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a text"


def _hint(path: Path, value: Any, shape: Shape) -> str:
    if path[-1] in ("matchLabels", "matchExpressions") and isinstance(value, (dict, list)):
        return "the labels stand here by themselves"
    if shape.kind == "struct" and isinstance(value, str) and "type" in shape.fields:
        return f"did you mean `{{type: {brief(value)}}}`?"
    if shape.kind == "list" and isinstance(value, dict) and shape.element is not None:
        if shape.element.kind != "struct":
            return ""
        names = list(shape.element.fields)[:2]
        return f"each begins with a dash and has {' and '.join(f'`{name}`' for name in names)}"
    return ""


def _typed(obj: Obj, misfit: Misfit) -> list[Operation]:
    """The value as its type, where that is plain."""
    path, value, shape = misfit.path, misfit.value, misfit.shape
    written: Any = None
    if shape.kind == "scalar":
        if shape.type == "string" and isinstance(value, int):
            written = str(value).lower() if isinstance(value, bool) else str(value)
        elif shape.type in ("int32", "int64") and isinstance(value, str) and re.fullmatch(r"-?(0|[1-9]\d{0,9})", value):
            written = int(value)
        elif shape.type == "bool" and isinstance(value, str) and value.lower() in ("true", "false"):
            written = value.lower() == "true"
    elif shape.kind == "list" and shape.element is not None and shape.element.type == "string":
        written = [value] if isinstance(value, str) and not re.search(r"[\s,]", value) else None
    return [] if written is None else [put(obj, path, written)]


def _shown(obj: Obj, path: Path, value: Any) -> str:
    """A value as evidence shows it; nothing of what a Secret holds."""
    if obj.get("kind") == "Secret" and path[0] in ("data", "stringData"):
        return f"({_got(value)})"
    if isinstance(value, str):
        return f'"{brief(value)}"'
    if isinstance(value, bool):
        return str(value).lower()
    return f"({_got(value)})" if isinstance(value, (dict, list)) else brief(value)


# values

_BY_REASON = {"FieldValueRequired": "missing-field", "FieldValueNotSupported": "value-not-allowed"}
#: The value that a message of Kubernetes begins with; structs and lists are shown as Go has them, which helps nobody.
_VALUE = re.compile(r'(?:Invalid value|Duplicate value|Not found): (?:"(?:[^"\\]|\\.)*"|[^:{\["]*|[{\[].*[}\]])(?:: |$)')


def _refused(world: World, obj: Obj, causes: Sequence[Cause]) -> Iterator[Finding]:
    """What a server would refuse, once for each field and rule, in Kubernetes' words."""
    said: dict[tuple[str, Path], list[str]] = {}
    absent: dict[Path, None] = {}
    for cause in causes:
        if cause.field.startswith("status.") and "status" not in obj:
            continue  # it follows from something in the spec
        path = path_of(cause.field, obj)
        value, depth = _deepest(obj, path)
        if depth < len(path) - 1 and cause.reason == "FieldValueRequired":
            absent[path[: depth + 1]] = None  # it is not this field alone that is not there
        elif isinstance(value, dict) and cause.reason == "FieldValueNotSupported" and "type" in value:
            path = (*path, "type")  # a struct is shown by its type
        words = said.setdefault((_BY_REASON.get(cause.reason, "value-refused"), path), [])
        if _words(cause) not in words:
            words.append(_words(cause))
    for path in absent:
        yield tell(world, "missing-field", obj, path, f"{path[-1]}: not set", title=f"`{join(path)}` is required")
    for (rule, path), words in said.items():
        if not any(path[: len(missing)] == missing for missing in absent):
            value, depth = _deepest(obj, path)
            says = f"{path[-1]}: {_shown(obj, path, value) if depth == len(path) else 'not set'}" if path else obj["kind"]
            ops = _allowed(obj, path, value, words) if rule == "value-not-allowed" else []
            yield tell(world, rule, obj, path, says, title=f"`{join(path)}` {'; '.join(words)}", ops=ops)


def _deepest(obj: Obj, path: Path) -> tuple[Any, int]:
    """What stands at a path, and how many of its steps are there."""
    value: Any = obj
    for depth, step in enumerate(path):
        try:
            inner = value[step]
        except (KeyError, IndexError, TypeError):
            return None, depth
        if inner is None:
            return None, depth
        value = inner
    return value, len(path)


def _allowed(obj: Obj, path: Path, value: Any, words: Sequence[str]) -> list[Operation]:
    """The one allowed value that is written alike, if there is one."""
    choices = re.findall(r'"([^"]+)"', words[0])
    near = [choice for choice in choices if isinstance(value, str) and choice.lower() == value.lower()]
    near = near or difflib.get_close_matches(value if isinstance(value, str) else "", choices, n=2, cutoff=0.75)
    return [put(obj, path, near[0])] if len(near) == 1 else []


def _words(cause: Cause) -> str:
    """What a cause says, behind the field that it is about."""
    message = cause.message
    if cause.reason == "FieldValueRequired":
        return "is required" + message.removeprefix("Required value")
    if cause.reason == "FieldValueNotSupported":
        supported = message.rpartition("supported values: ")[2]
        return f"must be one of {supported}"
    if cause.reason == "FieldValueDuplicate":
        return "is there twice"
    if cause.reason == "FieldValueForbidden":
        return "is refused" + message.removeprefix("Forbidden")
    return f"is refused: {_VALUE.sub('', message, count=1) or message}"


_TOKEN = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")


def path_of(field: str, obj: Obj) -> Path:
    """The path of a field as Kubernetes writes it (`spec.containers[0].resources.limits[cpu]`), in this object."""
    steps: list[str | int] = []
    value: Any = obj
    for key, name in _TOKEN.findall(field if field != "<nil>" else ""):
        step: str | int = int(key) if key.isdigit() and not isinstance(value, dict) else key or name
        steps.append(step)
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return tuple(steps)
