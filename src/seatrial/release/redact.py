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
        self._patterns: dict[str, None] = {}
        self.add(values)

    def add(self, values: Iterable[str]) -> None:
        for value in values:
            for secret in _secrets(value):
                if secret not in self._values:
                    self._values.add(secret)
                    self._patterns.update(dict.fromkeys(_forms(secret)))

    def preview(self, value: str) -> str:
        return f"sha256:{hashlib.sha256(value.encode()).hexdigest()[:8]}"

    def text(self, text: str) -> str:
        spans = list(self._spans(text))
        if "\n" in text:  # a value may be broken over lines
            spans += self._broken(text)
        return _masked(text, spans)

    def data(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key) if isinstance(key, str) else key: self.data(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(item) for item in value]
        return value

    def lines(self) -> Lines:
        """For a stream: lines in, lines out, a secret that is broken over two of them masked in both."""
        return Lines(self)

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        for pattern in self._patterns:
            at = text.find(pattern)
            while at >= 0:
                end = at + len(pattern)
                if len(pattern) >= WHOLE or _alone(text, at, end):
                    yield at, end
                at = text.find(pattern, at + 1)

    def _broken(self, text: str) -> list[tuple[int, int]]:
        """Spans of secrets that go over the ends of lines, found in the text without them."""
        kept = [index for index, letter in enumerate(text) if letter not in "\r\n"]
        joined = "".join(text[index] for index in kept)
        spans = []
        for start, end in self._spans(joined):
            if end - start >= ENOUGH:
                spans.append((kept[start], kept[end - 1] + 1))
        return spans

    def opens(self, line: str) -> bool:
        """Whether a secret may begin at the end of this line and go on in the next."""
        tail = line[-max(map(len, self._patterns), default=0) :]
        return any(_overlap(tail, pattern) for pattern in self._patterns if len(pattern) >= ENOUGH)


class Lines:
    """Holds a line back while its end may be the beginning of a secret."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor, self._held = redactor, list[str]()

    def feed(self, line: str) -> list[str]:
        """The lines that may be shown now."""
        self._held.append(line)
        if len(self._held) < 8 and self._redactor.opens(line):
            return []
        return self.flush()

    def flush(self) -> list[str]:
        """What is held back, masked."""
        if not self._held:
            return []
        text, self._held = "\n".join(self._held), []
        return self._redactor.text(text).split("\n")


def _overlap(tail: str, pattern: str) -> bool:
    """Whether the end of a text is a beginning (of four characters or more) of a pattern, and not all of it."""
    return any(tail.endswith(pattern[:length]) for length in range(min(len(pattern) - 1, len(tail)), 3, -1))


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
