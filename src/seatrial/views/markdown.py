"""A page of ours in a terminal: headings in bold, code indented, words in backticks and asterisks without them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

WIDTH = 100
_BOLD, _END = "\033[1m", "\033[0m"
_STRONG = re.compile(r"\*\*(.+?)\*\*")


def terminal(markdown: str, *, colour: bool = False) -> str:
    """The text of a page made of headings, paragraphs and fenced code."""
    return "\n".join(_lines(markdown, colour)).strip("\n") + "\n"


def _lines(markdown: str, colour: bool) -> Iterator[str]:
    code = False
    paragraph: list[str] = []
    for line in [*markdown.splitlines(), ""]:
        if not code and paragraph and (not line or line.startswith(("```", "#"))):
            yield from _wrapped(" ".join(paragraph), colour)
            paragraph = []
        if line.startswith("```"):
            code = not code
        elif code:
            yield f"    {line}".rstrip()
        elif line.startswith("#"):
            yield _marked(line.lstrip("# "), colour)
        elif line.startswith("<!--"):
            continue
        elif line:
            paragraph.append(line)
        else:
            yield ""


def _wrapped(text: str, colour: bool) -> Iterator[str]:
    plain = _STRONG.sub(r"\1", text)
    strong = plain != text and text.startswith("**")
    for line in textwrap.wrap(plain, WIDTH, break_long_words=False, break_on_hyphens=False):
        yield _marked(line, colour and strong)


def _marked(text: str, bold: bool) -> str:
    return f"{_BOLD}{text}{_END}" if bold else text
