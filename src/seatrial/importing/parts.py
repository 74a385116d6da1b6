"""What a docker-compose file and Kubernetes manifests have in common: images that are stores, variables, commands, calls.

Each function puts one thing into a draft, or notes why it could not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from seatrial.app.document import Path_
from seatrial.importing.draft import Draft
from seatrial.importing.hidden import holds_secret, is_secret
from seatrial.importing.source import Place
from seatrial.world import quantity

#: The last part of an image's name -> the store it is, and the version where the tag says none.
STORES = {
    **dict.fromkeys(("postgres", "postgresql", "postgis", "timescaledb", "pgvector"), ("postgres", "16")),
    **dict.fromkeys(("redis", "valkey", "redis-stack", "redis-stack-server"), ("redis", "7")),
}

#: Servers with data of their own that the app file has no store for.
FOREIGN = (
    *("mysql", "mariadb", "mongo", "mongodb", "rabbitmq", "kafka", "cp-kafka", "zookeeper", "cp-zookeeper", "elasticsearch"),
    *("opensearch", "cassandra", "minio", "couchdb", "neo4j", "clickhouse-server", "influxdb", "nats", "vault", "consul"),
)

#: Variables of the official images, which the store's own keys replace.
STORE_KEYS = {
    **dict.fromkeys(("POSTGRES_DB", "POSTGRESQL_DATABASE"), "database"),
    **dict.fromkeys(("POSTGRES_USER", "POSTGRESQL_USERNAME"), "user"),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable of a container. A `value` of None is known to somebody else; `secret` when it came from a Secret."""

    name: str
    value: str | None
    place: Place
    secret: bool = False


@dataclass(slots=True)
class Names:
    """What services and stores were called, and what they are called in the app file."""

    ours: dict[str, str] = field(default_factory=dict)  # old name -> new one
    left_out: set[str] = field(default_factory=set)


def base(image: str) -> str:
    """The last part of an image's name, without tag and digest."""
    return image.rsplit("/", 1)[-1].partition("@")[0].partition(":")[0]


def tag(image: str) -> str:
    return image.rsplit("/", 1)[-1].partition("@")[0].partition(":")[2]


def store_of(image: str) -> tuple[str, str] | None:
    """The kind of store an image is, and its major version."""
    found = STORES.get(base(image))
    if not found:
        return None
    major = re.search(r"(?:^|pg)([0-9]+)", tag(image))
    return found[0], major[1] if major else found[1]


def put_store(draft: Draft, name: str, image: str, storage: str, settings: Iterable[Setting], place: Place) -> None:
    """A store in place of a container with a database's image. Values of its passwords go nowhere."""
    kind, version = store_of(image) or ("", "")
    at: Path_ = ("stores", name)
    draft.put((*at, kind), int(version), place)
    if not re.search(r"[0-9]", tag(image)):
        draft.note(place, f"`{name}`: the image says no version; {version} is assumed")
    if kind == "postgres":
        draft.put((*at, "storage"), storage or "10Gi", place)
        if not storage:
            draft.comments.setdefault(at, []).append("10Gi is a guess: nobody said how large it gets")
    elif storage:
        draft.put((*at, "storage"), storage, place)
    for setting in settings:
        key = STORE_KEYS.get(setting.name)
        if key and kind == "postgres" and setting.value:
            draft.put((*at, key), setting.value, setting.place)
        elif re.search("(?i)password", setting.name):
            if kind == "redis":
                draft.put((*at, "password"), True, setting.place)
            note = "its value is not carried over: it is made up in dev, elsewhere it comes from `platform.secrets`"
            draft.note(setting.place, f"{setting.name} of `{name}`: {note}")
        else:
            draft.note(setting.place, f"{setting.name} of `{name}`: a store has no variables")


def put_settings(draft: Draft, name: str, settings: Iterable[Setting], names: Names) -> None:
    """Variables: values to `config`, names to `secrets`, and a call for each that says where a service or store is."""
    at = ("services", name)
    for setting in settings:
        for called in _hosts(setting, names):
            put_call(draft, name, called, names, setting.place)
        for lost in _hosts(setting, Names({name: name for name in names.left_out})):
            draft.note(setting.place, f"{setting.name} of `{name}` names `{lost}`, which is not carried over")
        if setting.name.endswith("_FILE") and (setting.value or "").startswith("/run/secrets/"):
            variable = setting.name.removesuffix("_FILE")
            draft.add((*at, "secrets"), variable, setting.place)
            draft.note(setting.place, f"{setting.name} of `{name}`: it named a file; {variable} has the secret itself now")
        elif setting.name == "PORT" and (setting.value or "").isdecimal():
            if draft.get(*at, "port") is None:
                draft.put((*at, "port"), int(setting.value or 0), setting.place)
        elif setting.secret or is_secret(setting.name, setting.value or ""):
            draft.add((*at, "secrets"), setting.name, setting.place)
            for called in _hosts(setting, names):
                given = f"{names.ours[called].upper().replace('-', '_')}_URL"
                if given != setting.name and names.ours[called] != name:
                    message = f"it is a secret to be given now; {given} says where `{names.ours[called]}` is, without one"
                    draft.note(setting.place, f"{setting.name} of `{name}`: {message}")
        elif "$(" in (setting.value or ""):
            draft.note(setting.place, f"{setting.name} of `{name}` is made of other variables, which `config` cannot do")
        elif setting.value is None:
            draft.note(setting.place, f"{setting.name} of `{name}` has no value here; put it under `config` or `secrets`")
        else:
            draft.put((*at, "config", setting.name), setting.value, setting.place)


_HOST = re.compile(r"(?:^|//|@|[\s,])([A-Za-z0-9][A-Za-z0-9_.-]*)(?=(:[0-9]+)?(?:[/,\s]|$))")
_ADDRESS = re.compile(r"(?i)host|addr|url|uri|server|endpoint|broker|service|dsn|upstream")


def _hosts(setting: Setting, names: Names) -> list[str]:
    """The services that a variable names: in a URL, with a port, or alone in a variable that is called like an address."""
    value = (setting.value or "")[:2000]
    plain = "//" in value or bool(_ADDRESS.search(setting.name))
    found = []
    for host, port in _HOST.findall(value):
        first = host.split(".", 1)[0]
        known = host if host in names.ours else first
        if known in names.ours and (plain or port) and (known == host or ".svc" in host or host.count(".") == 1):
            found.append(known)
    return found


def put_call(draft: Draft, name: str, called: str, names: Names, place: Place) -> None:
    """A call of `called`, by the name it had; one of something that was left out is noted."""
    ours = names.ours.get(called)
    if ours and ours != name:
        draft.add(("services", name, "calls"), ours, place)
    elif called in names.left_out:
        draft.note(place, f"`{name}` calls `{called}`, which is not carried over")


def put_command(draft: Draft, path: Path_, words: list[str], place: Place) -> bool:
    """A command, unless a secret stands in it."""
    what = ".".join(map(str, path))
    if holds_secret(words):
        draft.note(place, f"{what}: the command seems to hold a secret; give it as a variable under `secrets`")
        return False
    if words:
        draft.put(path, words[0] if len(words) == 1 else words, place)
    return bool(words)


def put_size(draft: Draft, name: str, requests: Mapping[str, str], limits: Mapping[str, str], place: Place) -> None:
    """A size of the service's own, from what its container requests (or else may use at most)."""
    cpu, memory = requests.get("cpu") or limits.get("cpu"), requests.get("memory") or limits.get("memory")
    if not cpu and not memory:
        return
    size: dict[str, object] = {"cpu": cpu or "100m", "memory": memory or "128Mi"}
    most = {key: value for key in ("cpu", "memory") if (value := limits.get(key)) and value != (None if key == "cpu" else memory)}
    if most:
        size["limits"] = most
    for known, (known_size, known_most) in KNOWN.items():
        if size == {**known_size, "limits": known_most}:
            draft.put(("services", name, "size"), known, place)
            return
    draft.put(("sizes", name), size, place)
    draft.put(("services", name, "size"), name, place)


#: The sizes that every app has.
KNOWN = {
    "small": ({"cpu": "100m", "memory": "128Mi"}, {"memory": "256Mi"}),
    "medium": ({"cpu": "250m", "memory": "256Mi"}, {"memory": "512Mi"}),
    "large": ({"cpu": "1", "memory": "1Gi"}, {"memory": "2Gi"}),
}


def binary(text: str) -> str:
    """A size as docker-compose writes it (`512m`, `1.5gb`: powers of 1024) as a quantity; "" when it is none."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?([bkmgt]?)b?", text.strip().lower())
    if not found:
        return ""
    factor = {"": 0, "b": 0, "k": 10, "m": 20, "g": 30, "t": 40}[found[2]]
    return quantity.render_bytes(int(float(found[1]) * (1 << factor)))
