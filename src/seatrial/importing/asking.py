"""A draft from a few questions, each with a default that a look at the folder suggests: Dockerfiles and their ports."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from seatrial.app.document import Path_
from seatrial.importing.draft import Draft, name

#: Asks one question and returns the answer: (words, default) -> text.
Ask = Callable[[str, str], str]


def draft_of(folder: Path, ask: Ask, app: str = "") -> Draft:
    """The draft of what is answered about the app in `folder`."""
    draft = Draft("a few questions")
    built = _dockerfiles(folder)
    draft.put(("app",), name(app or ask("What is the app called?", name(folder.resolve().name))))
    draft.put(("version",), "0.1.0", comment="The tag of images that have none.")
    services = [name(word, "service") for word in ask("Its services, with spaces between?", " ".join(built) or "web").split()]
    for service in dict.fromkeys(services):
        _service(draft, service, built.get(service, ""), ask, folder)
    for store, kind, key in (("db", "PostgreSQL", "postgres"), ("cache", "Redis", "redis")):
        users = [name(word) for word in ask(f"Which of them use a {kind}? (- for none)", "-").split() if word != "-"]
        for user in users:
            if user in services:
                draft.add(("services", user, "calls"), store)
        if users:
            draft.put(("stores", store), {"postgres": 16, "storage": "10Gi"} if key == "postgres" else {"redis": 7})
    draft.put(("environments", "production"), {})
    return draft


def _service(draft: Draft, service: str, build: str, ask: Ask, folder: Path) -> None:
    at: Path_ = ("services", service)
    draft.put((*at, "image"), ask(f"{service}: its image?", f"{draft.get('app')}-{service}"))
    if build:
        draft.put((*at, "build"), build)
    port = ask(f"{service}: the port it listens on? (- for none)", _port(folder / build if build else folder))
    if port != "-":
        draft.put((*at, "port"), int(port) if port.isdecimal() else port)
        health = ask(f"{service}: the path that says it is well? (- for none)", "-")
        if health != "-":
            draft.put((*at, "health"), health)
        host = ask(f"{service}: the host name the world reaches it by? (- for none)", "-")
        if host != "-":
            draft.put((*at, "expose"), host)
    others = [other for other in draft.data["services"] if other != service and "port" in draft.data["services"][other]]
    for word in ask(f"{service}: which of {', '.join(others)} does it call? (- for none)", "-").split() if others else ():
        if word != "-":
            draft.add((*at, "calls"), name(word))


def _dockerfiles(folder: Path) -> dict[str, str]:
    """Services that the folder seems to have, and the folder with the Dockerfile of each."""
    if (folder / "Dockerfile").is_file():
        return {name(folder.resolve().name): "."}
    return {name(path.parent.name): path.parent.name for path in sorted(folder.glob("*/Dockerfile"))[:20]}


def _port(folder: Path) -> str:
    path = folder / "Dockerfile"
    text = path.read_text("utf-8", "replace")[: 1 << 16] if path.is_file() else ""
    found = re.search(r"(?mi)^EXPOSE\s+([0-9]{1,5})\b", text)
    return found[1] if found else "8080"
