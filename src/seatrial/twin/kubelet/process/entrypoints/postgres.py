"""PostgreSQL as the official image starts it: a database made on the first start, passwords asked for, on the pod's own address.

The variables are the image's: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB (each also as `<name>_FILE`), PGDATA,
POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD, and scripts in /docker-entrypoint-initdb.d.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from seatrial.twin.kubelet.process.entrypoints.places import address, rooted, setting, writable

DATA = "/var/lib/postgresql/data"
SCRIPTS = "/docker-entrypoint-initdb.d"
SOCKETS = ("/var/run/postgresql", "/tmp")  # noqa: S108 - where clients look
LOCAL = ("127.0.0.1", "localhost", "::1")

#: A plain process shares the machine's /dev/shm, where what a killed server made would stay.
MEMORY_IN_FILES = ["-c", "dynamic_shared_memory_type=mmap"]

HOW_TO_BEGIN = """\
Error: Database is uninitialized and superuser password is not specified.
       You must specify POSTGRES_PASSWORD to a non-empty value for the
       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".

       You may also use "POSTGRES_HOST_AUTH_METHOD=trust" to allow all
       connections without a password. This is *not* recommended."""


def image() -> NoReturn:
    """The image's entrypoint: options alone are for the server; any other command is run as it is."""
    command = sys.argv[2:]
    if command and command[0] != "postgres" and not command[0].startswith("-"):
        os.execvp(command[0], command)  # noqa: S606
    serve(Path(sys.argv[1]), command[1:] if command[:1] == ["postgres"] else command)


def server() -> NoReturn:
    serve(Path(sys.argv[1]), sys.argv[2:])


def serve(programs: Path, arguments: Sequence[str]) -> NoReturn:
    """Become the server, with its database made. Options that only ask something get their answer."""
    if any(argument in ("--version", "-V", "--help", "-?", "--describe-config") for argument in arguments):
        os.execv(programs / "postgres", [str(programs / "postgres"), *arguments])  # noqa: S606
    data = rooted(os.environ.get("PGDATA") or DATA)
    os.environ["PGDATA"] = str(data)
    sockets = socket_folder()
    prepare(programs, data, sockets)
    options = ["-c", f"listen_addresses={address()}", "-c", f"unix_socket_directories={sockets}"]
    if os.environ.get("SEATRIAL_ROOT"):
        options += MEMORY_IN_FILES
    server = str(programs / "postgres")  # which finds its files by this name
    os.execv(server, [server, "-D", str(data), *options, *own_options(arguments)])  # noqa: S606


def socket_folder() -> Path:
    """Where clients beside the server find its socket; a plain process has a folder whose name is short enough for one."""
    return Path(os.environ["SEATRIAL_SOCKETS"]) if os.environ.get("SEATRIAL_SOCKETS") else writable(*SOCKETS)


def own_options(arguments: Sequence[str]) -> list[str]:
    """The image's arguments, without the addresses: every address means the pod's own here."""
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        following = next(rest, None) if argument in ("-c", "-h") else None
        value = (
            following if following is not None else argument.removeprefix("--").replace("listen-addresses", "listen_addresses")
        )
        if argument == "-h" or value.startswith("listen_addresses="):
            continue
        kept += [argument] if following is None else [argument, following]
    return kept


def prepare(programs: Path, data: Path, sockets: Path) -> None:
    """Make the database on the first start."""
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    if (data / "PG_VERSION").exists():
        print("\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n", flush=True)
        return
    user, password = setting("POSTGRES_USER", "postgres"), setting("POSTGRES_PASSWORD")
    method = os.environ.get("POSTGRES_HOST_AUTH_METHOD") or "scram-sha-256"
    if not password and method != "trust":
        raise SystemExit(HOW_TO_BEGIN)
    initialize(programs, data, user, password)
    with (data / "pg_hba.conf").open("a") as file:
        file.write(f"\nhost all all all {method}\n")
    database = setting("POSTGRES_DB", user)
    if database != "postgres":
        create_database(programs, data, database, user)
    scripts = sorted(rooted(SCRIPTS).iterdir()) if rooted(SCRIPTS).is_dir() else []
    if scripts:
        run_scripts(programs, data, sockets, scripts, {"user": user, "database": database, "password": password})
    print("\nPostgreSQL init process complete; ready for start up.\n", flush=True)


def initialize(programs: Path, data: Path, user: str, password: str) -> None:
    wanted = (setting("POSTGRES_INITDB_ARGS")).split()
    # Not synced: what a crash of the machine takes on the first second is made again.
    command = [str(programs / "initdb"), "-D", str(data), f"--username={user}", "--no-sync", "--no-instructions"]
    if os.environ.get("SEATRIAL_ROOT"):
        command += MEMORY_IN_FILES
    if not any(option.startswith(("--locale", "--encoding", "-E")) for option in wanted):
        command += ["--encoding=UTF8", "--locale=C.UTF-8"]
    with tempfile.TemporaryFile() as file:
        if password:
            file.write(password.encode() + b"\n")
            file.seek(0)
            command += [f"--pwfile=/dev/fd/{file.fileno()}"]
        log = os.environ.get("POSTGRES_INITDB_WALDIR")
        command += [f"--waldir={log}"] if log else []
        made = subprocess.run([*command, *wanted], stdin=subprocess.DEVNULL, pass_fds=[file.fileno()])  # noqa: S603
    if made.returncode:
        raise SystemExit(made.returncode)  # initdb has said why


def create_database(programs: Path, data: Path, database: str, user: str) -> None:
    """In single-user mode: no server has to be started and stopped for it."""
    quoted = '"' + database.replace('"', '""') + '"'
    owner = '"' + user.replace('"', '""') + '"'
    command = [str(programs / "postgres"), "--single", "-F", "-D", str(data), "-j", "postgres"]
    statement = f"CREATE DATABASE {quoted} OWNER {owner};\n\n"
    subprocess.run(command, input=statement.encode(), check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    print("CREATE DATABASE", flush=True)


def run_scripts(programs: Path, data: Path, sockets: Path, scripts: Sequence[Path], names: Mapping[str, str]) -> None:
    """Start a server that only local clients reach, run the scripts in their order, and stop it."""
    control = [str(programs / "pg_ctl"), "-D", str(data), "-w"]
    options = f"-c listen_addresses='' -c unix_socket_directories={sockets}"
    subprocess.run([*control, "-o", options, "start"], check=True)  # noqa: S603
    os.environ.update(PGHOST=str(sockets), PGUSER=names["user"], PGDATABASE=names["database"], PGPASSWORD=names["password"])
    psql = [str(programs / "psql"), "-v", "ON_ERROR_STOP=1", "--no-password", "--no-psqlrc"]
    for script in scripts:
        print(f"{Path(sys.argv[0]).name}: running {script}", flush=True)
        if script.suffix == ".sh":
            subprocess.run([str(script)] if os.access(script, os.X_OK) else ["/bin/sh", str(script)], check=True)  # noqa: S603
        elif script.suffix == ".sql":
            subprocess.run([*psql, "-f", str(script)], check=True)  # noqa: S603
        elif script.name.endswith(".sql.gz"):
            subprocess.run(psql, input=gzip.decompress(script.read_bytes()), check=True)  # noqa: S603
        else:
            print(f"ignoring {script}", flush=True)
    for name in ("PGHOST", "PGUSER", "PGDATABASE", "PGPASSWORD"):
        os.environ.pop(name, None)
    subprocess.run([*control, "-m", "fast", "stop"], check=True)  # noqa: S603


def client() -> NoReturn:
    """psql, pg_isready and their like: where they would look for the server beside them, they find this pod's."""
    program, *arguments = sys.argv[1:]
    os.environ.update(client_environment(os.environ, arguments))
    os.execv(program, [program, *client_arguments(arguments)])  # noqa: S606


def client_arguments(arguments: Sequence[str]) -> list[str]:
    """127.0.0.1 is the pod's own address."""
    changed, before = [], ""
    for argument in arguments:
        if before in ("-h", "--host") and argument in LOCAL:
            argument = address()
        for form in ("--host=", "-h"):
            if argument.startswith(form) and argument.removeprefix(form) in LOCAL:
                argument = form + address()
        changed.append(argument)
        before = argument
    return changed


def client_environment(environ: Mapping[str, str], arguments: Sequence[str]) -> dict[str, str]:
    """PGHOST for a client that was not told a host: the folder with the server's socket, if it is here."""
    if environ.get("PGHOST") in LOCAL:
        return {"PGHOST": address()}
    if environ.get("PGHOST") or environ.get("PGHOSTADDR") or any(word.startswith(("-h", "--host")) for word in arguments):
        return {}
    own = environ.get("SEATRIAL_SOCKETS")
    for folder in [Path(own)] if own else [rooted(folder) for folder in SOCKETS]:
        if list(folder.glob(".s.PGSQL.*[0-9]")):
            return {"PGHOST": str(folder)}
    return {}
