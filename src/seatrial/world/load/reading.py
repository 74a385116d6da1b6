"""From the bytes of a file to objects with their places: documents, lists, JSON, and what in them is no object.

What cannot be read is a problem with its line, and everything else of the file is read.  Files that people keep beside manifests
(values of charts, kustomizations, configuration) hold documents that are no objects: whether that is worth a word depends on who
gave the file, and so is the caller's choice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from seatrial.world.load import quick
from seatrial.world.load.fields import Written
from seatrial.world.load.problems import Problem
from seatrial.world.load.split import Chunk, documents, has_items, items, json_items, json_stream
from seatrial.world.load.text import cleaned
from seatrial.world.objects import Obj
from seatrial.world.paths import Steps

#: Fields of metadata and what they must be.
_METADATA = {"name": str, "generateName": str, "namespace": str, "labels": dict, "annotations": dict, "ownerReferences": list}


#: The API groups of Kubernetes itself that have objects with names, by their names or what those end with.
_OWN = frozenset({"apps", "batch", "autoscaling", "policy", "extensions"})
_OWN_ENDING = tuple(
    f"{one}.k8s.io"
    for one in [
        "rbac.authorization",
        "networking",
        "storage",
        "scheduling",
        "coordination",
        "discovery",
        "node",
        "admissionregistration",
        "apiextensions",
        "apiregistration",
        "certificates",
        "flowcontrol.apiserver",
        "resource",
        "events",
    ]
)


@dataclass(slots=True)
class Read:
    """What a file held: objects with where they are written, and problems. `others` counts documents that are no objects."""

    objects: list[tuple[Obj, Written]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    others: int = 0


def read(data: bytes, file: str, *, strict: bool = True) -> Read:
    """The objects in the bytes of a file. `strict`: a document that is no object is a problem; else it is only counted."""
    found = Read()
    text, problems = cleaned(data, file)
    if strict and not text:  # of what somebody gave, nothing at all was read
        problems = [Problem(one.file, one.line, one.column, one.text, one.hint) for one in problems]
    found.problems += problems
    if not text:
        return found
    if text.lstrip()[:1] in (b"{", b"[") and _json(text, file, found, strict):
        return found
    broken = bool(problems)
    listed = has_items(text)
    for chunk in documents(text):
        _document(text, chunk, file, found, strict, broken, listed)
    return found


def _json(text: bytes, file: str, found: Read, strict: bool) -> bool:
    """A file of JSON, when it is, or of several objects one after the other, as kubectl takes them; a broken one is read as YAML,
    which says where it breaks.
    """
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError:
        parts = json_stream(text)
        try:
            each = [orjson.loads(text[part.start : part.end]) for part in parts]
        except orjson.JSONDecodeError:
            return False
        for one, part in zip(each, parts, strict=True):
            _objects(one, text, part, file, found, strict)
        return bool(parts)
    whole = Chunk(0, len(text), 1)
    listed = isinstance(data, list)
    entries = data.get("items") if isinstance(data, dict) else None
    parts = json_items(text) if isinstance(entries, list) else []
    if parts and isinstance(entries, list) and len(parts) == len(entries) and str(data.get("kind")).endswith("List"):
        for one, part in zip(entries, parts, strict=True):
            _objects(_typed(one, data), text, part, file, found, True)
        return True
    for index, one in enumerate(data if listed else [data]):
        _objects(one, text, whole, file, found, strict, (index,) if listed else ())
    return True


def _document(text: bytes, chunk: Chunk, file: str, found: Read, strict: bool, broken: bool, listed: bool) -> None:
    whole: list[Any] | None = None  # the items of a list that was read in one, once an item could not be read alone
    for index, part in enumerate(parts := (items(text, chunk) if listed else ()) or [chunk]):
        body = text[part.start : part.end]
        taken, data = quick.load(body) if not broken else (False, None)
        everything, problems = ([data], []) if taken else _carefully(body, file, part.line)
        if part.item and any(problem.severity == "error" for problem in problems):
            # an anchor of another item, or no list at all: read as a whole, the list tells what is wrong
            whole = _whole(text, chunk, file) if whole is None else whole
            if len(whole) == len(parts):
                everything, problems = [[whole[index]]], []
        if not broken or everything:  # else the file's own fault is told already
            found.problems += problems
        for one in everything:
            if part.item and isinstance(one, list) and one:
                _objects(one[0], text, part, file, found, True, (0,), taken)
            elif one is not None:
                _objects(one, text, part, file, found, strict, (), taken)


def _carefully(body: bytes, file: str, line: int) -> tuple[list[Any], list[Problem]]:
    from seatrial.world.load import careful  # PyYAML, which most runs do without

    return careful.load(body, file, line)


def _whole(text: bytes, chunk: Chunk, file: str) -> list[Any]:
    """The items of a list, read as one document; none where that cannot be read either."""
    documents_, problems = _carefully(text[chunk.start : chunk.end], file, chunk.line)
    listed = documents_[0].get("items") if documents_ and isinstance(documents_[0], dict) else None
    return listed if isinstance(listed, list) and not any(one.severity == "error" for one in problems) else []


def _objects(
    data: Any, text: bytes, chunk: Chunk, file: str, found: Read, strict: bool, steps: Steps = (), plain: bool = False
) -> None:
    """What a document holds: an object, a list of them, or something else. `plain`: it was read the quick way."""
    written = Written(file, text, chunk.start, chunk.end, chunk.line, steps, 0 if steps else _above(text, chunk), plain)
    settings = isinstance(data, dict) and "metadata" not in data and _is_settings(data.get("apiVersion"), data.get("kind"))
    if not isinstance(data, dict) or "kind" not in data or "apiVersion" not in data or settings:
        found.others += 1
        if strict:
            place = written()
            what = "has no kind" if isinstance(data, dict) and "kind" not in data else "has no apiVersion"
            what = "has no metadata" if settings else what if isinstance(data, dict) else f"is a {_called(data)}"
            words = f"this is no Kubernetes object: it {what}"
            found.problems.append(Problem(file, place.line, place.column, words, severity="warning"))
        return
    kind, listed = data["kind"], data.get("items")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(listed, list) and "spec" not in data:
        for index, one in enumerate(listed):
            _objects(_typed(one, data), text, chunk, file, found, True, (*steps, "items", index), plain)
        return
    wrong = None if _is_sound(data) else next(_faults(data), None)
    if wrong is not None:
        place = written(wrong[0])
        found.problems.append(Problem(file, place.line, place.column, wrong[1]))
        return
    found.objects.append((data, written))


def _is_settings(version: Any, kind: Any) -> bool:
    """Whether a version is none of Kubernetes' own API: tools write their settings as if they were objects (kind, kubeadm,
    skaffold, a kubeconfig, what the Gateway API's tests report), without metadata.
    """
    group, slash, _ = version.partition("/") if isinstance(version, str) else ("", "", "")
    return kind in ("Config", "ConformanceReport") or (bool(slash) and group not in _OWN and not group.endswith(_OWN_ENDING))


def _typed(one: Any, listed: Obj) -> Any:
    """An item of a list of one kind (`PodList`), which may leave out its kind."""
    kind = str(listed["kind"])
    if not isinstance(one, dict) or kind == "List" or "kind" in one:
        return one
    return {"apiVersion": listed["apiVersion"], "kind": kind.removesuffix("List"), **one}


def _above(text: bytes, chunk: Chunk) -> int:
    """How many lines of a document stand before its first key: comments and empty ones."""
    at, lines = chunk.start, 0
    while at < chunk.end and text[at : at + 1] in (b"#", b"\n"):
        following = text.find(b"\n", at, chunk.end)
        if following < 0:
            break
        at, lines = following + 1, lines + 1
    return lines


def _is_sound(obj: Obj) -> bool:
    """What is true of nearly every object, asked quickly."""
    metadata = obj.get("metadata")
    return (
        type(metadata) is dict
        and type(obj["kind"]) is type(obj["apiVersion"]) is type(metadata.get("name")) is str
        and metadata["name"] != "" != obj["kind"]
        and all(type(value) is _METADATA.get(key, type(value)) for key, value in metadata.items())
    )


def _faults(obj: Obj) -> Iterator[tuple[str, str]]:
    """What makes a document useless as an object: (path, words)."""
    for key in ("apiVersion", "kind"):
        if not isinstance(obj[key], str) or not obj[key]:
            yield key, f"`{key}` must be a text, this is a {_called(obj[key])}"
    metadata = obj.get("metadata")
    if metadata is None:
        yield "kind", f"a {obj['kind']} needs metadata with a name"
    elif not isinstance(metadata, dict):
        yield "metadata", f"`metadata` must be a map, this is a {_called(metadata)}"
    else:
        for key, kind in _METADATA.items():
            value = metadata.get(key)
            if value is not None and not isinstance(value, kind):
                needed = {str: "a text", dict: "a map", list: "a list"}[kind]
                yield f"metadata.{key}", f"`metadata.{key}` must be {needed}, this is a {_called(value)}"
        if not metadata.get("name") and not metadata.get("generateName"):
            yield "metadata", f"this {obj['kind']} has no name"


def _called(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    names = {dict: "map", list: "list", str: "text", int: "number", float: "number", type(None): "null"}
    return names.get(type(value), type(value).__name__)
