"""A picture as SVG: no script, no font to fetch, readable on light and dark pages; faults are red and carry a mark."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from seatrial.views.picture.layout import layered
from seatrial.views.picture.model import Edge, Node, Picture
from seatrial.world.objects import Ref

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN, HEAD = 190, 58, 110, 26, 28, 44
_STYLE = """\
text{font:13px system-ui,sans-serif;fill:#1f2933}.note{font-size:11px;fill:#616e7c}.title{font-size:15px;font-weight:600}
.box{fill:#fff;stroke:#52606d;stroke-width:1.4}.entry{fill:#e6f2ff;stroke:#2b6cb0}.store{fill:#f0fff4;stroke:#2f855a}
.job{fill:#fffaf0;stroke:#b7791f}.outside{fill:#f5f7fa;stroke:#9aa5b1;stroke-dasharray:4 3}
.edge{fill:none;stroke:#7b8794;stroke-width:1.4}.bad{stroke:#c53030;stroke-width:2.4}.edge.bad{stroke-dasharray:6 4}
.badtext{fill:#c53030;font-size:11px;font-weight:600}.halo{paint-order:stroke;stroke:#fff;stroke-width:3px}"""


def show(picture: Picture) -> str:
    layout = layered(picture)
    columns = layout.columns
    nodes = {node.ref: node for node in picture.nodes}
    tallest = max((len(column) for column in columns), default=0)
    told = [f"{edge.source.name} → {edge.target.name}: {fault}" for edge in picture.edges for fault in edge.faults]
    told += picture.others
    height = HEAD + MARGIN + tallest * (HEIGHT + GAP_Y) + 18 * len(told)
    width = 2 * MARGIN + max(1, len(columns)) * (WIDTH + GAP_X) - GAP_X
    places = {
        ref: (MARGIN + x * (WIDTH + GAP_X), HEAD + round((tallest - len(column)) * (HEIGHT + GAP_Y) / 2) + y * (HEIGHT + GAP_Y))
        for x, column in enumerate(columns)
        for y, ref in enumerate(column)
    }
    title = escape(_clean(picture.title))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        f"<title>{title}</title>",
        f"<style>{_STYLE}</style>",
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" '
        'markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#7b8794"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text class="title" x="{MARGIN}" y="28">{title}</text>',
    ]
    parts += [_edge(edge, places, layout.ways.get((edge.source, edge.target), [])) for edge in picture.edges]
    parts += [_node(nodes[ref], *places[ref]) for ref in layout.boxes]
    below = height - 18 * len(told) + 4
    for line, words in enumerate(told):
        parts.append(f'<text class="badtext" x="{MARGIN}" y="{below + 18 * line}">! {escape(_cut(words, 120))}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _node(node: Node, x: int, y: int) -> str:
    bad = " bad" if node.faults else ""
    radius = 12 if node.kind == "entry" else 4
    told = "".join(f"\n{fault}" for fault in node.faults)
    parts = [f"<g><title>{escape(_clean(str(node.ref) + told))}</title>"]
    parts.append(f'<rect class="box {node.kind}{bad}" x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="{radius}"/>')
    if node.kind == "store":  # a lid makes it a drum
        parts.append(f'<path class="edge{bad}" d="M{x} {y + 8}q{WIDTH / 2} 9 {WIDTH} 0"/>')
    mark = "! " if node.faults else ""
    parts.append(f'<text x="{x + 12}" y="{y + 26}">{escape(mark + _cut(node.name, 24))}</text>')
    note = node.faults[0] if node.faults else " ".join(node.notes)
    style = "badtext" if node.faults else "note"
    parts.append(f'<text class="{style}" x="{x + 12}" y="{y + 44}">{escape(_cut(note, 30))}</text></g>')
    return "".join(parts)


def _edge(edge: Edge, places: dict[Ref, tuple[int, int]], way: Sequence[Ref]) -> str:
    (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
    start, y1, y2 = x1 + WIDTH, y1 + HEIGHT // 2, y2 + HEIGHT // 2
    if x2 > x1:
        path, at = f"M{start} {y1}", (start, y1)
        for x, y in [*(places[ref] for ref in way), (x2, y2 - HEIGHT // 2)]:
            y += HEIGHT // 2
            bend = (x - at[0]) // 2
            path += f"C{at[0] + bend} {at[1]} {x - bend} {y} {x} {y}"
            if (x, y) != (x2, y2):
                path += f"H{x + WIDTH}"
                at = (x + WIDTH, y)
        middle = ((start + x1 + WIDTH + GAP_X) // 2, (y1 + (places[way[0]][1] + HEIGHT // 2 if way else y2)) // 2)
    else:  # back to the left, or within a column: around on the right
        path = f"M{start} {y1}C{start + 70} {y1} {x2 + WIDTH + 70} {y2} {x2 + WIDTH} {y2}"
        middle = (start + 50, (y1 + y2) // 2)
    bad = " bad" if edge.faults else ""
    told = "; ".join(edge.faults) or edge.kind
    text = f'<path class="edge{bad}" d={quoteattr(path)} marker-end="url(#a)"><title>{escape(_clean(told))}</title></path>'
    words = f"! {edge.label}" if edge.faults else edge.label
    if words:
        style = "badtext" if edge.faults else "note"
        text += f'<text class="{style} halo" x="{middle[0] - 14}" y="{middle[1] - 5}">{escape(_cut(words, 12))}</text>'
    return text


def _clean(text: str) -> str:
    """Without what XML has no place for."""
    return "".join(char if char in "\n\t" or (char.isprintable() and char != "\ufffe") else "\ufffd" for char in text)


def _cut(text: str, length: int) -> str:
    text = _clean(" ".join(text.split()))
    return text if len(text) <= length else text[: length - 1] + "…"
