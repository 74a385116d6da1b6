"""A draft of an app file: plain data, where each part came from, what to say beside it, and what found no place in it.

`settled` writes it as a person would and takes out, with a note, what the app file does not accept; so what it returns loads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from seatrial.app import App, AppFileErrors, Problem, loads
from seatrial.app.document import Mark, Path_, parse
from seatrial.importing.source import Place

WIDTH = 100  # a map that is longer than this on one line gets a line a key
ROUNDS = 20  # each takes something out; what a round reveals is rarely more than two deep


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """Something that was not carried over, or not as it was."""

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass(slots=True)
class Draft:
    """The keys of an app file as they come together."""

    source: str  # what it is made from, for its first line
    data: dict[str, Any] = field(default_factory=dict)
    places: dict[Path_, Place] = field(default_factory=dict)
    comments: dict[Path_, list[str]] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def put(self, path: Path_, value: Any, place: Place | None = None, comment: str = "") -> None:
        """Set the value at a path of keys; the maps above it are made. `comment` stands in the line before it."""
        here = self.data
        for key in path[:-1]:
            here = here.setdefault(str(key), {})
        here[str(path[-1])] = value
        if place:
            self.places[path] = place
        if comment:
            self.comments.setdefault(path, []).append(comment)

    def get(self, *path: str) -> Any:
        """The value at a path, or None."""
        here: Any = self.data
        for key in path:
            here = here.get(key) if isinstance(here, dict) else None
        return here

    def add(self, path: Path_, value: Any, place: Place | None = None) -> None:
        """Append to the list at a path what it does not hold yet."""
        there = self.get(*map(str, path))
        if value not in (there or []):
            self.put(path, [*(there or []), value], place)
            if place:
                self.places[(*path, len(there or []))] = place

    def note(self, place: Place, message: str) -> None:
        self.notes.append(Note(place, message))

    def place(self, path: Path_) -> Place:
        """Where the value at a path came from, or the nearest thing above it that came from anywhere."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(self.source))


def name(text: str, fallback: str = "app") -> str:
    """A name as the app file has them: lower-case letters, digits and dashes, beginning with a letter, 40 characters at most."""
    found = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if found and not found[0].isalpha():
        found = f"{fallback}-{found}"
    return found[:40].strip("-") or fallback


def settled(draft: Draft) -> str:
    """The text of the app file; what it could not hold is taken out of the draft and noted.

    Raises AppFileErrors when nothing is left that could be an app.
    """
    for _ in range(ROUNDS):
        if not draft.data.get("services"):
            break
        text = written(draft)
        try:
            app = loads(text)
        except AppFileErrors as errors:
            if not _take_out(draft, text, errors.problems):
                raise
        else:
            _remark(draft, text, app.remarks)
            _unreached(draft, app)
            return text
    hint = "an app is at least one image that is run: a service, a Deployment, a StatefulSet"
    raise AppFileErrors([Problem(draft.source, 0, 0, "nothing here could be a service of an app", hint)])


def _remark(draft: Draft, text: str, remarks: Iterable[Problem]) -> None:
    """Note what loads and is hardly meant."""
    paths = _paths(text)
    for remark in remarks:
        place = draft.place(paths.get(Mark(remark.line, remark.column), ()))
        draft.note(place, f"{remark.message}: {remark.hint}" if remark.hint else remark.message)


def _unreached(draft: Draft, app: App) -> None:
    """Note the services to which nothing gets through: what is called by who was not written down cannot be known."""
    called = {call.name for service in app.services.values() for call in service.calls or ()}
    told = {path[1] for path in draft.comments if path[-1] == "port"}  # those are said to have been published
    reached = {name for name, service in app.services.items() if not service.port or service.expose} | called | told
    silent = [name for name in app.services if name not in reached]
    if silent and len(app.services) > 1:
        names = ", ".join(f"`{name}`" for name in silent)
        message = f"nothing says who calls {names}: `calls` of a service, or `expose`, opens the network"
        draft.note(draft.place(("services", silent[0])), message)


def _paths(text: str) -> dict[Mark, Path_]:
    """What stands at each place of a text."""
    found = parse(text)
    paths: dict[Mark, Path_] = {}
    for path, mark in (*found.values.items(), *found.keys.items()):
        if len(path) >= len(paths.get(mark, ())):
            paths[mark] = path
    return paths


def _take_out(draft: Draft, text: str, problems: list[Problem]) -> bool:
    """Take out what the problems are about. False when they are about nothing that the draft holds."""
    paths = _paths(text)
    wrong = {path: problem for problem in problems if (path := paths.get(Mark(problem.line, problem.column), ()))}
    for path, problem in wrong.items():
        if path[0] != "app":
            what = ".".join(str(key) for key in path if isinstance(key, str))
            draft.note(draft.place(path), f"{what}: {problem.message}")
    wrong.pop(("app",), None)
    draft.data = _without(draft.data, set(wrong), ())
    return bool(wrong)


def _without(data: Any, paths: set[Path_], here: Path_) -> Any:
    if isinstance(data, dict):
        kept = {key: _without(child, paths, (*here, key)) for key, child in data.items() if (*here, key) not in paths}
        return {key: child for key, child in kept.items() if child not in ([], {}) or data[key] in ([], {})}
    if isinstance(data, list):
        return [_without(child, paths, (*here, i)) for i, child in enumerate(data) if (*here, i) not in paths]
    return data


# -- writing -------------------------------------------------------------------------------------------------------------

#: The order of keys that people read in.
TOP = ("app", "team", "version", "services", "stores", "sizes", "environments", "platform")
SERVICE = (
    *("image", "build", "run", "runtime", "port", "health", "metrics", "expose", "calls", "config", "secrets", "migrate", "jobs"),
    *("size", "replicas", "scale", "canary", "drain", "grace", "user", "writable", "nodes", "identity"),
)


def written(draft: Draft) -> str:
    """The draft as YAML with its comments."""
    head = [
        f"# A first app file, made by `seatrial init` from {_line(draft.source)}.",
        "# Read it once: what is missing got the answer production needs. `seatrial render` shows what becomes of it.",
    ]
    return "\n".join([*head, *_map(draft, _ordered(draft.data, TOP), (), 0)]) + "\n"


def _ordered(data: dict[str, Any], order: tuple[str, ...]) -> dict[str, Any]:
    return {key: data[key] for key in (*order, *data) if key in data}


def _map(draft: Draft, data: dict[str, Any], path: Path_, depth: int) -> Iterator[str]:
    pad = "  " * depth
    for index, (key, value) in enumerate(data.items()):
        here = (*path, key)
        if (depth == 0 and key not in ("team", "version", "app")) or (path == ("services",) and index):
            yield ""
        yield from (f"{pad}# {_line(comment)}" for comment in draft.comments.get(here, ()))
        if isinstance(value, dict) and _stands_alone(here, value, pad):
            yield f"{pad}{_flow(key)}:"
            yield from _map(draft, _ordered(value, SERVICE) if path == ("services",) else value, here, depth + 1)
        else:
            yield f"{pad}{_flow(key)}: {_flow(value)}"


def _stands_alone(path: Path_, value: dict[str, Any], pad: str) -> bool:
    """Whether a map gets a line for each key."""
    if not value:
        return False
    if len(path) == 1 or (path[0] == "services" and len(path) == 2) or path[-1] == "jobs":
        return path != ("platform",) or len(_flow(value)) > WIDTH
    return len(f"{pad}{path[-1]}: {_flow(value)}") > WIDTH or (path[-1] == "config" and len(value) > 3)


def _flow(value: Any) -> str:
    style = '"' if isinstance(value, str) and re.search(r"[^\x20-\x7e]", value) else None
    text: str = yaml.safe_dump(
        value, default_flow_style=True, default_style=style, width=1 << 30, sort_keys=False, allow_unicode=style is None
    )
    return text.removesuffix("\n").removesuffix("...").strip()


def _line(text: str) -> str:
    """A text that cannot leave the comment it stands in."""
    return re.sub(r"[^\x20-\x7e]+", " ", text)
