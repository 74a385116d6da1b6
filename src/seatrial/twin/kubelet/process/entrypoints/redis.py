"""redis-server and redis-cli as the official image has them, on the pod's own address.

The image serves every address with protected mode off unless told otherwise; here the pod's own stands for "every".
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from seatrial.twin.kubelet.process.entrypoints.places import address, rooted

LOCAL = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("*", "0.0.0.0", "::", "-::*")  # noqa: S104


def server_arguments(arguments: Sequence[str], pod_ip: str) -> list[str]:
    """The arguments of redis-server with the pod's address where the image would serve every address."""
    if any(argument in ("--version", "-v", "--help", "-h", "--check-system", "--test-memory") for argument in arguments):
        return list(arguments)
    config = list(arguments[:1]) if arguments and not arguments[0].startswith("-") else []
    said = _settings(Path(config[0])) if config else {}
    options = list(arguments[len(config) :])
    bound = _bound(options)
    where = bound if bound is not None else said.get("bind", "").split()
    if not where or any(place in EVERYWHERE for place in where):
        options = [*_without_bind(options), "--bind", pod_ip]
    if "--protected-mode" not in options and "protected-mode" not in said and bound is None:
        options += ["--protected-mode", "no"]
    return [*config, *options]


def _settings(path: Path) -> dict[str, str]:
    found = {}
    for line in path.read_text(errors="replace").splitlines() if path.is_file() else ():
        key, _, value = line.strip().partition(" ")
        if key and not key.startswith("#"):
            found[key.lower()] = value.strip()
    return found


def _bound(options: Sequence[str]) -> list[str] | None:
    """The addresses after `--bind`; None without it."""
    if "--bind" not in options:
        return None
    found: list[str] = []
    for option in options[options.index("--bind") + 1 :]:
        if option.startswith("--"):
            break
        found += option.split()
    return found


def _without_bind(options: Sequence[str]) -> list[str]:
    if "--bind" not in options:
        return list(options)
    at = options.index("--bind")
    end = next((i for i in range(at + 1, len(options)) if options[i].startswith("--")), len(options))
    return [*options[:at], *options[end:]]


def client_arguments(arguments: Sequence[str], pod_ip: str) -> list[str]:
    """The arguments of redis-cli; where it would ask 127.0.0.1, it asks the pod's own address."""
    changed = list(arguments)
    for at, argument in enumerate(arguments):
        if argument in ("-s", "-u", "--help", "--version"):
            return changed
        if argument == "-h" and at + 1 < len(arguments):
            if arguments[at + 1] in LOCAL:
                changed[at + 1] = pod_ip
            return changed
    return ["-h", pod_ip, *changed]


def image() -> NoReturn:
    """The image's entrypoint: options alone, or a configuration, are for redis-server; anything else is run as it is."""
    program, *command = sys.argv[1:]
    if command[:1] == ["redis-server"]:
        serve(program, command[1:])
    if not command or command[0].startswith("-") or command[0].endswith(".conf"):
        serve(program, command)
    os.execvp(command[0], command)  # noqa: S606


def server() -> NoReturn:
    serve(sys.argv[1], sys.argv[2:])


def serve(program: str, arguments: Sequence[str]) -> NoReturn:
    data = rooted("/data")
    if Path.cwd() in (Path("/"), rooted("/")) and data.is_dir():
        os.chdir(data)
    os.execv(program, ["redis-server", *server_arguments(arguments, address())])  # noqa: S606


def client() -> NoReturn:
    program, *arguments = sys.argv[1:]
    os.execv(program, ["redis-cli", *client_arguments(arguments, address())])  # noqa: S606
