"""CEL expressions compiled and evaluated by `cel-expr-python`, a wrapper of Google's implementation in C++.

It is imported when the first expression is compiled, and need not be installed: without it nothing is compiled.  What one
evaluation may cost is bounded there (10,000 rounds of loops, 32 levels of nesting, regular expressions of linear time).
Errors are told in the words of cel-go, which Kubernetes uses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any


class CelError(Exception):
    """An expression that is no CEL, or cannot be evaluated; the message is cel-go's."""


class UncheckedError(Exception):
    """An expression that Kubernetes may well know and that cannot be compiled here; the message says why."""


class CostError(CelError):
    """An evaluation that took too many steps."""


@lru_cache(1)
def _cel() -> Any:
    try:
        from cel_expr_python import cel
    except ImportError:
        raise UncheckedError("the package cel-expr-python is not installed (it comes with seatrial[embedded])") from None
    return cel


class Program:
    """A compiled expression; `type` is the name of what it comes to, as CEL names types."""

    def __init__(self, expression: Any) -> None:
        self._expression = expression
        self.type = str(expression.return_type().name())

    def evaluate(self, data: Mapping[str, Any]) -> Any:
        """What it comes to. Raises CelError."""
        try:
            result = self._expression.eval(data=data)
        except (RuntimeError, ValueError, TypeError, OverflowError) as error:
            raise _failed(str(error)) from None
        if result.type().name() in ("ERROR", "*error*"):
            raise _failed(str(result.value()))
        return result.plain_value()


def compiled(text: str, variables: Mapping[str, str]) -> Program:
    """`variables`: names, and their types as `_type` reads them. Raises CelError, and UncheckedError."""
    return _compiled(text, tuple(sorted(variables.items())))


#: Characters of an expression that is compiled: 5 KB of the worst take 10 ms, and the longest in use have 2 KB.
_LONGEST = 5_000


@lru_cache(1024)
def _compiled(text: str, variables: tuple[tuple[str, str], ...]) -> Program:
    environment = _environment(variables)
    if len(text) > _LONGEST:
        raise UncheckedError(f"it has more than {_LONGEST} characters")
    try:
        return Program(environment.compile(text))
    except RuntimeError as error:
        words = _STATUS.sub("", str(error))
        if "recursion" in words or "codepoint limit" in words:
            raise UncheckedError("it nests deeper, or is longer, than can be read here") from None
        missing = (set(_MISSING.findall(words)) & ELSEWHERE) | set(_OF_LISTS.findall(words))
        if missing:
            raise UncheckedError(f"there is no function {sorted(missing)[0]} here") from None
        raise CelError(words) from None


#: Functions of Kubernetes that are not in `library`: rules that call them are kept, and not evaluated.
ELSEWHERE = frozenset(
    [
        "url",
        "find",
        "findAll",
        "ip",
        "cidr",
        "semver",
        "isSemver",
        "format",
        "authorizer",
        "getScheme",
        "getHost",
        "getHostname",
        "getPort",
        "getEscapedPath",
        "getQuery",
        "all",
        "exists",
        "exists_one",
        "transformList",
        "transformMap",
        "transformMapEntry",
        "first",
        "last",
        "distinct",
        "range",
    ]
)
_STATUS = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_MISSING = re.compile(r"undeclared reference to '(?:\w+\.)*(\w+)'")

_OF_LISTS = re.compile(r"no matching overload for '(indexOf|lastIndexOf|reverse)' applied to '(?:list|dyn)")


@lru_cache(64)
def _environment(variables: tuple[tuple[str, str], ...]) -> Any:
    cel = _cel()
    from cel_expr_python.ext import ext_bindings, ext_math, ext_optional, ext_strings

    from seatrial.world.cel.library import functions

    extensions = [ext_strings.ExtStrings(), ext_optional.ExtOptional(), ext_math.ExtMath(), ext_bindings.ExtBindings()]
    types = {name: _type(cel, kind) for name, kind in variables}
    return cel.NewEnv(variables=types, extensions=extensions, functions=functions(cel))


def _type(cel: Any, name: str) -> Any:
    """The type of a name: `int`, `dyn`, `list(string)`, `map(int)` (whose keys are strings)."""
    outer, _, inner = name.removesuffix(")").partition("(")
    if outer == "list":
        return cel.Type.List(_type(cel, inner))
    if outer == "map":
        return cel.Type.Map(cel.Type.STRING, _type(cel, inner))
    return getattr(cel.Type, name.upper())


#: What the C++ implementation says, and what cel-go says.
_WORDS = (
    (re.compile(r'Key not found in map : "?([^"]*)"?'), r"no such key: \1"),
    (re.compile(r"Index error: index=(-?\d+).*"), r"index out of bounds: \1"),
    (re.compile(r"No matching overloads? found.*"), "no such overload"),
    (re.compile(r"divide by zero"), "division by zero"),
)


def _failed(words: str) -> CelError:
    words = _STATUS.sub("", _STATUS.sub("", words))
    if "budget exceeded" in words:
        return CostError("operation cancelled: actual cost limit exceeded")
    for pattern, said in _WORDS:
        words = pattern.sub(said, words)
    return CelError(words)
