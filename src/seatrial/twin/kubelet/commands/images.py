"""What containers of well-known images do when their pod says little or too little: it starts nothing, or misses a setting.

Official images of Docker Hub by their short names, and the ones that the documentation of Kubernetes breaks things with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from seatrial.twin.kubelet.commands.outcome import Outcome
from seatrial.world.images import parse

#: Their command is a shell or a prompt, and nobody talks to it: it ends at once, well.
PROMPTS = frozenset({
    "almalinux", "alpine", "amazonlinux", "archlinux", "bash", "busybox", "debian", "eclipse-temurin", "fedora",
    "nicolaka/netshoot", "node", "openjdk", "oraclelinux", "perl", "php", "python", "rockylinux", "ubuntu",
})  # fmt: skip

#: Images that are one program, by their name or its last part: what their pods give as args are its arguments.
PROGRAMS: Mapping[str, str] = {
    "memory-eater": "memory-eater",
    "stress": "stress",
    "stress-ng": "stress-ng",
    "vish/stress": "allocate-memory",
}


#: Further images that everybody knows.
SERVERS = frozenset(
    {"caddy", "haproxy", "httpd", "memcached", "mongo", "nginx", "rabbitmq", "redis", "tomcat", "traefik", "curlimages/curl"}
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A setting without which a server ends at once: one of some variables, and what it says."""

    variables: tuple[str, ...]
    says: tuple[str, ...]


def _root_password(prefix: str) -> tuple[str, ...]:
    words = ("ROOT_PASSWORD", "ROOT_PASSWORD_FILE", "ROOT_PASSWORD_HASH", "ALLOW_EMPTY_ROOT_PASSWORD", "RANDOM_ROOT_PASSWORD")
    return (*(f"{prefix}_{word}" for word in words), f"{prefix}_ALLOW_EMPTY_PASSWORD")


def _no_option(*names: str) -> tuple[str, ...]:
    told = "[ERROR] [Entrypoint]: Database is uninitialized and password option is not specified"
    return told, "    You need to specify one of the following as an environment variable:", *(f"    - {name}" for name in names)


WANTED: Mapping[str, Wanted] = {
    "postgres": Wanted(
        ("POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE", "POSTGRES_HOST_AUTH_METHOD"),
        (
            "Error: Database is uninitialized and superuser password is not specified.",
            "       You must specify POSTGRES_PASSWORD",
        ),
    ),
    "mysql": Wanted(
        _root_password("MYSQL"),
        _no_option("MYSQL_ROOT_PASSWORD", "MYSQL_ALLOW_EMPTY_PASSWORD", "MYSQL_RANDOM_ROOT_PASSWORD"),
    ),
    "mariadb": Wanted(
        (*_root_password("MYSQL"), *_root_password("MARIADB")),
        _no_option(
            "MARIADB_ROOT_PASSWORD",
            "MARIADB_ROOT_PASSWORD_HASH",
            "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD",
            "MARIADB_RANDOM_ROOT_PASSWORD",
        ),
    ),
}


def untold(image: str, args: Sequence[str], env: Mapping[str, str]) -> Outcome | None:
    """What an image does without a command of its pod's; None where nothing is known of it."""
    name = parse(image).official
    if name in PROMPTS and not args:
        return Outcome(0.0)
    if name == "hello-world":
        return Outcome(0.0, 0, ((0.0, "Hello from Docker!"),))
    wanted = WANTED.get(name)
    if wanted and not args and not any(env.get(variable) for variable in wanted.variables):
        return Outcome(0.5, 1, tuple((0.4, line) for line in wanted.says))
    return None


def told(image: str, command: Sequence[str], args: Sequence[str]) -> list[str]:
    """The command line of a container, with the program of an image that is one program."""
    if command:
        return [*command, *args]
    program = PROGRAMS.get(parse(image).official) or PROGRAMS.get(_last(image))
    return [program, *args] if program else [*args]


def served(image: str, args: Sequence[str]) -> Outcome | None:
    """The server of the documentation of Kubernetes whose /healthz answers well for ten seconds."""
    name = _last(image)
    return Outcome(inf, sick_after=10.0) if name == "liveness" or (name == "agnhost" and list(args[:1]) == ["liveness"]) else None


def is_public(image: str) -> bool:
    """Whether everybody knows what is in an image: no team has put programs of its own into it."""
    name = parse(image).official
    return name in PROMPTS or name in WANTED or name in SERVERS


def _last(image: str) -> str:
    return parse(image).repository.rpartition("/")[2]
