"""Secrets masked by their value wherever they turn up: plain, in base64 (of base64, and inside it), in URLs, JSON, line by line.

Values under `SHORTEST` characters are no secrets and stay; those under `WHOLE` are masked only as words of their own, or a
password `abc` would blacken half of every page.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

MASK = "***"
SHORTEST, WHOLE = 3, 6
#: Characters of base64 that are enough to be known again.
ENOUGH = 8
#: In a stream: characters of a secret that is broken over lines, and lines that are held back at most.
REACH, HELD = 4096, 500
#: Words that are values of many keys and nobody's secret.
PUBLIC = frozenset(
    {"true", "false", "yes", "none", "null", "off", "default", "admin", "root", "postgres", "localhost", "production"}
)
#: Keys under which a JSON document keeps what is secret.
_KEYS = re.compile(r"pass|secret|token|auth|key|credential", re.IGNORECASE)
_WORD = re.compile(r"\w")


class Redactor:
    """Masks the values it was told, and everything they can be recognised by."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: set[str] = set()
        self._patterns: dict[str, list[str]] = {}  # by their first characters: a text is searched once, not once a pattern
        self._longest, self._starts = 0, set[str]()
        self._clean: set[str] = set()  # short texts that were searched and had nothing in them: keys, kinds, names
        self.add(values)

    def add(self, values: Iterable[str]) -> None:
        for value in values:
            for secret in _secrets(value):
                if secret not in self._values:
                    self._values.add(secret)
                    self._clean.clear()
                    for form in dict.fromkeys(_forms(secret)):
                        self._patterns.setdefault(form[:SHORTEST], []).append(form)
                        self._longest = max(self._longest, len(form))
                        self._starts |= {form[:few] for few in range(1, SHORTEST) if len(form) >= ENOUGH}

    def preview(self, value: str) -> str:
        return f"sha256:{hashlib.sha256(value.encode()).hexdigest()[:8]}"

    def text(self, text: str) -> str:
        if text in self._clean:
            return text
        shown = _masked(text, [*self._spans(text), *self._broken(text)])
        if len(text) <= 80 and shown == text:
            if len(self._clean) > 20_000:
                self._clean.clear()
            self._clean.add(text)
        return shown

    def data(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key) if isinstance(key, str) else key: self.data(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(item) for item in value]
        return value

    def lines(self) -> Lines:
        """For a stream: lines in, lines out, a secret that is broken over several of them masked in each."""
        return Lines(self)

    def after(self, before: str, text: str) -> str:
        """A text masked as what follows another: also what of it ends a secret that began there."""
        if not before:
            return self.text(text)
        whole = f"{before}\n{text}"
        start = len(before) + 1
        spans = [(max(begin, start), end) for begin, end in (*self._spans(whole), *self._broken(whole)) if end > start]
        return _masked(text, [(begin - start, end - start) for begin, end in spans])

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        found = self._patterns.get
        for at in range(len(text) - SHORTEST + 1):
            for pattern in found(text[at : at + SHORTEST], ()):
                if text.startswith(pattern, at):
                    end = at + len(pattern)
                    if len(pattern) >= WHOLE or _alone(text, at, end):
                        yield at, end

    def _broken(self, text: str) -> list[tuple[int, int]]:
        """Spans of secrets that go over the ends of lines, found in the text without them."""
        if "\n" not in text:
            return []
        kept = [index for index, letter in enumerate(text) if letter not in "\r\n"]
        joined = "".join(text[index] for index in kept)
        spans = self._spans(joined)
        return [(kept[start], kept[end - 1] + 1) for start, end in spans if end - start >= ENOUGH]

    def opening(self, text: str) -> str:
        """The end of a text with which a secret may begin, to go on in the next line; "" when none can."""
        tail = text[-REACH:][-self._longest :]
        found = self._patterns.get
        for at in range(len(tail) - SHORTEST + 1):
            for pattern in found(tail[at : at + SHORTEST], ()):
                if ENOUGH <= len(pattern) > len(tail) - at and pattern.startswith(tail[at:]):
                    return tail[at:]
        return next((tail[-few:] for few in range(SHORTEST - 1, 0, -1) if tail[-few:] in self._starts), "")


class Lines:
    """Holds a line back while its end may be the beginning of a secret: four characters of one say so.

    Where fewer were shown already, the rest of it is masked.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor, self._held, self._before = redactor, list[str](), ""

    def feed(self, line: str) -> list[str]:
        """The lines that may be shown now."""
        self._held.append(line)
        opening = self._redactor.opening(self._before + "".join(self._held))
        if len(opening) > SHORTEST and len(self._held) < HELD:
            return []
        shown = self.flush()
        self._before = opening
        return shown

    def flush(self) -> list[str]:
        """What is held back, masked."""
        if not self._held:
            return []
        text, self._held = "\n".join(self._held), []
        shown = self._redactor.after(self._before, text)
        self._before = ""
        return shown.split("\n")


def _masked(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with its spans masked; line ends inside of them stay."""
    if not spans:
        return text
    parts, position = list[str](), 0
    for start, end in sorted(spans):
        if end <= position:
            continue
        if start > position or not parts:
            parts += [text[position:start], MASK]
        ends = text[max(start, position) : end].count("\n")
        parts.append(f"\n{MASK}" * ends)
        position = end
    return "".join([*parts, text[position:]])


def _alone(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (_WORD.match(before) or _WORD.match(after))


def _secrets(value: str) -> Iterator[str]:
    """A value, and what in it is secret by itself: its lines, the password of a URL, the leaves of a JSON document."""
    for each in dict.fromkeys((value, value.strip())):
        if len(each) >= SHORTEST and each.lower() not in PUBLIC and not each.isspace():
            yield each
    if "\n" in value.strip():
        for line in value.splitlines():
            line = line.strip()
            if len(line) >= 4 and not line.startswith("-----"):
                yield from _secrets(line)
            _, equals, rest = line.partition("=")
            if equals and len(rest) >= 4:
                yield from _secrets(rest.strip("'\""))
    if "://" in value:
        yield from _of_url(value)
    if value.lstrip()[:1] in ("{", "["):
        try:
            yield from _of_json(json.loads(value), "")
        except ValueError:
            return


def _of_url(value: str) -> Iterator[str]:
    try:
        password = urlsplit(value.strip()).password
    except ValueError:
        return
    for each in {password, unquote(password or "")}:
        if each and len(each) >= SHORTEST and each.lower() not in PUBLIC:
            yield each


def _of_json(document: Any, key: str) -> Iterator[str]:
    if isinstance(document, dict):
        for name, item in document.items():
            yield from _of_json(item, str(name))
    elif isinstance(document, list):
        for item in document:
            yield from _of_json(item, key)
    elif isinstance(document, str) and _KEYS.search(key):
        yield from _secrets(document)


def _forms(secret: str) -> Iterator[str]:
    """The ways in which a secret is written."""
    plain = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), html.escape(secret)}
    for ascii_only in (True, False):
        quoted = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        plain |= {quoted, json.dumps(quoted)[1:-1], quoted.replace("/", "\\/")}
    plain |= {repr(secret)[1:-1], secret.replace("'", "''"), secret.replace("'", "'\\''")}
    yield from sorted(plain)
    raw = secret.encode()
    if len(raw) >= 4:
        yield raw.hex()
    once = {*_base64(raw), *_base64(raw + b"\n")}
    yield from sorted(once)
    for whole in {base64.b64encode(raw), base64.b64encode(raw + b"\n"), base64.urlsafe_b64encode(raw)}:
        yield from sorted(_base64(whole))


def _base64(raw: bytes) -> set[str]:
    """Base64 of bytes, whole and as it looks inside that of something longer: at each of three places in a group."""
    found = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(raw).decode()
        found |= {each for each in (whole, whole.rstrip("=")) if len(each) >= 4}
        for shift in range(3):
            text = encode(b"\0" * shift + raw).decode().rstrip("=")
            first = -(-shift * 8 // 6)
            last = (shift + len(raw)) * 8 // 6
            if last - first >= ENOUGH:
                found.add(text[first:last])
    return found
