"""A picture as text: each box with its arrows, from the entries inwards; faults are marked with `!`."""

from __future__ import annotations

import textwrap

from seatrial.views.picture.layout import layered
from seatrial.views.picture.model import Node, Picture

#: Columns, where nobody says how many there are.
WIDTH = 110
_MARKS = {"entry": "→", "service": "○", "store": "■", "job": "◷", "outside": "…"}


def show(picture: Picture, width: int = WIDTH) -> str:
    """One block a box, in the order of the columns; long words about faults go on below."""
    nodes = {node.ref: node for node in picture.nodes}
    lines = [picture.title, ""] if picture.title else []
    for ref in layered(picture).boxes:
        node = nodes[ref]
        lines.append(_line(node))
        for fault in node.faults:
            lines += _wrapped(_clean(node.brief(fault)), "    ! ", width)
        if node.policies:
            lines.append(f"      policies {_clean(', '.join(node.policies))}")
        for edge in picture.edges:
            if edge.source == ref:
                port = f" :{edge.label}" if edge.label else ""
                lines.append(f"    {'!' if edge.faults else ' '} ─→ {_clean(nodes[edge.target].name)}{port}")
                lines += [f"          {_clean(fault)}" for fault in edge.faults]
    for words in picture.others:
        lines += _wrapped(_clean(words), "! ", width)
    return "\n".join(lines) + "\n"


def _wrapped(words: str, before: str, width: int) -> list[str]:
    room, more = max(width, 60), " " * len(before)
    return textwrap.wrap(
        words, room, initial_indent=before, subsequent_indent=more, break_long_words=False, break_on_hyphens=False
    )


def _line(node: Node) -> str:
    notes = f"  {', '.join(map(_clean, node.notes))}" if node.notes else ""
    return f"{_MARKS[node.kind]} {_clean(node.name)}{notes}"


def _clean(text: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
