"""Rows of a table, found in an object in one pass: their paths are woven into a tree, and only branches that exist are walked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from seatrial.world.paths import EACH, Steps, split


class HasPath(Protocol):
    @property
    def path(self) -> str: ...


R = TypeVar("R", bound=HasPath)


class Place(NamedTuple):
    """A row that is nothing but its path."""

    path: str


class Node(Generic[R]):
    """A branch of the tree: what is looked for here, and below which keys, below every item, below every key."""

    __slots__ = ("each", "every", "keys", "rows")

    def __init__(self) -> None:
        self.rows: list[R] = []
        self.keys: dict[str, Node[R]] = {}
        self.each: Node[R] | None = None
        self.every: Node[R] | None = None


class Hit(NamedTuple, Generic[R]):
    """A row, the value at its path, what that value stands in, and the steps to it."""

    row: R
    value: Any
    beside: Any
    steps: Steps


def weave(rows: Iterable[R]) -> Node[R]:
    """The tree of some rows."""
    root: Node[R] = Node()
    for row in rows:
        node = root
        for step in split(row.path) if row.path else ():
            if step == EACH:
                node.each = node.each or Node()
                node = node.each
            elif step == "*":
                node.every = node.every or Node()
                node = node.every
            else:
                node = node.keys.setdefault(str(step), Node())
        node.rows.append(row)
    return root


def hits(tree: Node[R], value: Any, steps: Steps = ()) -> list[Hit[R]]:
    """Every place in a document that a tree looks for; nulls are not there."""
    found: list[Hit[R]] = []
    _collect(tree, value, None, steps, found)
    return found


def _collect(node: Node[R], value: Any, beside: Any, steps: Steps, found: list[Hit[R]]) -> None:
    for row in node.rows:
        found.append(Hit(row, value, beside, steps))
    if isinstance(value, dict):
        for key, child in node.keys.items():
            below = value.get(key)
            if below is not None:
                _collect(child, below, value, (*steps, key), found)
        if node.every is not None:
            for key, below in value.items():
                if below is not None and isinstance(key, str):
                    _collect(node.every, below, value, (*steps, key), found)
    elif node.each is not None and isinstance(value, list):
        for index, below in enumerate(value):
            if below is not None:
                _collect(node.each, below, value, (*steps, index), found)
