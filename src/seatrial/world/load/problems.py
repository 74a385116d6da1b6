"""What could not be read, and where: one type for every way of loading, so that one broken file never hides the others."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Problem(NamedTuple):
    """Something that was not loaded. `file` is a path, or what else was asked (`kubectl`, a chart); lines and columns count
    from 1, 0 where there is none. An `error` means that objects are missing; a `note` that something was left out on
    purpose. `rule`: the rule that tells the same of what is made of `part`, a service or store of an app file.
    """

    file: str
    line: int
    column: int
    text: str
    hint: str = ""
    severity: Literal["error", "warning", "note"] = "error"
    rule: str = ""
    part: str = ""

    @property
    def where(self) -> str:
        """`deploy/web.yaml:12:3`"""
        return ":".join([self.file, *(str(number) for number in (self.line, self.column) if number)])

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"
