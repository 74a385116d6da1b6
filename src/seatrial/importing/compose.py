"""A draft from a docker-compose file: its services and stores, who depends on whom, and what Kubernetes has no word for.

Table-driven: a key has a reader, or a reason why it is not carried over.  `${NAME:-default}` becomes its default; variables of
the shell that runs this are not looked at, so that the same file gives the same draft.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from seatrial.app.document import Path_
from seatrial.importing.compose_files import built_for, extended, one_offs, sharing
from seatrial.importing.compose_keys import NO_SUCH_KEY, READERS, WHY, limits
from seatrial.importing.compose_values import filled, settings_of
from seatrial.importing.draft import Draft, name
from seatrial.importing.hosts import Names
from seatrial.importing.parts import put_call, put_command, put_settings, put_store
from seatrial.importing.servers import FOREIGN, PLATFORM, base, store_of, tag
from seatrial.importing.source import Node

PUBLISHED = "It was published: `expose: shop.example.com` lets the world in, by a host name."
LATEST = "Name a version: latest is another one tomorrow."
FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


def is_compose(node: Node) -> bool:
    """Whether a document is a docker-compose file and not a Kubernetes object."""
    return isinstance(node["services"].data, dict) and not node["kind"] and not node["apiVersion"]


def draft_of(node: Node, folder: Path, app: str = "") -> Draft:
    """The draft of a docker-compose file; `folder` is where the app file will be, which `build` is relative to."""
    here = Path(node.document.file).parent
    draft = Draft(Path(node.document.file).name)
    draft.put(("app",), name(app or node["name"].text or here.resolve().name))
    draft.put(("version",), "0.1.0", comment="The tag of images that have none.")
    node = extended(node, draft)
    names = _names(node, draft)
    shared = built_for(node)
    for old, service in node["services"].items():
        ours = names.ours.get(old, "")
        if not ours:
            continue
        image = filled(service["image"].text)
        if store_of(image) and not service["build"]:
            _store(draft, ours, service, image)
        else:
            _service(draft, ours, service, here, folder, names)
            _same_image(draft, ours, service, names.ours.get(shared.get(old, ""), ""))
    _once(draft, node, names)
    draft.put(("environments", "production"), {})
    for key, value in node.items():
        if key in _TOP and value.data:
            draft.note(value.place, f"`{key}`: {_TOP[key]}")
    return draft


def _once(draft: Draft, node: Node, names: Names) -> None:
    """What runs once before a service of the same image is its migration."""
    for old, waiting in one_offs(node).items():
        service = node["services"][old]
        user = next((names.ours[other] for other in sharing(node, old, waiting) if other in names.ours), "")
        if user and (words := _all_words(service)):
            if put_command(draft, ("services", user, "migrate"), words, service["command"].place):
                draft.note(service.place, f"`{old}` runs once: it is the `migrate` command of `{user}` now")
        elif service:
            draft.note(service.place, f"`{old}` runs once and ends, which no service does; see `migrate` and `jobs`")


_TOP = {
    "networks": "who may reach whom comes from `calls`",
    "configs": "files are not carried over; put settings under `config`",
    "include": "the included files were not read; give the one that `docker compose config` prints",
}


def _names(node: Node, draft: Draft) -> Names:
    names = Names()
    once = one_offs(node)
    for old, service in node["services"].items():
        if not isinstance(service.data, dict):
            draft.note(service.place, f"`{old}` is no map of keys, and so no service")
            continue
        if old in once:
            continue
        image = filled(service["image"].text)
        if base(image) in FOREIGN and not service["build"]:
            names.left_out.add(old)
            draft.note(
                service.place,
                f"`{old}` ({base(image)}): the app file knows postgres and redis; run it elsewhere, or apply it by itself",
            )
            continue
        if base(image) in PLATFORM and not service["build"]:
            names.left_out.add(old)
            if base(image) == "traefik":
                draft.put(("platform", "ingress"), "traefik", service.place)
            draft.note(service.place, f"`{old}` ({base(image)}) is not of the app but of the cluster: {PLATFORM[base(image)]}")
            continue
        ours = unique(name(old, "service"), set(names.ours.values()))
        names.ours[old] = ours
        if ours != old:
            draft.note(service.place, f"`{old}` is called `{ours}` here, and that is its host name too")
    return names


def unique(wanted: str, taken: set[str]) -> str:
    """The name, with a number behind it where it is taken."""
    found, count = wanted, 2
    while found in taken:
        found, count = f"{wanted[:36]}-{count}", count + 1
    return found


def _same_image(draft: Draft, ours: str, service: Node, first: str) -> None:
    """What the image of a service starts: one that another service builds is that one's, with a command of its own."""
    at: Path_ = ("services", ours)
    if first and draft.get("services", first, "image"):
        draft.put((*at, "image"), draft.get("services", first, "image"), service["build"].place)
        draft.comments[(*at, "image")] = [f"The image of {first}, which starts something else here."]
        draft.data["services"][ours].pop("build", None)
    elif service["build"] and draft.get("services", ours, "run"):
        message = f"`run` of `{ours}` starts it on this machine; the image that is built must start by itself (CMD)"
        draft.note((service["command"] or service["entrypoint"]).place, message)


def _store(draft: Draft, ours: str, service: Node, image: str) -> None:
    volumes = [part for part in service["volumes"].each() if "tmpfs" not in part["type"].text]
    kind = (store_of(image) or ("",))[0]
    put_store(draft, ours, image, "", settings_of(service, Path()), service.place, kept=bool(volumes))
    if kind == "redis" and "requirepass" in " ".join([service["command"].text, *service["command"].words]):
        draft.put(("stores", ours, "password"), True, service["command"].place)
    for key in ("command", "entrypoint", "build"):
        if service[key]:
            draft.note(service[key].place, f"`{key}` of `{ours}`: a store is started in the usual way")
    for volume in volumes:
        if "initdb" in (volume.text or volume["target"].text):
            draft.note(volume.place, f"start-up scripts of `{ours}`: make them a `migrate` command of a service")


def _service(draft: Draft, ours: str, service: Node, here: Path, folder: Path, names: Names) -> None:
    at: Path_ = ("services", ours)
    draft.put(at, {}, service.place)
    _image(draft, ours, service, here, folder)
    _command(draft, ours, service)
    _ports(draft, ours, service)
    for key, value in service.items():
        reader = READERS.get(key)
        if reader:
            reader(draft, ours, value)
        elif key not in _READ and not key.startswith("x-"):
            draft.note(value.place, f"`{key}` of `{ours}`: {WHY.get(key, NO_SUCH_KEY)}")
    limits(draft, ours, service)
    put_settings(draft, ours, settings_of(service, here), names)
    for key in ("depends_on", "links"):
        for called, place in _called(service[key]):
            put_call(draft, ours, called, names, place.place)
            alias = place.text.partition(":")[2]
            if alias and names.ours.get(called, alias) != alias:
                draft.note(place.place, f"link `{alias}` of `{ours}`: `{called}` is reached as `{names.ours[called]}`")


#: Keys that are read elsewhere in this module, or that mean nothing on Kubernetes.
_READ = {
    *("image", "build", "command", "entrypoint", "ports", "expose", "environment", "env_file", "depends_on", "links"),
    *("cpus", "mem_limit", "mem_reservation"),
    *("container_name", "hostname", "init", "tty", "stdin_open", "pull_policy", "platform", "logging", "restart"),
}


def _called(node: Node) -> Iterator[tuple[str, Node]]:
    for item in node.each():
        yield item.text.partition(":")[0], item
    yield from node.items()


def _image(draft: Draft, ours: str, service: Node, here: Path, folder: Path) -> None:
    at: Path_ = ("services", ours)
    image, build = filled(service["image"].text).rstrip(":"), service["build"]
    if build:
        context = filled(build.text or build["context"].text or ".")
        inside = os.path.relpath(here / context, folder)
        if "://" in context or context.startswith("git@") or inside.startswith(".."):
            draft.note(build.place, f"`build` of `{ours}`: the folder is not inside the app file's")
        else:
            draft.put((*at, "build"), inside, build.place)
        for key, value in build.items():
            if key != "context":
                draft.note(value.place, f"`build.{key}` of `{ours}`: give it where the image is built")
    if not image:
        if not build:
            draft.note(service.place, f"`{ours}` has neither an image nor a folder to build")
        draft.put(
            (*at, "image"), f"{draft.get('app')}-{ours}", service.place, "Put the registry before it, such as ghcr.io/acme/."
        )
    elif tag(image) or "@" in image or build or image != service["image"].text.rstrip(":"):
        draft.put((*at, "image"), image, service["image"].place, LATEST if tag(image) == "latest" else "")
        if image != service["image"].text:
            draft.note(service["image"].place, f"`image` of `{ours}`: its variables have their defaults, or the file's `version`")
    else:
        draft.put((*at, "image"), f"{image}:latest", service["image"].place, LATEST)


def _command(draft: Draft, ours: str, service: Node) -> None:
    words = _all_words(service)
    if words:
        put_command(draft, ("services", ours, "run"), words, (service["command"] or service["entrypoint"]).place)


def _all_words(service: Node) -> list[str]:
    return [*_words(service["entrypoint"]), *_words(service["command"])]


def _words(node: Node) -> list[str]:
    return [filled(word) for word in ([node.text.strip()] if node.text.strip() else node.words)]


def _ports(draft: Draft, ours: str, service: Node) -> None:
    at: Path_ = ("services", ours, "port")
    for node in (*service["ports"].each(), *service["expose"].each()):
        spec = filled(node.text) or filled(node["target"].text)
        number, _, protocol = spec.rpartition(":")[2].partition("/")
        if re.fullmatch(r"[0-9]+-[0-9]+", number):
            draft.note(node.place, f"ports {number} of `{ours}`: a service has one port; the first of them is taken, if any")
            number = number.partition("-")[0]
        if (protocol or node["protocol"].text or "tcp") != "tcp":
            draft.note(node.place, f"port {number} of `{ours}`: only TCP is carried over")
        elif not number.isdecimal():
            draft.note(node.place, f"a port of `{ours}` is not a number: a service has one port")
        elif draft.get(*map(str, at)) is None:
            published = ":" in spec or bool(node["published"])
            words = PUBLISHED if published else ""
            draft.put(at, int(number), node.place, words)
        elif draft.get(*map(str, at)) != int(number) and "-" not in spec.rpartition(":")[2]:
            draft.note(node.place, f"port {number} of `{ours}`: a service has one port")
