"""Texts of a docker-compose file as they are without a shell: variables with their defaults, and what files of them say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from seatrial.importing.parts import Setting
from seatrial.importing.source import Node


def filled(text: str) -> str:
    """A text with the defaults of its `${NAME:-default}`; what has none is left out."""
    text = re.sub(r"\$\{[A-Za-z_]\w*(?::?-([^{}]*)|:?[?+][^{}]*)?\}|(?<!\$)\$[A-Za-z_]\w*", lambda found: found[1] or "", text)
    return text.replace("$$", "$")


def settings_of(service: Node, here: Path) -> Iterator[Setting]:
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
