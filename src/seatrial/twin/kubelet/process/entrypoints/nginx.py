"""nginx in a pod of this machine: the team's configuration with the pod's address, in the foreground, logging to its output."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from seatrial.twin.kubelet.process.entrypoints.nginx_config import Rewriter
from seatrial.twin.kubelet.process.entrypoints.places import address, rooted, writable

#: Where the official image has them.
CONFIG, PREFIX = "/etc/nginx/nginx.conf", "/etc/nginx"
FALLBACKS = Path(__file__).parent / "nginx_files"

#: Options that take a value.
VALUED = ("-c", "-p", "-g", "-e", "-s")


def options(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The options with a value, and what else was given."""
    valued: dict[str, str] = {}
    others: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument in VALUED:
            valued[argument] = next(rest, "")
        elif argument[:2] in VALUED:
            valued[argument[:2]] = argument[2:]
        else:
            others.append(argument)
    return valued, others


def arguments_for(given: Sequence[str]) -> list[str]:
    """The arguments for the real nginx, once the configuration is rewritten."""
    valued, others = options(given)
    if any(option in others for option in ("-v", "-V", "-h", "-?")):
        return list(given)
    prefix = _absolute(valued["-p"]) if "-p" in valued else None
    _welcome()
    config = _config(valued.get("-c"), prefix)
    run = writable("/var/cache/nginx", "/tmp", "/run")  # noqa: S108
    folder = run / f"seatrial-nginx-{hashlib.sha256(os.fsencode(config)).hexdigest()[:8]}"
    folder.mkdir(exist_ok=True)
    rewriter = Rewriter(address(), folder, run, config.parent, FALLBACKS, os.environ.get("SEATRIAL_ROOT", ""))
    new = rewriter.main(config.read_text(errors="surrogateescape"))
    valued["-c"], valued["-p"] = str(new), f"{prefix or (Path(PREFIX) if config == rooted(CONFIG) else Path.cwd())}/"
    valued["-g"] = _without_daemon(valued.get("-g", ""))
    return [part for option, value in valued.items() if value for part in (option, value)] + others


def _welcome() -> None:
    """The page of an image that was given none."""
    pages = rooted("/usr/share/nginx/html")
    if not pages.exists():
        try:
            pages.mkdir(parents=True)
            shutil.copy(FALLBACKS / "index.html", pages)
        except OSError:
            return  # a read-only root: nginx answers 404


def _config(path: str | None, prefix: Path | None) -> Path:
    """The configuration that was asked for, the official image's, or one that serves its folder of pages."""
    if path:
        return _absolute(path) if prefix is None else prefix / path
    for known in (rooted(CONFIG), Path(CONFIG)):
        if known.is_file():
            return known
    return FALLBACKS / "nginx.conf"


def _absolute(path: str) -> Path:
    return Path.cwd() / path


def _without_daemon(directives: str) -> str:
    """`daemon off` is in the configuration by now, and nginx takes it only once."""
    kept = [part.strip() for part in directives.split(";") if part.strip() and part.split()[0] != "daemon"]
    return "".join(f"{part};" for part in kept)


def main() -> NoReturn:
    program, *given = sys.argv[1:]
    try:
        arguments = arguments_for(given)
    except OSError as error:
        raise SystemExit(f'nginx: [emerg] open() "{error.filename}" failed ({error.errno}: {error.strerror})') from None
    os.execv(program, ["nginx", *arguments])  # noqa: S606
