"""Field selectors: which fields of which kind can be asked for, how they are read, and the words for others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from seatrial.twin import errors
from seatrial.twin.registry.resources import Resource
from seatrial.world.objects import Obj, dig

Predicate = Callable[[Obj], bool]

_EVENT = tuple(
    f"involvedObject.{name}" for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
)
_REGARDING = tuple(name.replace("involvedObject", "regarding") for name in _EVENT)

#: Beyond metadata.name and metadata.namespace, which every kind has (AddFieldLabelConversionFunc in pkg/apis/*/v1).
_FIELDS: dict[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    ),
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "secrets": ("type",),
    "services": ("spec.clusterIP", "spec.type"),
    "events": (*_EVENT, *_REGARDING, "reason", "reportingComponent", "reportingController", "source", "type"),
    "replicationcontrollers": ("status.replicas",),
    "statefulsets.apps": ("status.successful",),
    "jobs.batch": ("status.successful",),
    "certificatesigningrequests.certificates.k8s.io": ("spec.signerName",),
}
_METADATA = ("metadata.name", "metadata.namespace")

#: Fields that are not where their name says.
_ELSEWHERE: dict[str, Callable[[Obj], object]] = {
    "source": lambda event: dig(event, "source.component") or event.get("reportingComponent", ""),
    "reportingController": lambda event: event.get("reportingComponent", ""),
    "spec.unschedulable": lambda node: dig(node, "spec.unschedulable", False),
    "spec.hostNetwork": lambda pod: dig(pod, "spec.hostNetwork", False),
    "status.podIPs": lambda pod: ",".join(address["ip"] for address in dig(pod, "status.podIPs") or ()),
    "status.successful": lambda job: dig(job, "status.succeeded", 0),
    **{new: (lambda event, old=old: dig(event, old, "")) for new, old in zip(_REGARDING, _EVENT, strict=True)},  # type: ignore[misc]
}


def parse(text: str, kind: Resource) -> Predicate:
    """The predicate of a fieldSelector, over stored objects. Raises ApiError (400)."""
    selectable = kind.custom.selectable if kind.custom else ()
    terms = [_term(part, kind, selectable) for part in _split(text)]
    if len(terms) == 1:
        return terms[0]
    return lambda obj: all(term(obj) for term in terms)


def name_asked(text: str) -> str:
    """The one name that a fieldSelector leaves; "" when it leaves more."""
    for part in _split(text):
        key, equals, value = part.partition("=")
        if key == "metadata.name" and equals:
            return value.removeprefix("=")
    return ""


def _split(text: str) -> Iterable[str]:
    """The terms between commas that no backslash escapes."""
    part, escaped = "", False
    for letter in text:
        if letter == "," and not escaped:
            yield part
            part = ""
        else:
            part += letter
        escaped = letter == "\\" and not escaped
    if part:
        yield part


def _term(part: str, kind: Resource, selectable: Sequence[str]) -> Predicate:
    for operator in ("!=", "==", "="):
        field, found, value = part.partition(operator)
        if found:
            break
    else:
        raise errors.bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    field = field.strip()
    value = value.replace("\\,", ",").replace("\\=", "=").replace("\\\\", "\\")
    _check(field, kind, selectable)
    read = _ELSEWHERE.get(field) or (lambda obj: dig(obj, field, ""))
    if operator == "!=":
        return lambda obj: _text(read(obj)) != value
    return lambda obj: _text(read(obj)) == value


def _check(field: str, kind: Resource, selectable: Sequence[str]) -> None:
    own = _FIELDS.get(kind.id)
    if field in _METADATA or (own and field in own) or field in selectable:
        return
    if own:
        raise errors.bad_request(f"field label not supported: {field}")
    if selectable:
        raise errors.bad_request(f"field label not supported: {field}")
    raise errors.bad_request(f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"')


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
