"""The grammar of the shell, as far as scripts in manifests use it: a script's text becomes a tree of commands.

Lists, pipelines, `if`, `while`, `until`, `for`, groups, quotes, parameters, arithmetic and redirections (POSIX.1-2024, Shell
Command Language).  What else there is (functions, `case`, here-documents, jobs in the background) raises `UnclearError`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal


class UnclearError(ValueError):
    """Something whose effect cannot be told from the text."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a word. `text` is literal, a parameter's inside (`X`, `X:-d`), arithmetic, or a script (`$(…)`)."""

    kind: Literal["text", "parameter", "arithmetic", "script"]
    text: str
    quoted: bool


Word = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Simple:
    words: tuple[Word, ...] = ()
    assigned: tuple[tuple[str, Word], ...] = ()
    redirects: tuple[tuple[str, Word], ...] = ()  # (`1>`, `2>>`, `2>&`, …; target)


@dataclass(frozen=True, slots=True)
class If:
    branches: tuple[tuple[List, List], ...]
    otherwise: List | None


@dataclass(frozen=True, slots=True)
class Loop:
    condition: List
    body: List
    until: bool


@dataclass(frozen=True, slots=True)
class For:
    name: str
    words: tuple[Word, ...]
    body: List


@dataclass(frozen=True, slots=True)
class Group:
    body: List
    own: bool  # ( … ): what it sets and where it exits is its own


Command = Simple | If | Loop | For | Group


@dataclass(frozen=True, slots=True)
class Pipeline:
    commands: tuple[Command, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class List:
    """Pipelines, each with what stands before it: `;`, `&&` or `||`."""

    items: tuple[tuple[str, Pipeline], ...]


_OPERATOR = re.compile(r"&&|\|\||;;|[;&|()\n]")
_REDIRECT = re.compile(r"([12]?)(>>|>&|>|<<|<)")
_BARE = re.compile(r"[^\s;&|()<>'\"\\$`#]+|#")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset(
    {"if", "then", "elif", "else", "fi", "while", "until", "for", "do", "done", "in", "{", "}", "!", "case", "esac"}
)


@dataclass(slots=True)
class _Token:
    operator: str = ""
    word: Word = ()
    redirect: str = ""

    @property
    def bare(self) -> str:
        """The word's text where nothing of it is quoted or expanded: only such a word can be reserved."""
        return "".join(part.text for part in self.word) if all(p.kind == "text" and not p.quoted for p in self.word) else ""


def parse(script: str) -> List:
    """The tree of a script. Raises UnclearError."""
    parser = _Parser(_tokens(script))
    tree = parser.commands(())
    if parser.at < len(parser.tokens):
        raise UnclearError(f"unexpected {parser.tokens[parser.at].bare or parser.tokens[parser.at].operator!r}")
    return tree


# words


def _tokens(script: str) -> list[_Token]:
    tokens, at, parts = list[_Token](), 0, list[Part]()

    def flush() -> None:
        if parts:
            tokens.append(_Token(word=tuple(parts)))
            parts.clear()

    while at < len(script):
        char = script[at]
        if char in " \t\r":
            flush()
            at += 1
        elif script.startswith("\\\n", at):
            at += 2
        elif char == "#" and not parts:
            end = script.find("\n", at)
            at = len(script) if end < 0 else end
        elif (found := _REDIRECT.match(script, at)) and not (parts and found[1]):  # in `a2>b` the digit is the word's
            flush()
            tokens.append(_Token(redirect=(found[1] or "1") + found[2]))
            at = found.end()
        elif found := _OPERATOR.match(script, at):
            flush()
            tokens.append(_Token(operator=found[0]))
            at = found.end()
        else:
            at = _part(script, at, parts)
    flush()
    return tokens


def _part(script: str, at: int, parts: list[Part]) -> int:
    """Read one piece of a word; the place after it."""
    char = script[at]
    if char == "'":
        end = script.find("'", at + 1)
        if end < 0:
            raise UnclearError("unterminated quoted string")
        parts.append(Part("text", script[at + 1 : end], True))
        return end + 1
    if char == '"':
        return _double_quoted(script, at + 1, parts)
    if char == "\\":
        if at + 1 >= len(script):
            raise UnclearError("a backslash at the end")
        parts.append(Part("text", script[at + 1], True))
        return at + 2
    if char == "$":
        return _expansion(script, at, parts, False)
    found = _BARE.match(script, at)
    if found is None:
        raise UnclearError(f"unexpected {char!r}")
    parts.append(Part("text", found[0], False))
    return found.end()


def _double_quoted(script: str, at: int, parts: list[Part]) -> int:
    text = list[str]()
    parts.append(Part("text", "", True))  # "" is a word, though an empty one
    while at < len(script) and script[at] != '"':
        char = script[at]
        if char == "\\" and script[at + 1 : at + 2] in ('"', "\\", "$", "`"):
            text.append(script[at + 1])
            at += 2
        elif char in "$`":
            parts.append(Part("text", "".join(text), True))
            text.clear()
            at = _expansion(script, at, parts, True)
        else:
            text.append(char)
            at += 1
    if at >= len(script):
        raise UnclearError("unterminated quoted string")
    parts.append(Part("text", "".join(text), True))
    return at + 1


def _expansion(script: str, at: int, parts: list[Part], quoted: bool) -> int:
    if script[at] == "`":
        raise UnclearError("a command in backquotes")
    if script.startswith("$((", at):
        end = script.find("))", at)
        if end < 0:
            raise UnclearError("unterminated arithmetic")
        parts.append(Part("arithmetic", script[at + 3 : end], quoted))
        return end + 2
    if script.startswith("$(", at):
        end = _closing(script, at + 1)
        parts.append(Part("script", script[at + 2 : end], quoted))
        return end + 1
    if script.startswith("${", at):
        end = script.find("}", at)
        if end < 0:
            raise UnclearError("unterminated ${")
        parts.append(Part("parameter", script[at + 2 : end], quoted))
        return end + 1
    found = _NAME.match(script, at + 1) or re.compile(r"[?$#@*0-9!-]").match(script, at + 1)
    parts.append(Part("parameter", found[0], quoted) if found else Part("text", "$", quoted))
    return found.end() if found else at + 1


def _closing(script: str, at: int) -> int:
    """The place of the parenthesis that closes the one at `at`."""
    depth, quote = 0, ""
    for place in range(at, len(script)):
        char = script[place]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "()":
            depth += 1 if char == "(" else -1
            if depth == 0:
                return place
    raise UnclearError("unterminated $(")


# commands


@dataclass(slots=True)
class _Parser:
    tokens: list[_Token]
    at: int = 0
    depth: int = field(default=0)

    def _peek(self) -> _Token:
        return self.tokens[self.at] if self.at < len(self.tokens) else _Token()

    def _skip_lines(self) -> None:
        while self._peek().operator == "\n":
            self.at += 1

    def _expect(self, *words: str) -> str:
        token = self._peek()
        if token.bare not in words:
            raise UnclearError(f"syntax error: expected {' or '.join(words)}")
        self.at += 1
        return token.bare

    def commands(self, ends: tuple[str, ...]) -> List:
        """Commands up to one of the reserved words (not taken), or `)`."""
        self.depth += 1
        if self.depth > 50:
            raise UnclearError("nested too deep")
        items, before = list[tuple[str, Pipeline]](), ";"
        self._skip_lines()
        while self.at < len(self.tokens) and self._peek().bare not in ends and self._peek().operator != ")":
            items.append((before, self._pipeline()))
            operator = self._peek().operator
            if operator in ("&&", "||"):
                before = operator
                self.at += 1
            elif operator in (";", "\n"):
                before = ";"
                self.at += 1
            elif operator == "&":
                raise UnclearError("a command in the background")
            elif operator != ")" and self._peek().bare not in ends:
                break
            self._skip_lines()
        self.depth -= 1
        return List(tuple(items))

    def _pipeline(self) -> Pipeline:
        negated = self._peek().bare == "!"
        self.at += negated
        commands = [self._command()]
        while self._peek().operator == "|":
            self.at += 1
            self._skip_lines()
            commands.append(self._command())
        return Pipeline(tuple(commands), negated)

    def _command(self) -> Command:
        token = self._peek()
        match token.bare:
            case "if":
                return self._if()
            case "while" | "until":
                self.at += 1
                condition = self.commands(("do",))
                return Loop(condition, self._body(), token.bare == "until")
            case "for":
                return self._for()
            case "{":
                self.at += 1
                body = self.commands(("}",))
                self._expect("}")
                return Group(body, False)
            case word if word in _RESERVED:
                raise UnclearError(f"syntax error: unexpected {word!r}")
        if token.operator == "(":
            self.at += 1
            body = self.commands(())
            if self._peek().operator != ")":
                raise UnclearError("syntax error: expected )")
            self.at += 1
            return Group(body, True)
        return self._simple()

    def _body(self) -> List:
        self._expect("do")
        body = self.commands(("done",))
        self._expect("done")
        return body

    def _if(self) -> If:
        branches, otherwise = list[tuple[List, List]](), None
        word = self._expect("if")
        while word in ("if", "elif"):
            condition = self.commands(("then",))
            self._expect("then")
            branches.append((condition, self.commands(("elif", "else", "fi"))))
            word = self._expect("elif", "else", "fi")
        if word == "else":
            otherwise = self.commands(("fi",))
            self._expect("fi")
        return If(tuple(branches), otherwise)

    def _for(self) -> For:
        self._expect("for")
        name = self._peek().bare
        self.at += 1
        if not _NAME.fullmatch(name):
            raise UnclearError("for without a name")
        self._expect("in")
        words = list[Word]()
        while self._peek().word:
            words.append(self._peek().word)
            self.at += 1
        if self._peek().operator not in (";", "\n"):
            raise UnclearError("syntax error in for")
        self.at += 1
        self._skip_lines()
        return For(name, tuple(words), self._body())

    def _simple(self) -> Simple:
        words, assigned, redirects = list[Word](), list[tuple[str, Word]](), list[tuple[str, Word]]()
        double = self._peek().bare == "[["
        while True:
            token = self._peek()
            if token.redirect and not double:
                self.at += 1
                target = self._peek().word
                if token.redirect.endswith("<<") or not target:
                    raise UnclearError("a here-document")
                redirects.append((token.redirect, target))
            elif token.word:
                assignment = _assignment(token.word) if not words else None
                if assignment:
                    assigned.append(assignment)
                else:
                    words.append(token.word)
                double = double and token.bare != "]]"
            else:
                break
            self.at += 1
        if double or not (words or assigned or redirects):
            raise UnclearError("syntax error")
        return Simple(tuple(words), tuple(assigned), tuple(redirects))


def _assignment(word: Word) -> tuple[str, Word] | None:
    first = word[0]
    name, equals, rest = first.text.partition("=")
    if first.kind != "text" or first.quoted or not equals or not _NAME.fullmatch(name):
        return None
    return name, (Part("text", rest, False), *word[1:])
