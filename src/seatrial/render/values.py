"""Where the values of secret variables come from on a developer's machine: files beside the app file, or chance.

    .env.dev            PAYMENTS_KEY=…, for every service that lists it; DB_PASSWORD=… for the store `db`
    secrets.dev.yaml    api: {PAYMENTS_KEY: …}, by service or store
    secrets.dev.sops.yaml    the same, encrypted by SOPS

The first two do not belong into version control.  What no file gives is made up (`complete`); who calls it keeps what was made
up, for a database keeps the password it was first given.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from seatrial.app import document
from seatrial.app.checks import variable
from seatrial.app.problems import AppFileErrors, Problem, did_you_mean
from seatrial.app.resolve import ResolvedApp
from seatrial.render.config import has_password, needed
from seatrial.world import sops

Values = dict[str, dict[str, str]]

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_IN_URL = re.compile(r"[A-Za-z0-9._~-]+")


def read(app: ResolvedApp, closed: list[str] | None = None) -> Values:
    """The secret values that the files beside the app file give for its environment: the YAML file's, then `.env.ENV`'s, then
    those of the encrypted one. If that cannot be opened here, it is an error, or a line in `closed`.

    Raises AppFileErrors for a file that cannot be read, a name that the app does not have, or a password no URL can carry.
    """
    problems: list[Problem] = []
    values: Values = {}
    dotenv, by_name = app.folder / f".env.{app.environment}", app.folder / f"secrets.{app.environment}.yaml"
    encrypted = app.folder / f"secrets.{app.environment}.sops.yaml"
    if encrypted.is_file():
        _read_encrypted(app, encrypted, values, problems, closed)
    if dotenv.is_file():
        _read_dotenv(app, dotenv, values, problems)
    if by_name.is_file():
        _read_yaml(app, by_name, values, problems)
    if problems:
        raise AppFileErrors(problems)
    return values


def complete(app: ResolvedApp, *sources: Mapping[str, Mapping[str, str]]) -> Values:
    """A value for every secret variable: from the first source that has it, else at random (32 characters, fit for a URL)."""
    values: Values = {}
    for name, keys in needed(app).items():
        for key in keys:
            found = next((source[name][key] for source in sources if key in source.get(name, {})), None)
            values.setdefault(name, {})[key] = secrets.token_urlsafe(24) if found is None else found
    return values


def _read_dotenv(app: ResolvedApp, path: Path, values: Values, problems: list[Problem]) -> None:
    known = {key: [(name, key) for name, keys in needed(app).items() if key in keys] for key in _variables(app)}
    known |= {variable(name, "PASSWORD"): [(name, "password")] for name, store in app.stores.items() if has_password(store)}
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:
            problems.append(Problem(str(path), number, 1, "this is not `NAME=value`"))
        elif found[1] not in known:
            hint = did_you_mean(found[1], list(known), "secret variables")
            problems.append(Problem(str(path), number, 1, f"no service has a secret `{found[1]}`", hint))
        else:
            for name, key in known[found[1]]:
                _take(app, path, (number, found.start(2) + 1), name, key, _unquoted(found[2].strip()), values, problems)


def _variables(app: ResolvedApp) -> list[str]:
    return list(dict.fromkeys(key for service in app.services.values() for key in service.secrets or ()))


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def _read_encrypted(app: ResolvedApp, path: Path, values: Values, problems: list[Problem], closed: list[str] | None) -> None:
    found = document.read(path)
    if not isinstance(found.data, dict) or not sops.is_encrypted(found.data):
        hint = f"sops encrypt --in-place {path.name}"
        problems.append(Problem(str(path), 1, 1, "this is to be encrypted by SOPS, and is not", hint))
        return
    try:
        found.data = sops.decrypt(path, found.data)
    except sops.SopsError as error:
        what, _, hint = str(error).partition("\n")
        if closed is None:
            problems.append(Problem(str(path), 1, 1, what, hint))
        else:
            closed.append(f"{path}: {what}" + (f"\n    {hint}" if hint else ""))
        return
    _take_all(app, path, found, values, problems)


def _read_yaml(app: ResolvedApp, path: Path, values: Values, problems: list[Problem]) -> None:
    found = document.read(path)
    problems += found.problems
    _take_all(app, path, found, values, problems)


def _take_all(app: ResolvedApp, path: Path, found: document.Document, values: Values, problems: list[Problem]) -> None:
    wanted = needed(app)
    for name, given in (found.data if isinstance(found.data, dict) else {}).items():
        mark = found.key_at((name,))
        if name not in wanted or not isinstance(given, dict):
            hint = did_you_mean(name, list(wanted), "which have") if name not in wanted else "such as `api: {PAYMENTS_KEY: …}`"
            problems.append(Problem(str(path), mark.line, mark.column, f"`{name}` has no secrets", hint))
            continue
        for key, value in given.items():
            mark = found.key_at((name, key))
            if key not in wanted[name]:
                hint = did_you_mean(key, wanted[name], "its secrets")
                problems.append(Problem(str(path), mark.line, mark.column, f"`{name}` has no secret `{key}`", hint))
            elif value is None or isinstance(value, (dict, list)):
                problems.append(Problem(str(path), mark.line, mark.column, f"`{key}` takes a text"))
            else:
                _take(app, path, (mark.line, mark.column), name, key, document.text_of(value), values, problems)


def _take(
    app: ResolvedApp, path: Path, at: tuple[int, int], name: str, key: str, value: str, values: Values, problems: list[Problem]
) -> None:
    if name in app.stores and not _IN_URL.fullmatch(value):
        message = f"the password of `{name}` is part of a URL, which cannot carry it as it is"
        problems.append(Problem(str(path), *at, message, "use letters, digits, and the characters . _ ~ -"))
        return
    values.setdefault(name, {})[key] = value
