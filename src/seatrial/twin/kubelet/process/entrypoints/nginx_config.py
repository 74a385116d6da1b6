"""Rewrites an nginx configuration so that it runs in a pod of this machine, and leaves every other word of it as it is.

`listen 8080` becomes `listen <pod address>:8080`, files that nginx writes get a place that is writable, it stays in
the foreground and logs to its own output; included files are rewritten with it. What the configuration says itself is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: What stands for every address in a `listen`.
EVERY_ADDRESS = ("*", "0.0.0.0", "[::]")  # noqa: S104

#: Directives whose file is looked for beside the configuration; the rewritten one lies elsewhere. Which argument names it.
BESIDE = {
    "auth_basic_user_file": 1, "js_import": -1, "proxy_ssl_certificate": 1, "proxy_ssl_certificate_key": 1, "proxy_ssl_crl": 1,
    "proxy_ssl_password_file": 1, "proxy_ssl_trusted_certificate": 1, "ssl_certificate": 1, "ssl_certificate_key": 1,
    "ssl_client_certificate": 1, "ssl_crl": 1, "ssl_dhparam": 1, "ssl_password_file": 1, "ssl_trusted_certificate": 1,
}  # fmt: skip

#: Directives that name a path of the container, which is elsewhere for a plain process.
PATHS = {"alias": 1, "root": 1, **BESIDE}

#: Where the official image's configuration includes sites from; the image itself has one there.
SITES = "/etc/nginx/conf.d/*.conf"

#: What the official image has linked to its output.
LOGS, OUTPUT = "/var/log/nginx/", {"access_log": "/dev/stdout", "error_log": "stderr"}

#: What a configuration that says nothing of it gets, by the block it stands in.
DEFAULTS = {
    "": {"daemon": "off", "pid": "{run}/nginx.pid", "error_log": "stderr notice"},
    "http": {
        "access_log": "/dev/stdout",
        "client_body_temp_path": "{run}/client_body",
        "proxy_temp_path": "{run}/proxy",
        "fastcgi_temp_path": "{run}/fastcgi",
        "scgi_temp_path": "{run}/scgi",
        "uwsgi_temp_path": "{run}/uwsgi",
    },
}

_PART = re.compile(r"""\s+|\#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[;{}]|(?:\\.|\$\{[^}]*\}|[^\s;{}\\])+""", re.DOTALL)


@dataclass
class Statement:
    """A directive: its words with where they stand in the text, and for a block what is in it."""

    words: list[str]
    spans: list[tuple[int, int]]
    end: int  # after its `;` or `{`
    block: list[Statement] | None = None
    close: int = 0  # where a block's `}` stands

    @property
    def name(self) -> str:
        return self.words[0]


@dataclass
class Rewriter:
    """`folder` takes the rewritten files, `run` is where nginx may write, `address` what it listens on."""

    address: str
    folder: Path
    run: Path
    beside: Path  # the folder of the main configuration, which includes and certificates are relative to
    fallbacks: Path  # what stands in for files that the machine does not have: mime.types, fastcgi_params, …
    root: str = ""  # $SEATRIAL_ROOT of a plain process
    _made: int = 0

    def main(self, text: str) -> Path:
        """Write the configuration and all it includes; returns the path of the new one."""
        statements = parse(text)
        edits = self._edits(statements, "")
        said = {statement.name for statement in self._reached(statements)}
        edits.append((0, 0, self._defaults("", said)))
        for http in [statement for statement in statements if statement.name == "http"]:
            edits.append((http.end, http.end, self._defaults("http", {s.name for s in self._reached(http.block or [])})))
        return self._write("nginx.conf", apply(text, edits))

    def _reached(self, statements: list[Statement]) -> Iterator[Statement]:
        """The statements of one level, with those of the files that it includes."""
        for statement in statements:
            yield statement
            if statement.name == "include" and len(statement.words) == 2:
                for path in self._included(statement.words[1]):
                    yield from parse(path.read_text(errors="replace"))

    def _defaults(self, level: str, said: set[str]) -> str:
        missing = [(name, value) for name, value in DEFAULTS[level].items() if name not in said]
        directives = " ".join(f"{name} {value.format(run=self.run)};" for name, value in missing)
        return f" {directives}\n" if directives else ""

    def _edits(self, statements: list[Statement], block: str) -> list[tuple[int, int, str]]:
        edits: list[tuple[int, int, str]] = []
        served: set[str] = set()
        for statement in statements:
            if statement.name == "listen" and block == "server" and len(statement.words) > 1:
                edits += self._listen(statement, served)
            elif statement.name == "include" and len(statement.words) == 2:
                edits.append((statement.spans[0][0], statement.end, self._include(statement.words[1], block)))
            elif statement.name in PATHS:
                edits += self._path(statement)
            elif statement.name in OUTPUT and len(statement.words) > 1 and statement.words[1].startswith(LOGS):
                edits.append((*statement.spans[1], OUTPUT[statement.name]))
            elif statement.name == "pid" and self.root:
                edits.append((*statement.spans[1], f"{self.run}/nginx.pid"))
            elif statement.name == "daemon" and block == "":
                edits.append((statement.spans[0][0], statement.end, "daemon off;"))
            if statement.block is not None:
                edits += self._edits(statement.block, statement.name)
        return edits

    def _listen(self, statement: Statement, served: set[str]) -> Iterator[tuple[int, int, str]]:
        """Every address becomes the pod's own; what then stands there twice goes."""
        host, port = split_address(statement.words[1])
        if host not in EVERY_ADDRESS:
            return
        if port in served:
            yield statement.spans[0][0], statement.end, ""
            return
        served.add(port)
        yield *statement.spans[1], f"{self.address}:{port}"
        for word, span in zip(statement.words[2:], statement.spans[2:], strict=True):
            if word.startswith("ipv6only="):
                yield *span, ""

    def _path(self, statement: Statement) -> Iterator[tuple[int, int, str]]:
        at = PATHS[statement.name]
        path = Path(statement.words[at])
        if path.is_absolute() and self.root and (moved := self._rooted(path)) != path:
            yield *statement.spans[at], f'"{moved}"'
        elif statement.name in BESIDE and not path.is_absolute() and (self.beside / path).exists():
            yield *statement.spans[at], f'"{self.beside / path}"'

    def _rooted(self, path: Path) -> Path:
        """A path of the container where a plain process finds it."""
        moved = Path(f"{self.root}{path}")
        return moved if moved.exists() else path

    def _include(self, pattern: str, block: str) -> str:
        """Includes of the rewritten files in place of one of theirs; a pattern that finds nothing stays, for nginx to say so."""
        found = self._included(pattern)
        if not found:
            return "" if set(pattern) & set("*?[") else f"include {pattern};"
        return " ".join(f'include "{self._rewritten(path, block)}";' for path in found)

    def _included(self, pattern: str) -> list[Path]:
        path = self.beside / pattern
        if set(pattern) & set("*?["):
            path = self._rooted(path.parent) / path.name
            found = sorted(Path("/").glob(str(path).lstrip("/")))
            return found or ([self.fallbacks / "default.conf"] if pattern == SITES and not path.parent.exists() else [])
        path = self._rooted(path)
        if path.is_file():
            return [path]
        return [self.fallbacks / path.name] if (self.fallbacks / path.name).is_file() else []

    def _rewritten(self, path: Path, block: str) -> Path:
        text = path.read_text(errors="surrogateescape")
        self._made += 1
        return self._write(f"{self._made}-{path.name}", apply(text, self._edits(parse(text), block)))

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, errors="surrogateescape")
        return path


def split_address(text: str) -> tuple[str, str]:
    """Host and port of a `listen`: `8080`, `*:8080`, `[::]:8080`, `10.0.0.1`, `unix:/path`."""
    if text.isdigit():
        return "*", text
    if text.startswith("unix:"):
        return text, ""
    host, colon, port = text.rpartition(":")
    return (host, port) if colon and not port.endswith("]") else (text, "80")


def parse(text: str) -> list[Statement]:
    """The statements of a configuration. What nginx would refuse is left for it to refuse."""
    top: list[Statement] = []
    blocks: list[Statement] = []
    words: list[str] = []
    spans: list[tuple[int, int]] = []
    for match in _PART.finditer(text):
        part = match.group()
        if part.isspace() or part.startswith("#"):
            continue
        level = blocks[-1].block if blocks else top
        assert level is not None
        if part in ";{":
            if words:
                statement = Statement(words, spans, match.end(), [] if part == "{" else None)
                level.append(statement)
                if part == "{":
                    blocks.append(statement)
            words, spans = [], []
        elif part == "}":
            if blocks:
                blocks.pop().close = match.start()
            words, spans = [], []
        else:
            words.append(part[1:-1] if part[0] in "\"'" and len(part) > 1 else part)
            spans.append(match.span())
    return top


def apply(text: str, edits: list[tuple[int, int, str]]) -> str:
    """A text with some of its parts replaced; the parts do not overlap."""
    out, at = [], 0
    for start, end, new in sorted(edits, key=lambda edit: edit[:2]):
        out += [text[at:start], new]
        at = end
    return "".join([*out, text[at:]])
