"""From a path to an `App`, or to everything that is wrong with the file.

Three readers look at it one after the other, and what they find is told together: `document` (is it YAML?), the model (are
these the keys and values?), `checks` (do they fit together?). Only what is no YAML ends the reading: whatever else is wrong,
the rest is looked at as far as it can be understood (`mending`).
"""

from __future__ import annotations

from pathlib import Path

from pydantic_core import ErrorDetails

from seatrial.app import checks, document
from seatrial.app.document import Document, Path_, text_of
from seatrial.app.familiar import SUCH, SUCH_ENTRY, VALUES, WORDS, familiar
from seatrial.app.mending import faults, mended
from seatrial.app.model import App
from seatrial.app.names import names
from seatrial.app.problems import AppFileErrors, did_you_mean
from seatrial.app.reads import kind_of
from seatrial.app.shape import keys_at, part_at

#: The name of an app file, where only its folder is given.
FILE_NAME = "seatrial.yaml"


def load(path: Path | str) -> App:
    """The app described by a file, or by the `seatrial.yaml` of a folder. Raises AppFileErrors."""
    path = Path(path)
    found = path / FILE_NAME
    return _app(document.read(found if path.is_dir() and found.exists() else path))


def loads(text: str, file: str = FILE_NAME) -> App:
    """The app described by a text. Raises AppFileErrors that name `file`."""
    return _app(document.parse(text, file))


def _app(found: Document) -> App:
    if not isinstance(found.data, dict):
        hint = "it begins with `app:` and `services:`"
        found.report(found.value_at(()), f"an app file is a map, this is {kind_of(found.data)}", hint)
        raise AppFileErrors(found.problems)
    sound = not found.problems and not faults(found.data) and not any(names(found.data))
    app = App.model_validate(found.data) if sound else mended(found, _report)
    if app is None:
        raise AppFileErrors(found.problems)
    app.attach(found)
    odd = checks.together(app, found)
    if found.problems:
        raise AppFileErrors(found.problems)
    app.remark(odd)
    return app


def _report(found: Document, detail: ErrorDetails) -> None:
    """One of pydantic's errors in our words, at its place in the file."""
    path: Path_ = tuple(detail["loc"])
    kind, context, given = detail["type"], detail.get("ctx", {}), detail["input"]
    if path[-1:] == ("[key]",):
        found.report(found.key_at(path[:-1]), context.get("message", detail["msg"]), context.get("hint", ""))
    elif kind == "seatrial":
        found.report(found.value_at(path), context["message"], context["hint"] or _such(found, path))
    elif kind == "extra_forbidden":
        found.report(found.key_at(path), f"unknown key `{path[-1]}`", _instead(found, path))
    elif kind == "missing":
        found.report(found.key_at(path[:-1]), f"{_name(path[:-1])} has no `{path[-1]}`", _why(path))
    elif kind == "too_short":
        found.report(found.value_at(path), f"`{_last(path)}` has no entry; it takes at least one", _such(found, path))
    elif kind in _WANTED:
        said = f"`{_last(_as_written(found, path))}` takes {_WANTED[kind]}, not {kind_of(given)}"
        found.report(found.value_at(path), said, _such(found, path))
    elif kind == "literal_error":
        known = [word.strip("' ") for word in context["expected"].replace(" or ", ",").split(",")]
        said = f"{kind_of(given)} is not a value of `{_last(path)}`"
        found.report(found.value_at(path), said, _value_instead(_last(path), given, known))
    else:
        found.report(found.value_at(path), f"`{_last(path)}`: {detail['msg'][:1].lower()}{detail['msg'][1:]}")


_WANTED = {
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "tuple_type": "a list",
    "string_type": "a text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}


def _instead(found: Document, path: Path_) -> str:
    """What to write in the place of a key that nobody knows."""
    word = familiar(part_at(path[:-1]), path[-1])
    if word:
        return word.hint
    if path[0] == "environments" and len(path) == 3:
        for kind in ("services", "stores"):
            if path[-1] in (found.data.get(kind) or ()):
                return f"put it under `{kind}:` of `{path[1]}`"
    return did_you_mean(path[-1], keys_at(path[:-1]), "keys here")


def _value_instead(key: str, given: object, known: list[str]) -> str:
    """What to write in the place of a value that a key does not have."""
    text = text_of(given) if isinstance(given, (str, bool, int, float)) else ""
    meant = VALUES.get(key, {}).get(text.lower())
    if meant in known:
        return f"did you mean `{meant}`?"
    return WORDS.get((key, text.lower())) or did_you_mean(given, known, "values")


def _such(found: Document, path: Path_) -> str:
    """What the map or list at a path looks like."""
    written = _as_written(found, path)
    if written and isinstance(written[-1], str) and not (len(written) > 1 and part_at(written[:-1]) is None):
        return SUCH.get(written[-1], "")
    return SUCH_ENTRY.get(str(written[-2]), "") if len(written) > 1 else ""


def _as_written(found: Document, path: Path_) -> Path_:
    """As much of a path as the file holds: what a short form stands for is not there."""
    while path and path not in found.values:
        path = path[:-1]
    return path


def _last(path: Path_) -> str:
    """The last key of a path; an item of a list is called by its list."""
    names = [part for part in path if isinstance(part, str)]
    return names[-1] if names else "the file"


def _name(path: Path_) -> str:
    return f"`{'.'.join(map(str, path))}`" if path else "the file"


def _why(path: Path_) -> str:
    """The reason for a key that is missing: the first sentence of its documentation."""
    model = part_at(path[:-1])
    field = model.model_fields.get(str(path[-1])) if model else None
    return (field.description or "") if field else ""
