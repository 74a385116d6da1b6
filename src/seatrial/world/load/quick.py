"""Plain YAML, as people and tools write manifests, parsed ten times faster than PyYAML can: by rapidyaml, where it is sure to
agree.

rapidyaml reads YAML 1.2 and is lenient; Kubernetes reads YAML 1.1 and is not.  So a document is taken only when every line of
it is of a form that means the same to both, and its indentation is that of a tree: whatever else there is (anchors, tags,
`yes`, `0777`, texts over several lines, tabs, duplicates) goes the careful way.  What is taken needs no error handling, for it
has none.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

try:
    import ryml
except ImportError:  # no wheel for this machine: the careful way reads everything
    ryml = None

#: What some parser takes for something else than a text; only words that begin with one of these letters can be among them.
_WORDS = rb"(?=[yYnNoOtTfFiI-])-*(?i:y|n|yes|no|on|off|true|false|null|nan|inf|infinity)"
_QUOTED = rb'"(?:[^"\\\n\t]|\\["\\/nt])*+"|\'(?:[^\'\n\t]|\'\')*+\''
_KEY = rb"(?!" + _WORDS + rb" *:)(?:f:)?[A-Za-z_][A-Za-z0-9_./-]*+|\.|\"[A-Za-z0-9_][A-Za-z0-9_./ -]*+\""
_NUMBER = rb"-?[1-9][0-9]{0,17}|0|(?:0|[1-9][0-9]{0,8})\.[0-9]{1,9}"
#: A letter that no number has makes a text of what begins with a digit: digests, names of images, identifiers.
_MIXED = rb"(?!0[xXbBoO])(?=[0-9A-Za-z-]*?[a-df-wyz])[0-9][0-9A-Za-z]*(?:-[0-9A-Za-z]+)*+"
#: Dates, which are texts to Kubernetes.
_DATE = rb"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9.]+Z)?"
_MEASURE = rb"[0-9]+(?:\.[0-9]+)?(?:m|[KMGTP]i|[kMGTP]|%|s|h|ms)|[0-9]+(?:\.[0-9]+){2,6}(?:[-/][0-9A-Za-z]+)*"
_FLOW_WORD = rb"(?!" + _WORDS + rb" *[,}\]])[A-Za-z_/][A-Za-z0-9_./-]*+"
_FLOW_SCALAR = (
    b"(?:"
    + b"|".join((_QUOTED, rb"(?:true|false|" + _NUMBER + rb"|" + _MEASURE + rb"|" + _MIXED + rb")(?= *[,}\]])", _FLOW_WORD))
    + b")"
)
_PLAIN = (
    rb"(?!"
    + _WORDS
    + rb" *(?:#|$))(?:[A-Za-z_/$(]|\./|--?[A-Za-z])(?:[!-9;-~\x80-\xff]|:(?=[!-~\x80-\xff])| ++(?=[!-\"$-9;-~\x80-\xff]))*+"
)
_END = rb"(?= *(?: #|$))"


def _flow(inner: bytes) -> bytes:
    """Maps and lists of what is inside, or a scalar. Each part stands in the pattern once, which is what compiling it costs."""
    pair = b"(?:" + _KEY + b"): +" + inner
    return (
        rb"(?:\{ *(?:" + pair + rb"(?: *, *(?=[^ ,}])|(?= *\})))* *\}|\[ *(?:" + inner + rb"(?: *, *(?=[^ ,\]])|(?= *\])))* *\]|"
        + _FLOW_SCALAR + rb")"
    )  # fmt: skip


_FLOW = rb"(?=[{\[])" + _flow(_flow(_flow(_FLOW_SCALAR)))
_OTHER = b"|".join((b"true|false|null", _NUMBER, _QUOTED, _MEASURE, _MIXED, _DATE))
_SCALAR = _PLAIN + b"|(?:" + _OTHER + b")" + _END + b"|" + _FLOW
#: A block of text: its lines are indented as its first one or more; that it is deeper than its key is looked at below.
_BLOCK = rb"\|-?(?=\n)(?:\n(?P<block> +)(?=[^ \n\t])[^\n]*(?:\n(?:(?P=block)[^\n]*|(?=\n|\Z)))*+)"
#: A folded text: lines that are indented alike, none of them empty.
_FOLD = rb">-?(?=\n)(?:\n(?P<fold> +)(?=[^ \n\t])[^\n]*(?:\n(?P=fold)(?=[^ \n\t])[^\n]*)*+)"

#: One line (with its block of text): indentation, dash, key, what stands after the key, an item of its own, or none of these.
_LINE = re.compile(
    rb"^(?P<indent> *)(?:(?P<dash>- +)?(?:(?P<key>" + _KEY + rb"):(?=[ \n]|\Z)(?: *(?P<value>" + _BLOCK + b"|" + _FOLD
    + rb"|(?<= )(?:" + _SCALAR + rb")))?|(?P<item>" + _SCALAR + rb"))(?: +#[^\n]*| *)|#[^\n]*|)$|(?P<bad>^.*)",
    re.MULTILINE,
)  # fmt: skip
#: What no line may hold, however it is written: line ends of YAML 1.1 that are none in 1.2, and marks of byte order.
_ODD = re.compile(rb"\xc2\x85|\xe2\x80[\xa8\xa9]|\xef\xbb\xbf")
#: Deeper than this goes the careful way, as does a line or a document that is longer.
_WIDEST, _LONGEST = 200, 64 << 20


def load(text: bytes) -> tuple[bool, Any]:
    """(True, the document), or (False, None) where it has to be read with care."""
    if ryml is None or len(text) > _LONGEST or not _is_plain(text):
        return False, None
    try:
        tree = ryml.parse_in_arena(text)
        json = ryml.emit_json_malloc(tree, tree.root_id())
        data = orjson.loads(json)
    except (RuntimeError, ValueError, TypeError, AttributeError):
        return False, None
    # a key that is there twice is lost in the data, and so is missing when that is written again
    if json.count('":') != orjson.dumps(data).count(b'":'):
        return False, None
    return True, data


def _is_plain(text: bytes) -> bool:
    """Whether every line is one that all parsers understand alike, and the indentation of all of them is a tree's."""
    if not text.endswith(b"\n") and (
        b"|" in text or b">" in text
    ):  # a block of text at the end of a file that has no last line end
        return False
    if not text.isascii() and _ODD.search(text):
        return False
    columns: list[int] = []
    lists: list[bool] = []  # of each open collection: whether it is a list
    top, in_list = -1, False  # the last of them
    waits = True  # whether the last line ended in a key that has its value below
    for indent, dash, key, value, block, fold, item, bad in _LINE.findall(text):
        if key or item:
            column = len(indent)
            if column < top:
                waits = False
                while columns and columns[-1] > column:
                    columns.pop()
                    lists.pop()
                if not columns:
                    return False
                top, in_list = columns[-1], lists[-1]
            if dash:
                if not in_list or top != column:
                    if not waits:
                        return False
                    columns.append(column)
                    lists.append(True)
                    top, in_list = column, True
                waits = False
                if not key:
                    continue
                column += len(dash)
                columns.append(column)
                lists.append(False)
                top, in_list = column, False
            elif item:
                return False
            else:
                if in_list and top == column:  # the list of the key above, which may stand as far left as its key
                    columns.pop()
                    lists.pop()
                    if not columns:
                        return False
                    top, in_list = columns[-1], lists[-1]
                if top != column:
                    if not waits:
                        return False
                    columns.append(column)
                    lists.append(False)
                    top, in_list = column, False
            waits = not value
            if (block or fold) and len(block or fold) <= column:
                return False
        elif bad:
            return False
    return bool(columns) and len(columns) <= _WIDEST
