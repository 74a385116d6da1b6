"""What a docker-compose file and Kubernetes manifests have in common: images that are stores, variables, commands, calls.

Each function puts one thing into a draft, or notes why it could not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from seatrial.app.document import Path_
from seatrial.importing.draft import Draft
from seatrial.importing.hidden import holds_secret, is_secret
from seatrial.importing.hosts import Names, as_now, hosts
from seatrial.importing.servers import KEPT, base, store_of, tag
from seatrial.importing.source import Place
from seatrial.world import quantity

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


def put_store(
    draft: Draft, name: str, image: str, storage: str, settings: Iterable[Setting], place: Place, kept: bool = False
) -> None:
    """A store in place of a container with a database's image. Values of its passwords go nowhere. `kept` says that it has a
    volume of nobody knows which size."""
    kind, version = store_of(image) or ("", "")
    at: Path_ = ("stores", name)
    draft.put((*at, kind), int(version), place)
    draft.places.setdefault(at, place)
    if not re.search(r"[0-9]", tag(image)):
        draft.note(place, f"`{name}`: the image says no version; {version} is assumed")
    if base(image) in KEPT:
        draft.put((*at, "image"), image, place)
    guess = "10Gi" if kind == "postgres" else "1Gi"
    if storage or kept or kind == "postgres":
        draft.put((*at, "storage"), storage or guess, place)
    if not storage and (kept or kind == "postgres"):
        draft.comments.setdefault(at, []).append(f"{guess} is a guess: nobody said how large it gets")
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
        named = hosts(setting.name, setting.value, names)
        for called in named:
            put_call(draft, name, called, names, setting.place)
        for lost in hosts(setting.name, setting.value, Names({lost: lost for lost in names.left_out})):
            draft.note(setting.place, f"{setting.name} of `{name}` names `{lost}`, which is not carried over")
        if setting.name.endswith("_FILE") and (setting.value or "").startswith("/run/secrets/"):
            variable = setting.name.removesuffix("_FILE")
            draft.add((*at, "secrets"), variable, setting.place)
            draft.note(setting.place, f"{setting.name} of `{name}`: it named a file; {variable} has the secret itself now")
        elif setting.name == "PORT" and (setting.value or "").isdecimal():
            if draft.get(*at, "port") is None:
                draft.put((*at, "port"), int(setting.value or 0), setting.place)
        elif setting.secret or is_secret(setting.name, setting.value or ""):
            _put_secret(draft, name, setting, named, names)
        elif "$(" in (setting.value or ""):
            draft.note(setting.place, f"{setting.name} of `{name}` is made of other variables, which `config` cannot do")
        elif setting.value is None:
            draft.note(setting.place, f"{setting.name} of `{name}` has no value here; put it under `config` or `secrets`")
        else:
            _put_config(draft, name, setting, named, names)


def _put_secret(draft: Draft, name: str, setting: Setting, named: list[str], names: Names) -> None:
    draft.add(("services", name, "secrets"), setting.name, setting.place)
    for called in named:
        given = url_variable(names.ours[called])
        if given != setting.name and names.ours[called] != name:
            message = f"it is a secret to be given now; {given} says where `{names.ours[called]}` is, without one"
            draft.note(setting.place, f"{setting.name} of `{name}`: {message}")


def _put_config(draft: Draft, name: str, setting: Setting, named: list[str], names: Names) -> None:
    """A value with the hosts and ports of now. What a call gives by itself is not said again."""
    before = setting.value or ""
    value = as_now(setting.name, before, names)
    calls = [names.ours[called] for called in named if names.ours[called] != name]
    if setting.name in map(url_variable, calls):
        path = re.sub(r"^[a-z]+://[^/]*", "", value).rstrip("/")
        if path:
            message = f'it comes from calling `{calls[0]}`, without the path "{path}" it had here'
            draft.note(setting.place, f"{setting.name} of `{name}`: {message}")
        return
    if value != before:
        draft.note(setting.place, f'{setting.name} of `{name}` was "{before}" and is "{value}" now')
    draft.put(("services", name, "config", setting.name), value, setting.place)


def url_variable(name: str) -> str:
    """The variable that says where a service or store is to who calls it."""
    return f"{name.upper().replace('-', '_')}_URL"


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
    if words and words[0].startswith("-"):
        draft.note(place, f"{what}: these are options of what the image starts; write its program before them")
        return False
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
