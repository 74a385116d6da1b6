"""Plain YAML, as people and tools write manifests, parsed ten times faster than PyYAML can: by rapidyaml, where it is sure to
agree.

rapidyaml reads YAML 1.2 and is lenient; Kubernetes reads YAML 1.1 and is not.  So a document is taken only when every line of
it is of a form that means the same to both, and its indentation is that of a tree: whatever else there is (anchors, tags,
`yes`, `0777`, texts over several lines, tabs, duplicates) goes the careful way.  What is taken needs no error handling, for it
has none.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

import orjson


def _spelled(words: str) -> str:
    """A pattern of words in upper and lower case. Those with one first letter are one branch, so that most texts fail at once."""
    endings: dict[str, list[str]] = {}
    for word in words.split():
        letters = [f"[{letter}{letter.upper()}]" for letter in word]
        endings.setdefault(letters[0], []).append("".join(letters[1:]))
    return "|".join(f"{first}(?:{'|'.join(rest)})" for first, rest in endings.items())


def _no_word(end: bytes) -> bytes:
    """Not one of what some parser takes for something else than a text; `end` is what would follow it."""
    words = _spelled("y yes n no null nan on off true false inf infinity").encode()
    return rb"(?!(?=[yYnNoOtTfFiI-])-*(?:" + words + rb") *+" + end + b")"


# Alternatives begin with what tells them apart and stand in the order of how often they are met, and nothing that was taken is
# given back (`*+`): both are most of the speed.

_QUOTED = rb'"[^"\\\n\t]*+(?:\\["\\/nt][^"\\\n\t]*+)*+"|\'[^\'\n\t]*+(?:\'\'[^\'\n\t]*+)*+\''
_NAME = rb"[A-Za-z_][A-Za-z0-9_./-]*+"
_KEY = _no_word(b":") + _NAME + rb"(?=:[ \n])|f:" + _NAME + rb"|\.|\"[A-Za-z0-9_][A-Za-z0-9_./ -]*+\""
_NUMBER = rb"[1-9][0-9]{0,17}|0|-[1-9][0-9]{0,17}|(?:0|[1-9][0-9]{0,8})\.[0-9]{1,9}"
#: A letter that no number has makes a text of what begins with a digit: digests, names of images, identifiers.
_MIXED = rb"(?!0[xXbBoO])(?=[0-9A-Za-z/-]*?[a-df-wyz])[0-9][0-9A-Za-z]*(?:[/-][0-9A-Za-z]+)*+"
#: Dates, which are texts to Kubernetes.
_DATE = rb"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9.]+Z)?"
_MEASURE = rb"[0-9]+(?:\.[0-9]+)?(?:m|[KMGTP]i|[kMGTP]|%|s|h|ms)|[0-9]+(?:\.[0-9]+){2,6}(?:[-/][0-9A-Za-z]+)*"
_FIXED = b"true|false|null"
_FLOW_WORD = _no_word(rb"[,}\]]") + rb"[A-Za-z_/][A-Za-z0-9_./-]*+"
_FLOW_SCALAR = (
    rb"(?:\{\}|\[\]|"
    + b"|".join((_QUOTED, rb"(?:" + b"|".join((_FIXED, _NUMBER, _MEASURE, _MIXED)) + rb")(?= *[,}\]])", _FLOW_WORD))
    + b")"
)
#: What a text without quotes goes on with: anything but a colon that ends it as a key, a hash that begins a comment, a tab.
_SEEN = rb"[!-9;-~\x80-\xff]*+"
_TAIL = _SEEN + rb"(?:(?::(?=[!-~\x80-\xff])| ++(?=[!-\"$-9;-~\x80-\xff]))" + _SEEN + b")*+"
_PLAIN = _no_word(rb"[#\n]") + rb"[A-Za-z_]" + _TAIL + rb"|[/$(^]" + _TAIL + rb"|\.(?:/|(?!inf|nan)[a-z]{2})" + _TAIL
_DASHED = _no_word(rb"[#\n]") + rb"--?[A-Za-z]" + _TAIL


#: Braces or brackets around scalars.
_FLOW = (
    rb"(?:\{ *(?:(?:" + _KEY + rb"): +" + _FLOW_SCALAR + rb"(?: *, *(?=[^ ,}])|(?= *\})))* *\}"
    rb"|\[ *(?:" + _FLOW_SCALAR + rb"(?: *, *(?=[^ ,\]])|(?= *\])))* *\])"
)  # fmt: skip
_DIGITS = rb"(?=[0-9-])(?:" + b"|".join((_NUMBER, _MEASURE, _MIXED, _DATE)) + rb")(?=[ \n])"
#: A block of text: its lines are indented as its first one or more; that it is deeper than its key is looked at below.
_BLOCK = rb"\|-?\n(?P<block> ++)(?=[^ \n\t])[^\n]*+(?:\n(?:(?P=block)[^\n]*+|(?=\n)))*+"
#: A folded text: lines that are indented alike, none of them empty.
_FOLD = rb">-?\n(?P<fold> ++)(?=[^ \n\t])[^\n]*+(?:\n(?P=fold)(?=[^ \n\t])[^\n]*+)*+"
_END = rb"(?:\n| ++\n| *+(?<![^ \n])#[^\n]*+\n)"
#: A text that goes on in lines of one indentation, none of them empty, as tools write what is long: without quotes, and in single
#: ones. Seldom looked for, since it takes a look at the line after each text.
_GOES_ON = rb"(?![#:]|[?-](?![!-~]))[!-~\x80-\xff]" + _TAIL + rb"(?=\n)"
_PLAIN_ON = rb"(?:" + _PLAIN + rb")\n(?P<plain> ++)" + _GOES_ON + rb"(?:\n(?P=plain)" + _GOES_ON + rb")*+"
_INSIDE = rb"[^'\n\t]*+(?:''[^'\n\t]*+)*+"
_QUOTED_ON = rb"'" + _INSIDE + rb"\n(?P<quoted> ++)(?=[^ \n])" + _INSIDE + rb"(?:\n(?P=quoted)(?=[^ \n])" + _INSIDE + rb")*+'"


#: What a key is followed by, or is an item of its own.
_VALUE = b"|".join((_PLAIN, _QUOTED, _DIGITS, _FIXED, _FLOW + b"(?= *(?: #|\n))", _BLOCK, _FOLD, _DASHED))
_LONG_VALUE = b"|".join((_PLAIN_ON, _QUOTED_ON, _VALUE))


@cache
def _line(long: bool = False) -> re.Pattern[bytes]:
    """One line (with its block of text): its indentation, its dash, that it has a key, that it has a value, or none of these.

    Of keys and values only the end is kept, a colon and a line end, which need no memory. `nested` is the rest of a line that
    begins with a brace or bracket and is more than one of them around scalars; a very long one is left to the careful way.
    `long`: texts may go on in lines below.
    """
    values = _LONG_VALUE if long else _VALUE
    return re.compile(
        rb"(?P<indent> *+)(?P<dash>- ++)?+(?:(?:" + _KEY + rb")(?P<key>:)(?:(?=\n)| ++))?+"
        rb"(?:(?:" + values + rb"|(?P<nested>[{\[][^\n]{0,2000}+))(?P<value>" + _END + b")|" + _END + rb")|(?P<bad>[^\n]*+)\n"
    )  # fmt: skip


@cache
def _innermost() -> re.Pattern[bytes]:
    return re.compile(_QUOTED + b"|(?P<flow>" + _FLOW + b")")


@lru_cache(maxsize=4096)
def _nests(text: bytes) -> bool:
    """Whether braces and brackets in one another are all of the forms above. The innermost ones become empty ones, over and over
    again; texts in quotes are stepped over whole.
    """
    for _ in range(_LEVELS):
        reduced = _innermost().sub(lambda found: b"{}" if found["flow"] else found[0], text)
        if reduced == text:
            break
        text = reduced
    return text == b"{}" or (text.startswith(b"{} ") and text[2:].lstrip(b" ")[:1] in (b"", b"#"))


#: What no line may hold, however it is written: line ends of YAML 1.1 that are none in 1.2, and marks of byte order.
_ODD = re.compile(rb"\xc2\x85|\xe2\x80[\xa8\xa9]|\xef\xbb\xbf")
#: What nests deeper goes the careful way (rapidyaml writes no JSON of more than 64 levels), as does a document of more bytes.
_DEEPEST, _LONGEST = 50, 64 << 20
#: How deep braces and brackets may nest on one line.
_LEVELS = 8
#: Bytes that JSON may have beside twice those of the YAML; where they are not enough, it is written once more.
_ROOM = 256


@cache
def _rapid() -> Any:
    """rapidyaml, imported when the first document is there; None where this machine has no wheel of it: all is read with care."""
    try:
        import ryml
    except ImportError:
        return None
    return ryml


def load(text: bytes) -> tuple[bool, Any]:
    """(True, the document), or (False, None) where it has to be read with care."""
    ryml = _rapid()
    if ryml is None or len(text) > _LONGEST or not (_is_plain(text) or _is_plain(text, long=True)):
        return False, None
    json = bytearray(len(text) * 2 + _ROOM)
    try:
        tree = ryml.parse_in_arena(text)
        short, size = ryml.emit_json_to_substr(tree, 0, json)
        if short:
            json = bytearray(size)
            ryml.emit_json_to_substr(tree, 0, json)
        data = orjson.loads(memoryview(json)[:size])
    except (RuntimeError, ValueError, TypeError, AttributeError):
        return False, None
    # a key that is there twice is lost in the data, and so is missing when that is written again
    if json.count(b'":', 0, size) != orjson.dumps(data).count(b'":'):
        return False, None
    return True, data


#: Spaces at the end of a line, which count for nothing in a text that goes on, or for something, by its kind.
_TRAILING = re.compile(rb"[ \t]\n")


def _rows(text: bytes, long: bool) -> list[tuple[bytes, ...]]:
    """What there is in each line: see `_line`. The indentation of lines in which a text goes on is told as a folded one's."""
    if not long:
        return _line().findall(text)
    found = _line(True).findall(text)
    return [(*row[:3], row[5], row[3] or row[4] or row[6], *row[7:]) for row in found]


def _is_plain(text: bytes, long: bool = False) -> bool:
    """Whether every line is one that all parsers understand alike, and the indentation of all of them is a tree's."""
    if not text.endswith(b"\n"):
        if b"|" in text or b">" in text:  # a block of text at the end of a file that has no last line end
            return False
        text += b"\n"
    if (not text.isascii() and _ODD.search(text)) or (long and _TRAILING.search(text)):
        return False
    # The collections that are open, each as twice the column of its lines, and one more for a list: a list may stand as far left
    # as the key that it belongs to, and is inside of it all the same.
    open_ = [-1]
    top = -1
    waits = True  # whether the last line ended in a key that has its value below
    for indent, dash, key, block, fold, nested, value, bad in _rows(text, long):
        if key or dash:
            at = 2 * len(indent)
            if dash:
                at += 1
            if at < top:
                waits = False
                while open_[-1] > at:
                    del open_[-1]
                top = open_[-1]
            if at != top:
                if not waits or len(open_) > _DEEPEST:
                    return False
                open_.append(at)
                top = at
            if dash:
                waits = False
                if not key:
                    if not value or block or fold or (nested and not _nests(nested)):
                        return False
                    continue
                top = at + 2 * len(dash) - 1
                open_.append(top)
            waits = not value
            if nested and not _nests(nested):
                return False
            if (block or fold) and 2 * len(block or fold) <= top:
                return False
        elif value or bad:
            return False
    return len(open_) > 1
