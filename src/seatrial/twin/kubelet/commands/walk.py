"""A script followed from its first command to its end, on a clock of its own: what it prints, when, and how it ends.

Everything a script does is known or the whole is unclear: half a script would tell half the truth.  A loop without an end is
followed for a while, then it runs on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from seatrial.twin.kubelet.commands import grammar, programs
from seatrial.twin.kubelet.commands.grammar import For, Group, If, List, Loop, Pipeline, Simple, UnclearError, Word
from seatrial.twin.kubelet.commands.outcome import Outcome
from seatrial.twin.kubelet.commands.programs import Around

#: Commands that are followed, and lines that are kept: a loop for ever goes round until then.
STEPS, LINES = 5_000, 500

SHELLS = frozenset({"sh", "bash", "ash", "dash"})

#: Variables that an image or its shell sets: what is in them is not in the manifest.
_OF_THE_IMAGE = frozenset({
    "HOME", "IFS", "LANG", "OLDPWD", "PATH", "PPID", "PWD", "RANDOM", "SECONDS", "SHELL", "TERM", "UID", "USER",
})  # fmt: skip


#: What stands between [[ and ]] does not fall apart.
_DOUBLE: Word = (grammar.Part("text", "[[", False),)


class _ExitError(Exception):
    """The script, or a part of it in parentheses, is over."""


class _EndlessError(Exception):
    """Nothing after this is ever reached."""


class _JumpError(Exception):
    """`break` or `continue`, out of so many loops."""

    def __init__(self, again: bool, loops: int) -> None:
        super().__init__()
        self.again, self.loops = again, loops


def read(words: Sequence[str], around: Around) -> Outcome | None:
    """What a command line does, a shell's script or a program's; None where that cannot be told."""
    if not words or words[0].rpartition("/")[2] not in SHELLS:
        return programs.read(words, around)
    if len(words) < 3 or not re.fullmatch(r"-[eux]*c", words[1]):
        return None
    try:
        return follow(words[2], around, words[1][1:-1])
    except UnclearError:
        return None


def follow(script: str, around: Around, options: str = "") -> Outcome:
    """What a script does; `options` are those given to its shell (`e`, `u`). Raises UnclearError."""
    walk = _Walk(around, dict(around.env), set(options) & {"e", "u"})
    tree = grammar.parse(script)
    try:
        walk.commands(tree)
    except _ExitError:
        pass
    except _EndlessError:
        walk.seconds = inf
    except _JumpError:
        raise UnclearError("break outside of a loop") from None
    return Outcome(walk.seconds, walk.code, tuple(walk.lines), files=tuple(walk.touched), cpu=walk.cpu)


@dataclass(slots=True)
class _Walk:
    around: Around
    env: dict[str, str]
    options: set[str]
    seconds: float = 0.0
    code: int = 0
    cpu: float = 0.0
    lines: list[tuple[float, str]] = field(default_factory=list)
    touched: list[tuple[float, str, bool]] = field(default_factory=list)
    steps: int = 0
    asking: int = 0  # inside a condition: a failure does not end the script

    # commands

    def commands(self, tree: List) -> None:
        for place, (before, pipeline) in enumerate(tree.items):
            if before != ";" and (before == "&&") == bool(self.code):
                continue
            followed = place + 1 < len(tree.items) and tree.items[place + 1][0] != ";"
            self.asking += followed or pipeline.negated
            self._pipeline(pipeline)
            self.asking -= followed or pipeline.negated
            if self.code and "e" in self.options and not self.asking and not followed and not pipeline.negated:
                raise _ExitError

    def _pipeline(self, pipeline: Pipeline) -> None:
        if len(pipeline.commands) > 1:
            raise UnclearError("a pipe")
        self._command(pipeline.commands[0])
        if pipeline.negated:
            self.code = int(not self.code)

    def _command(self, command: grammar.Command) -> None:
        self._count()
        match command:
            case Simple():
                self._simple(command)
            case If():
                self._if(command)
            case Loop():
                self._loop(command)
            case For():
                self._for(command)
            case Group(own=False):
                self.commands(command.body)
            case Group():
                self._own(command.body)

    def _count(self) -> None:
        self.steps += 1
        if self.steps > STEPS:
            self.cpu = 1.0 if self.seconds < 1 else 0.0  # round and round without a pause
            raise _EndlessError

    def _if(self, command: If) -> None:
        for condition, body in command.branches:
            if self._asked(condition):
                return self.commands(body)
        self.code = 0
        if command.otherwise:
            self.commands(command.otherwise)
        return None

    def _asked(self, condition: List) -> bool:
        self.asking += 1
        self.commands(condition)
        self.asking -= 1
        return self.code == 0

    def _loop(self, command: Loop) -> None:
        last = 0
        while self._asked(command.condition) != command.until:
            if not self._round(command.body):
                return
            last = self.code
        self.code = last

    def _for(self, command: For) -> None:
        for value in [text for word in command.words for text in self._expanded(word)]:
            self.env[command.name] = value
            if not self._round(command.body):
                return

    def _round(self, body: List) -> bool:
        """Go once through a loop's body; whether it goes on."""
        try:
            self.commands(body)
        except _JumpError as jump:
            if jump.loops > 1:
                raise _JumpError(jump.again, jump.loops - 1) from None
            self.code = 0
            return jump.again
        return True

    def _own(self, body: List) -> None:
        env = dict(self.env)
        try:
            self.commands(body)
        except _ExitError:
            pass
        self.env = env

    # simple commands

    def _simple(self, command: Simple) -> None:
        values = {name: self._text(word) for name, word in command.assigned}
        split = not command.words or command.words[0] != _DOUBLE
        words = [text for word in command.words for text in self._expanded(word, split)]
        for operator, target in command.redirects:
            self._redirect(operator, self._text(target))
        if not words:
            self.env |= values
            self.code = 0
            return
        shown = {operator[0]: self._text(target) for operator, target in command.redirects}
        builtin = _BUILTINS.get(words[0])
        if builtin:
            builtin(self, words[1:])
        else:
            self._program(words, values, shown.get("1", ""))

    def _redirect(self, operator: str, target: str) -> None:
        if "<" in operator:
            raise UnclearError("input from a file")
        if "&" not in operator and not target.startswith("/dev/"):
            self.touched.append((self.seconds, target, True))

    def _program(self, words: Sequence[str], values: Mapping[str, str], into: str) -> None:
        outcome = read(words, replace(self.around, env={**self.env, **values}, files=self._there))
        if outcome is None:
            raise UnclearError(f"what {words[0]} does")
        if outcome.start_error:
            outcome = Outcome(0.0, 127, ((0.0, f"sh: {words[0]}: not found"),))
        if outcome.memory:
            raise UnclearError("memory that only a part of a script takes")
        if into in ("", "2", "/dev/stdout", "/dev/stderr", "/proc/1/fd/1"):
            room = LINES - len(self.lines)
            self.lines += [(self.seconds + when, line) for when, line in outcome.lines[:room]]
        self.touched += [(self.seconds + when, path, there) for when, path, there in outcome.files]
        self.seconds += outcome.seconds
        self.code = outcome.code
        if outcome.seconds == inf:
            raise _EndlessError

    def _there(self, path: str) -> bool | None:
        known = Outcome(0.0, files=tuple(self.touched)).has_file(path, self.seconds)
        return self.around.files(path) if known is None else known

    # words

    def _expanded(self, word: Word, split: bool = True) -> list[str]:
        """A word with its parameters in place; what nothing quotes falls apart at blanks, or away."""
        text = self._text(word)
        if not split or any(part.quoted for part in word):
            return [text]
        if re.search(r"[*?]", text):
            raise UnclearError("a pattern of file names")
        return text.split()

    def _text(self, word: Word) -> str:
        return "".join(self._part(part) for part in word)

    def _part(self, part: grammar.Part) -> str:
        match part.kind:
            case "parameter":
                return self._parameter(part.text)
            case "arithmetic":
                return str(arithmetic(part.text, self.env))
            case "script":
                return self._printed(part.text)
        return part.text

    def _parameter(self, text: str) -> str:
        if text == "?":
            return str(self.code)
        found = re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*)(:?[-?])?(.*)", text, re.DOTALL)
        if not found or (found[3] and not found[2]):
            raise UnclearError(f"${{{text}}}")
        name, operator, rest = found[1], found[2] or "", found[3]
        if name in _OF_THE_IMAGE and name not in self.env:
            raise UnclearError(f"${name} of the image")
        value = self.env.get(name)
        if value is None or (value == "" and operator.startswith(":")):
            if operator.endswith("-"):
                return self._text(_word(rest))
            if operator.endswith("?") or ("u" in self.options and value is None):
                self._say(f"sh: {name}: {rest or 'parameter not set'}")
                self.code = 2
                raise _ExitError
        return value or ""

    def _printed(self, script: str) -> str:
        inner = replace(self, env=dict(self.env), lines=[], touched=[])
        tree = grammar.parse(script)
        try:
            inner.commands(tree)
        except _ExitError:
            pass
        self.steps, self.seconds = inner.steps, inner.seconds
        return "\n".join(line for _, line in inner.lines)

    def _say(self, line: str) -> None:
        if len(self.lines) < LINES:
            self.lines.append((self.seconds, line))


def _word(text: str) -> Word:
    tree = grammar.parse(f": {text}") if text else List(())
    words = tree.items[0][1].commands[0].words[1:] if tree.items and isinstance(tree.items[0][1].commands[0], Simple) else ()
    if len(words) > 1:
        raise UnclearError("several words as a default")
    return words[0] if words else ()


# what the shell does itself


def _exit(walk: _Walk, words: Sequence[str]) -> None:
    walk.code = int(words[0]) % 256 if words and words[0].isdigit() else walk.code
    raise _ExitError


def _set(walk: _Walk, words: Sequence[str]) -> None:
    for word in words:
        if not re.fullmatch(r"[-+][eux]+", word):
            raise UnclearError(f"set {word}")
        walk.options = walk.options | set(word[1:]) if word[0] == "-" else walk.options - set(word[1:])
    walk.code = 0


def _export(walk: _Walk, words: Sequence[str]) -> None:
    walk.env |= dict(word.split("=", 1) for word in words if "=" in word)
    walk.code = 0


def _unset(walk: _Walk, words: Sequence[str]) -> None:
    for word in words:
        walk.env.pop(word, None)
    walk.code = 0


def _exec(walk: _Walk, words: Sequence[str]) -> None:
    if words:
        walk._program(words, {}, "")
        raise _ExitError


def _jump(again: bool) -> Callable[[_Walk, Sequence[str]], None]:
    def jump(_walk: _Walk, words: Sequence[str]) -> None:
        raise _JumpError(again, int(words[0]) if words and words[0].isdigit() else 1)

    return jump


_BUILTINS: Mapping[str, Callable[[_Walk, Sequence[str]], None]] = {
    "exit": _exit,
    "set": _set,
    "export": _export,
    "unset": _unset,
    "exec": _exec,
    "break": _jump(False),
    "continue": _jump(True),
}

_SUM = re.compile(r"\s*(\$?\w+)\s*(?:([-+*/%<>]|==|!=|<=|>=)\s*(\$?\w+)\s*)?")


def arithmetic(text: str, env: Mapping[str, str]) -> int:
    """`$((…))` of at most one operator, which is what scripts count with. Raises UnclearError."""
    found = _SUM.fullmatch(text)
    if not found:
        raise UnclearError(f"$(({text}))")

    def value(word: str | None) -> int:
        name = (word or "0").removeprefix("$")
        number = name if name.isdigit() else env.get(name) or "0"
        if not re.fullmatch(r"-?\d{1,18}", number):
            raise UnclearError(f"$(({text}))")
        return int(number)

    left, right = value(found[1]), value(found[3])
    if found[2] in ("/", "%") and right == 0:
        raise UnclearError("a division by zero")
    match found[2]:
        case None:
            return left
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return int(left / right)
        case "%":
            return left - right * int(left / right)
        case "<":
            return int(left < right)
        case ">":
            return int(left > right)
        case "==":
            return int(left == right)
        case "!=":
            return int(left != right)
        case "<=":
            return int(left <= right)
    return int(left >= right)
