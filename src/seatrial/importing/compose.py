"""A draft from a docker-compose file: its services and stores, who depends on whom, and what Kubernetes has no word for.

Table-driven: a key has a reader, or a reason why it is not carried over.  `${NAME:-default}` becomes its default; variables of
the shell that runs this are not looked at, so that the same file gives the same draft.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from seatrial.app.document import Path_
from seatrial.importing.compose_files import extended, one_offs, sharing
from seatrial.importing.draft import Draft, name
from seatrial.importing.parts import (
    FOREIGN,
    Names,
    Setting,
    base,
    binary,
    put_call,
    put_command,
    put_settings,
    put_size,
    put_store,
    store_of,
    tag,
)
from seatrial.importing.source import Node

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
    for old, service in node["services"].items():
        ours = names.ours.get(old, "")
        if not ours:
            continue
        image = filled(service["image"].text)
        if store_of(image) and not service["build"]:
            _store(draft, ours, service, image)
        else:
            _service(draft, ours, service, here, folder, names)
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


def filled(text: str) -> str:
    """A text with the defaults of its `${NAME:-default}`; what has none is left out."""
    text = re.sub(r"\$\{[A-Za-z_]\w*(?::?-([^{}]*)|:?[?+][^{}]*)?\}|(?<!\$)\$[A-Za-z_]\w*", lambda found: found[1] or "", text)
    return text.replace("$$", "$")


def _store(draft: Draft, ours: str, service: Node, image: str) -> None:
    volumes = [part for part in service["volumes"].each() if "tmpfs" not in part["type"].text]
    kind = (store_of(image) or ("",))[0]
    storage = "" if not volumes else "10Gi" if kind == "postgres" else "1Gi"
    put_store(draft, ours, image, storage, _settings(service, Path()), service.place)
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
        reader = _READERS.get(key)
        if reader:
            reader(draft, ours, value)
        elif key not in _READ and not key.startswith("x-"):
            draft.note(value.place, f"`{key}` of `{ours}`: {_WHY.get(key, 'the app file has no such key')}")
    _limits(draft, ours, service)
    put_settings(draft, ours, _settings(service, here), names)
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

_WHY = {
    "networks": "who may reach whom comes from `calls`",
    "privileged": "no service is privileged",
    "cap_add": "services run without capabilities",
    "network_mode": "every pod has its own network",
    "profiles": "it is carried over whatever its profile",
    "configs": "files are not carried over; put settings under `config`",
    "labels": "labels are made from the app file",
    "extra_hosts": "names come from the cluster's DNS",
    "working_dir": "set it in the Dockerfile",
    "ulimits": "the cluster's nodes set them",
    "sysctls": "the cluster's nodes set them",
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
        draft.put((*at, "image"), image, service["image"].place)
        if image != service["image"].text:
            draft.note(service["image"].place, f"`image` of `{ours}`: its variables have their defaults, or the file's `version`")
    else:
        draft.put((*at, "image"), f"{image}:latest", service["image"].place, "Name a version: latest is another one tomorrow.")


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
            words = "It was published: `expose: shop.example.com` lets the world in, by a host name." if published else ""
            draft.put(at, int(number), node.place, words)
        elif draft.get(*map(str, at)) != int(number) and "-" not in spec.rpartition(":")[2]:
            draft.note(node.place, f"port {number} of `{ours}`: a service has one port")


def _settings(service: Node, here: Path) -> Iterator[Setting]:
    for node in (service["env_file"], *service["env_file"].each()):
        path = here / filled(node.text or node["path"].text or ".")
        if path.is_file() and path.stat().st_size < 1 << 18 and path.resolve().is_relative_to(here.resolve()):
            yield from _env_file(path, node)
    for name_, value in service["environment"].items():
        yield Setting(name_, _value(value.text) if value else None, value.place)
    for item in service["environment"].each():
        name_, equals, text = item.text.partition("=")
        yield Setting(name_, _value(text) if equals else None, item.place)


def _env_file(path: Path, node: Node) -> Iterator[Setting]:
    for line in path.read_text("utf-8", "replace").splitlines():
        name_, equals, text = line.strip().removeprefix("export ").partition("=")
        if equals and not line.lstrip().startswith("#"):
            yield Setting(name_.strip(), text.strip().strip("'\""), node.place)


def _value(text: str) -> str | None:
    """A value with its defaults filled in; None where it is nothing but a variable of the shell."""
    return None if text and not filled(text) else filled(text)


# -- readers of single keys -------------------------------------------------------------------------------------------------


def _healthcheck(draft: Draft, ours: str, node: Node) -> None:
    test = " ".join([node["test"].text, *node["test"].words])
    found = re.search(r"https?://[^\s/'\"|]+(/[^\s?'\"|;#]*)?", test)
    if found:
        draft.put(("services", ours, "health"), found[1] or "/", node.place)
    elif test and test.upper() != "NONE":
        draft.note(node["test"].place, f"`healthcheck` of `{ours}`: it is no HTTP request; the port is tried instead")
    if found and node["start_period"].text:
        path = found[1] or "/"
        draft.put(("services", ours, "health"), {"live": path, "ready": path, "startup": node["start_period"].text}, node.place)


def _volumes(draft: Draft, ours: str, node: Node) -> None:
    for volume in node.each():
        target = volume["target"].text or volume.text
        if volume["type"].text == "tmpfs":
            draft.add(("services", ours, "writable"), target, volume.place)
        else:
            where = target.split(":")[1] if target.count(":") and not volume["target"] else target
            draft.note(
                volume.place, f"volume {where} of `{ours}`: a service keeps nothing; use a store, or `writable` for what may go"
            )


def _tmpfs(draft: Draft, ours: str, node: Node) -> None:
    for text in [node.text, *node.words]:
        if text:
            draft.add(("services", ours, "writable"), text.partition(":")[0], node.place)


def _secrets(draft: Draft, ours: str, node: Node) -> None:
    for item in node.each():
        source = item.text or item["source"].text
        if f"/run/secrets/{item['target'].text or source}" in _named_files(item, ours):
            continue  # it goes by the variable that named the file
        variable = re.sub(r"[^A-Za-z0-9_]", "_", source).upper()
        draft.add(("services", ours, "secrets"), variable, item.place)
        draft.note(
            item.place, f"secret {source} of `{ours}`: it was the file /run/secrets/{source} and is the variable {variable} now"
        )


def _deploy(draft: Draft, ours: str, node: Node) -> None:
    for key, value in node.items():
        if key == "replicas" and value.text.isdecimal():
            draft.put(("services", ours, "replicas"), int(value.text), value.place)
        elif key == "resources":
            sizes = [
                {k: v for k, v in (("cpu", value[part]["cpus"].text), ("memory", binary(value[part]["memory"].text))) if v}
                for part in ("reservations", "limits")
            ]
            put_size(draft, ours, sizes[0], sizes[1], value.place)
        else:
            draft.note(value.place, f"`deploy.{key}` of `{ours}`: the app file has no such key")


def _named_files(item: Node, ours: str) -> list[str]:
    """The files that variables of an item's service name."""
    service = Node(item.document, item.document.data, (), item.offset).at(*item.path[:2])
    return [setting.value or "" for setting in _settings(service, Path()) if setting.name.endswith("_FILE")]


def _limits(draft: Draft, ours: str, service: Node) -> None:
    """The size of a service, as files of version 2 say it."""
    asked = {"memory": binary(service["mem_reservation"].text)}
    most = {"memory": binary(service["mem_limit"].text), "cpu": service["cpus"].text}
    found = [{key: value for key, value in part.items() if value} for part in (asked, most)]
    if any(found):
        put_size(draft, ours, found[0], found[1], (service["mem_limit"] or service["cpus"]).place)


def _scale(draft: Draft, ours: str, node: Node) -> None:
    if node.text.isdecimal() and int(node.text):
        draft.put(("services", ours, "replicas"), int(node.text), node.place)


def _grace(draft: Draft, ours: str, node: Node) -> None:
    draft.put(("services", ours, "grace"), node.text, node.place)


def _user(draft: Draft, ours: str, node: Node) -> None:
    number = node.text.partition(":")[0]
    if number.isdecimal() and int(number):
        draft.put(("services", ours, "user"), int(number), node.place)
    else:
        draft.note(node.place, f"`user` of `{ours}`: a user's number is wanted, and never 0; 10001 is used")


_READERS: dict[str, Callable[[Draft, str, Node], None]] = {
    "healthcheck": _healthcheck,
    "volumes": _volumes,
    "tmpfs": _tmpfs,
    "secrets": _secrets,
    "deploy": _deploy,
    "scale": _scale,
    "stop_grace_period": _grace,
    "user": _user,
}
