"""JSON patch and JSON merge patch, as the API server applies them.

Both are pure: an object and a patch give a new object that shares what did not change.  Errors have the codes and words
of the API server (its handlers/patch.go and evanphx/json-patch).  Whether the patched object decodes and validates is for
those who write it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from seatrial.twin import errors
from seatrial.world.objects import Obj, depth

MOST_OPERATIONS = 10_000
#: The most that the copies of a patch may add, in bytes of JSON (apiserver: JSONPatchMaxCopyBytes).
MOST_COPIED = 3 * 1024 * 1024
#: A patch must not make objects that nest deeper: nothing could write them out.
DEEPEST = 200


# JSON merge patch (RFC 7386)


def merge_patch(obj: Obj, patch: Any) -> Obj:
    """The object with a merge patch laid over it: nulls delete, objects merge, everything else replaces. 400 for no object."""
    if not isinstance(patch, dict):
        raise errors.bad_request("Invalid JSON Patch")
    return _merged(obj, patch)


def _merged(value: Any, patch: Obj) -> Obj:
    out: Obj = dict(value) if isinstance(value, dict) else {}
    for key, wanted in patch.items():
        if wanted is None:
            out.pop(key, None)
        elif isinstance(wanted, dict):
            out[key] = _merged(out.get(key), wanted)
        else:
            out[key] = wanted
    return out


# JSON patch (RFC 6902)


def json_patch(obj: Obj, operations: Any) -> Obj:
    """The object after a list of operations. 400 for a patch that is none, 413 for too long a one, 422 for one that fails."""
    if not isinstance(operations, list) or not all(isinstance(operation, dict) for operation in operations):
        got = "object" if isinstance(operations, dict) else "array" if isinstance(operations, list) else "value"
        raise errors.bad_request(f"json: cannot unmarshal {got} into Go value of type jsonpatch.Patch")
    if len(operations) > MOST_OPERATIONS:
        said = f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(operations)}"
        raise errors.ApiError(413, "RequestEntityTooLarge", f"Request entity too large: {said}")
    document: Any = obj
    copied = 0
    try:
        for operation in operations:
            if operation["op"] == "copy":
                copied += _size(_get(document, _pointer(operation, "from")))
                if copied > MOST_COPIED:
                    raise _DoesNotApplyError
            document = _OPERATIONS[operation["op"]](document, operation)
    except (_DoesNotApplyError, KeyError, TypeError, RecursionError):
        document = None
    if not isinstance(document, dict) or depth(document) > DEEPEST:
        raise errors.ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})
    return document


class _DoesNotApplyError(Exception):
    """There is nothing at a path, an index is out of bounds, or a test failed. The server tells a client no more than that."""


def _pointer(operation: Obj, key: str = "path") -> list[str]:
    path = operation[key]
    if not isinstance(path, str) or not path.startswith("/"):
        raise _DoesNotApplyError
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _size(value: Any) -> int:
    """Bytes of JSON. Raises TypeError for what nests too deep."""
    return len(orjson.dumps(value))


def _index(part: str, length: int) -> int:
    try:
        index = int(part)
    except ValueError:
        raise _DoesNotApplyError from None
    index += length if index < 0 else 0
    if not 0 <= index < length:
        raise _DoesNotApplyError
    return index


def _get(document: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list):
            document = document[_index(part, len(document))]
        else:
            raise _DoesNotApplyError
    return document


def _edit(document: Any, path: list[str], change: Callable[[Any, str], Any]) -> Any:
    """A copy of the document in which `change` has been made to the container that holds the end of the path."""
    part = path[0]
    if len(path) == 1:
        if not isinstance(document, (dict, list)):
            raise _DoesNotApplyError
        return change(document, part)
    below = _edit(_get(document, [part]), path[1:], change)
    if isinstance(document, dict):
        return {**document, part: below}
    at = _index(part, len(document))
    return [*document[:at], below, *document[at + 1 :]]


def _put(value: Any) -> Callable[[Any, str], Any]:
    def change(container: Any, part: str) -> Any:
        if isinstance(container, dict):
            return {**container, part: value}
        at = len(container) if part == "-" else _index(part, len(container) + 1)
        return [*container[:at], value, *container[at:]]

    return change


def _take(container: Any, part: str) -> Any:
    _get(container, [part])
    if isinstance(container, dict):
        return {key: value for key, value in container.items() if key != part}
    at = _index(part, len(container))
    return [*container[:at], *container[at + 1 :]]


def _swap(value: Any) -> Callable[[Any, str], Any]:
    def change(container: Any, part: str) -> Any:
        _get(container, [part])
        if isinstance(container, dict):
            return {**container, part: value}
        at = _index(part, len(container))
        return [*container[:at], value, *container[at + 1 :]]

    return change


def _add(document: Any, operation: Obj) -> Any:
    return _edit(document, _pointer(operation), _put(operation.get("value")))


def _remove(document: Any, operation: Obj) -> Any:
    return _edit(document, _pointer(operation), _take)


def _replace(document: Any, operation: Obj) -> Any:
    return _edit(document, _pointer(operation), _swap(operation.get("value")))


def _move(document: Any, operation: Obj) -> Any:
    value = _get(document, _pointer(operation, "from"))
    return _edit(_edit(document, _pointer(operation, "from"), _take), _pointer(operation), _put(value))


def _copy(document: Any, operation: Obj) -> Any:
    return _edit(document, _pointer(operation), _put(_get(document, _pointer(operation, "from"))))


def _test(document: Any, operation: Obj) -> Any:
    path, expected = _pointer(operation), operation.get("value")
    container = _get(document, path[:-1])
    missing = isinstance(container, dict) and path[-1] not in container
    if (None if missing else _get(container, path[-1:])) != expected:
        raise _DoesNotApplyError
    return document


_OPERATIONS: dict[str, Callable[[Any, Obj], Any]] = {
    "add": _add, "remove": _remove, "replace": _replace, "move": _move, "copy": _copy, "test": _test,
}  # fmt: skip
