"""Where an object, and each field of it, is written.

Loading keeps the bytes of each file and where each object begins; `lines` finds `spec.ports[0].name` in plain YAML when somebody
asks, `marks` in all other.
"""

from __future__ import annotations

from seatrial.world.load.lines import seen
from seatrial.world.paths import Steps, split
from seatrial.world.place import Place


class Written:
    """An object as it is written in a file: the bytes of the file, where the object's document begins and ends in them, the
    line of that beginning, and where in the document the object is (the steps to an item of a list).

    `above` is how many lines of comments stand before the first key; `plain`: the document was read by `quick`.
    """

    __slots__ = ("above", "end", "file", "line", "plain", "start", "steps", "text")

    def __init__(
        self, file: str, text: bytes, start: int, end: int, line: int, steps: Steps = (), above: int = 0, plain: bool = False
    ) -> None:
        self.file, self.text = file, text
        self.start, self.end, self.line = start, end, line
        self.steps, self.above, self.plain = steps, above, plain

    def __call__(self, path: str = "") -> Place:
        """Where the object, or a field of it, is written; for a field that is not there, the nearest thing above it."""
        steps = (*self.steps, *split(path)) if path else self.steps
        # an item of a list that was cut out begins where its document does
        asked = (path or steps not in ((), (0,))) and self.text.find(b"\n", self.start, self.end - 1) >= 0
        if not asked:
            return Place(self.file, self.line + self.above)
        found = self._mark(steps)
        if found is None:
            return Place(self.file, self.line + self.above)
        return Place(self.file, self.line + found[0], found[1] + 1)

    def lines(self) -> tuple[int, int]:
        """First and last line of the object's document."""
        body = self.text[self.start : self.end].rstrip()
        return self.line + self.above, self.line + body.count(b"\n")

    def _mark(self, steps: Steps) -> tuple[int, int] | None:
        """Line and column, from 0, of a field in the document, or of the nearest thing above it."""
        document = self.text[self.start : self.end]
        if self.plain:
            return seen(document, steps)
        from seatrial.world.load.marks import marked  # PyYAML, which most runs do without

        return marked(document, steps)
