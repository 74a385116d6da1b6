"""A picture as text: each box with its arrows, from the entries inwards; faults are marked with `!`."""

from __future__ import annotations

from seatrial.views.picture.layout import layered
from seatrial.views.picture.model import Node, Picture

_MARKS = {"entry": "→", "service": "○", "store": "■", "job": "◷", "outside": "…"}


def show(picture: Picture) -> str:
    """One block a box, in the order of the columns."""
    nodes = {node.ref: node for node in picture.nodes}
    lines = [picture.title, ""] if picture.title else []
    for ref in layered(picture).boxes:
        node = nodes[ref]
        lines.append(_line(node))
        lines += [f"    ! {_clean(fault)}" for fault in node.faults]
        for edge in picture.edges:
            if edge.source == ref:
                port = f" :{edge.label}" if edge.label else ""
                lines.append(f"    {'!' if edge.faults else ' '} ─→ {_clean(nodes[edge.target].name)}{port}")
                lines += [f"          {_clean(fault)}" for fault in edge.faults]
    lines += [f"! {_clean(words)}" for words in picture.others]
    return "\n".join(lines) + "\n"


def _line(node: Node) -> str:
    notes = f"  {', '.join(map(_clean, node.notes))}" if node.notes else ""
    return f"{_MARKS[node.kind]} {_clean(node.name)}{notes}"


def _clean(text: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
