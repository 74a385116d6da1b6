"""A picture as SVG: no script, no font to fetch, light on a light page and dark on a dark one; faults are red and carry a mark.

Boxes are as wide as the names in them need.  What nothing calls and what calls nothing stands below, in rows; below that are the
faults in full.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from seatrial.views.picture.layout import Layout, layered
from seatrial.views.picture.model import Edge, Node, NodeKind, Picture, title_and_rule
from seatrial.world.objects import Ref

HEIGHT, GAP_X, GAP_Y, WAY, MARGIN, HEAD, LINE = 58, 110, 26, 22, 28, 44, 18
#: A box is at least and at most so wide; so much of it is beside its text.
NARROW, WIDE, PADDING = 170, 300, 26
#: The width of a character in each style, of the wider among the common fonts, in pixels.
_LETTER = {"name": 8.0, "note": 6.8, "badtext": 7.4, "title": 9.6}
#: In a row of what is not connected are at least so many boxes; of so many faults the rest is counted.
ROW, FAULTS = 4, 40
#: A fault has at most so many characters below the picture.
LONGEST = 200
_STYLE = """\
text{font:13px system-ui,sans-serif;fill:#1f2933}.page{fill:#fff}.tip{fill:#7b8794}.tip.bad{fill:#c53030;stroke:none}
.note{font-size:11px;fill:#616e7c}.title{font-size:15px;font-weight:600}
.box{fill:#fff;stroke:#52606d;stroke-width:1.4}.entry{fill:#e6f2ff;stroke:#2b6cb0}.store{fill:#f0fff4;stroke:#2f855a}
.job{fill:#fffaf0;stroke:#b7791f}.outside{fill:#f5f7fa;stroke:#9aa5b1;stroke-dasharray:4 3}
.edge{fill:none;stroke:#7b8794;stroke-width:1.4}.lid{fill:none;stroke:#2f855a;stroke-width:1.4}
.bad{stroke:#c53030;stroke-width:2.4}.edge.bad{stroke-dasharray:6 4}
.badtext{fill:#c53030;font-size:11px;font-weight:600}.halo{paint-order:stroke;stroke:#fff;stroke-width:3px}
@media (prefers-color-scheme:dark){.page{fill:#161b22}text{fill:#e6edf3}.note{fill:#9da7b3}.halo{stroke:#161b22}
.box{fill:#21262d;stroke:#8b949e}.entry{fill:#12263f;stroke:#58a6ff}.store{fill:#12291c;stroke:#56d364}.lid{stroke:#56d364}.job{fill:#2b2111;stroke:#e3b341}
.outside{fill:#1c2128;stroke:#6e7681}.edge{stroke:#8b949e}.tip{fill:#8b949e}.bad{stroke:#ff7b72}.badtext{fill:#ff7b72}.tip.bad{fill:#ff7b72}}"""


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where everything stands: the boxes' width, the upper left corner of each, and how far down and right they reach."""

    wide: int
    places: dict[Ref, tuple[int, int]]
    right: int
    bottom: int


def show(picture: Picture) -> str:
    layout = layered(picture)
    nodes = {node.ref: node for node in picture.nodes}
    plan = _plan(picture, layout)
    told = list(_told(picture))
    title = escape(_clean(picture.title))
    height = plan.bottom + (MARGIN + LINE * len(told) if told else 0)
    texts = [_width(picture.title, "title"), *(_width(words, "badtext") for words in told)]
    width = max(plan.right + MARGIN, round(max(texts)) + 2 * MARGIN)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        'aria-labelledby="t d">',
        f'<title id="t">{title}</title>',
        f'<desc id="d">{escape(_clean(_summary(picture)))}</desc>',
        f"<style>{_STYLE}</style>",
        f"<defs>{_tip('a', 'tip')}{_tip('b', 'tip bad')}</defs>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        f'<text class="title" x="{MARGIN}" y="28">{title}</text>',
    ]
    ports = _ports(picture.edges)
    parts += [_edge(edge, plan, layout.ways.get((edge.source, edge.target), []), edge.target in ports) for edge in picture.edges]
    parts += [_node(node, *plan.places[node.ref], plan.wide) for node in (nodes[ref] for ref in plan.places if ref in nodes)]
    parts += [_port(port, plan.places[ref]) for ref, port in ports.items()]
    for line, words in enumerate(told, 1):
        parts.append(f'<text class="badtext" x="{MARGIN}" y="{plan.bottom + LINE * line}">! {escape(words)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _tip(name: str, style: str) -> str:
    """The tip of an arrow."""
    size = 'viewBox="0 0 8 8" refX="8" refY="4" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto"'
    return f'<marker id="{name}" {size}><path class="{style}" d="M0 0L8 4L0 8z"/></marker>'


#: Kinds of boxes, as a summary counts them: one, several.
_COUNTED: dict[NodeKind, tuple[str, str]] = {
    "entry": ("way in", "ways in"), "service": ("service", "services"), "store": ("store", "stores"), "job": ("job", "jobs"),
    "outside": ("address outside", "addresses outside"),
}  # fmt: skip


def _summary(picture: Picture) -> str:
    """What the picture shows, for who cannot see it: how many of what, who calls whom, and what is at fault."""
    kinds = [node.kind for node in picture.nodes]
    counted = [f"{n} {words[n > 1]}" for kind, words in _COUNTED.items() if (n := kinds.count(kind))]
    names = {node.ref: node.name for node in picture.nodes}
    calls: dict[str, list[str]] = {}
    for edge in picture.edges:
        calls.setdefault(names[edge.source], []).append(names[edge.target])
    said = [", ".join(counted) or "nothing", *(f"{source} calls {', '.join(targets)}" for source, targets in calls.items())]
    return ". ".join([*said, *_told(picture)]) + "."


def _plan(picture: Picture, layout: Layout) -> _Plan:
    texts = [_width(_marked(node), "name") for node in picture.nodes]
    texts += [_width(_note(node), "note") for node in picture.nodes if not node.faults]
    wide = min(WIDE, max(NARROW, round(max(texts, default=0.0)) + PADDING))
    joined = {end for edge in picture.edges for end in (edge.source, edge.target)}
    kept = [[ref for ref in column if ref in joined or not ref.kind] for column in layout.columns]
    columns = [column for column in kept if column]
    alone = [ref for ref in layout.boxes if ref not in joined]
    tallest = max((sum(map(_down, column)) for column in columns), default=0)
    across, down = wide + GAP_X, HEIGHT + GAP_Y
    places: dict[Ref, tuple[int, int]] = {}
    for x, column in enumerate(columns):
        y = HEAD + (tallest - sum(map(_down, column))) // 2
        for ref in column:
            places[ref] = (MARGIN + x * across, y if ref.kind else y + (_down(ref) - HEIGHT) // 2)
            y += _down(ref)
    top, row = HEAD + tallest, max(ROW, len(columns))
    step = wide + GAP_Y if len(columns) <= 1 else across
    places |= {ref: (MARGIN + n % row * step, top + n // row * down) for n, ref in enumerate(alone)}
    right = max((x + wide for x, _ in places.values()), default=0)
    back = any(places[edge.target][0] <= places[edge.source][0] for edge in picture.edges)
    bottom = max((y + HEIGHT for ref, (_, y) in places.items() if ref.kind), default=HEAD) + MARGIN
    return _Plan(wide, places, right + (70 if back else 0), bottom)


def _down(ref: Ref) -> int:
    """How much room something takes in its column: the way of a long arrow less than a box."""
    return HEIGHT + GAP_Y if ref.kind else WAY


def _told(picture: Picture) -> Iterator[str]:
    """The faults in full, of boxes, of arrows, and of what is not drawn."""
    told = [fault for node in picture.nodes for fault in node.faults]
    known = {node.ref for node in picture.nodes if node.tells_calls}
    told += [
        f"{edge.source.name} → {edge.target.name}: {fault}"
        for edge in picture.edges
        for fault in edge.faults
        if edge.source not in known
    ]
    told += picture.others
    once = list(dict.fromkeys(told))
    yield from (_cut(words, LONGEST) for words in once[:FAULTS])
    if len(once) > FAULTS:
        yield f"and {len(once) - FAULTS} more: seatrial check tells them"


def _ports(edges: Sequence[Edge]) -> dict[Ref, str]:
    """The port of a target that all arrows to it carry well: it is written once, where they end."""
    labels: dict[Ref, set[str]] = {}
    for edge in edges:
        labels.setdefault(edge.target, set()).add("!" if edge.faults else edge.label)
    arrows = [edge.target for edge in edges]
    return {
        ref: port for ref, (port, *more) in ((ref, sorted(found)) for ref, found in labels.items())
        if not more and port and port != "!" and arrows.count(ref) > 1
    }  # fmt: skip


def _port(port: str, at: tuple[int, int]) -> str:
    x, y = at[0] - 12, at[1] + HEIGHT // 2 - 7
    return f'<text class="note halo" x="{x}" y="{y}" text-anchor="end">{escape(_cut(port, 12))}</text>'


def _node(node: Node, x: int, y: int, wide: int) -> str:
    bad = " bad" if node.faults else ""
    radius = 12 if node.kind == "entry" else 4
    told = "".join(f"\n{fault}" for fault in node.faults)
    told += f"\npolicies: {', '.join(node.policies)}" if node.policies else ""
    parts = [f"<g><title>{escape(_clean(str(node.ref) + told))}</title>"]
    parts.append(f'<rect class="box {node.kind}{bad}" x="{x}" y="{y}" width="{wide}" height="{HEIGHT}" rx="{radius}"/>')
    if node.kind == "store":  # a lid makes it a drum
        parts.append(f'<path class="lid{bad}" d="M{x} {y + 8}q{wide / 2} 9 {wide} 0"/>')
    parts.append(f'<text x="{x + 12}" y="{y + 26}">{escape(_fit(_marked(node), wide, "name"))}</text>')
    style, note = ("badtext", _fault(node, wide)) if node.faults else ("note", _note(node))
    parts.append(f'<text class="{style}" x="{x + 12}" y="{y + 44}">{escape(_fit(note, wide, style, end=True))}</text></g>')
    return "".join(parts)


def _marked(node: Node) -> str:
    return f"! {node.name}" if node.faults else node.name


def _fault(node: Node, wide: int) -> str:
    """The fault without whose it is, its rule where there is no room for it, or how many there are: in full they stand below."""
    if len(node.faults) > 1:
        return f"{len(node.faults)} faults"
    title, rule = title_and_rule(node.faults[0])
    subject, colon, rest = title.partition(": ")
    words = rest if colon and node.name in subject else title
    return words if not rule or _width(words, "badtext") <= wide - PADDING + 6 else rule


def _note(node: Node) -> str:
    count = len(node.policies)
    policies = [f"{count} {'policy' if count == 1 else 'policies'}"] if count else []
    return " · ".join([" ".join(node.notes), *policies] if node.notes else policies)


def _edge(edge: Edge, plan: _Plan, way: Sequence[Ref], named: bool) -> str:
    (x1, y1), (x2, y2) = plan.places[edge.source], plan.places[edge.target]
    wide, start = plan.wide, x1 + plan.wide
    y1, y2 = y1 + HEIGHT // 2, y2 + HEIGHT // 2
    if x2 > x1:
        path, at = f"M{start} {y1}", (start, y1)
        for x, y in [*(plan.places[ref] for ref in way), (x2, y2 - HEIGHT // 2)]:
            y += HEIGHT // 2
            bend = (x - at[0]) // 2
            path += f"C{at[0] + bend} {at[1]} {x - bend} {y} {x} {y}"
            if (x, y) != (x2, y2):
                path += f"H{x + wide}"
                at = (x + wide, y)
        middle = (start + GAP_X // 2, (y1 + (plan.places[way[0]][1] + HEIGHT // 2 if way else y2)) // 2)
    else:  # back to the left, or within a column: around on the right
        path = f"M{start} {y1}C{start + 70} {y1} {x2 + wide + 70} {y2} {x2 + wide} {y2}"
        middle = (start + 50, (y1 + y2) // 2)
    bad = " bad" if edge.faults else ""
    verb = "leads to" if edge.kind == "route" else "calls"
    port = f" at {edge.label}" if edge.label else ""
    told = "\n".join([f"{edge.source.name} {verb} {edge.target.name}{port}", *edge.faults])
    tip = f"url(#{'b' if edge.faults else 'a'})"
    text = f'<path class="edge{bad}" d={quoteattr(path)} marker-end="{tip}"><title>{escape(_clean(told))}</title></path>'
    words = f"! {edge.label}" if edge.faults else "" if named else edge.label
    if words:
        style = "badtext" if edge.faults else "note"
        anchor = 'text-anchor="middle"'
        text += f'<text class="{style} halo" x="{middle[0]}" y="{middle[1] - 5}" {anchor}>{escape(_cut(words, 12))}</text>'
    return text


def _width(text: str, style: str) -> float:
    """About how wide a text is, in pixels."""
    return len(text) * _LETTER[style]


def _fit(text: str, wide: int, style: str, *, end: bool = False) -> str:
    """A text that stays in its box. Names are cut in the middle: what is different about them is mostly at their ends."""
    text, room = _clean(" ".join(text.split())), int((wide - PADDING + 6) / _LETTER[style])
    if len(text) <= room:
        return text
    if end:
        return text[: room - 1] + "…"
    return text[: (room - 1) // 3] + "…" + text[-(room - 1 - (room - 1) // 3) :]


def _clean(text: str) -> str:
    """Without what XML has no place for."""
    return "".join(char if char in "\n\t" or (char.isprintable() and char != "\ufffe") else "\ufffd" for char in text)


def _cut(text: str, length: int) -> str:
    text = _clean(" ".join(text.split()))
    return text if len(text) <= length else text[: length - 1] + "…"
