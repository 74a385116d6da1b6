"""What each type and field of the Kubernetes API is for, in Kubernetes' own words, for `kubectl explain`.

The words are not ours: the package `lightkube-models`, a dependency, carries them in the docstrings of its classes.  They
are read from its files when a document is built, a module at a time and without importing it.  Where the package is
absent, or does not know a type, there are no words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

#: A type's description, and those of its fields by their JSON names.
Docs = tuple[str, Mapping[str, str]]

_NOTHING: Docs = ("", {})
_CLASS = re.compile(r'^class (\w+)\(DictMixin\):\n    r?"""(.*?)"""', re.DOTALL | re.MULTILINE)
_FIELD = re.compile(r"\n *\* \*\*(\w+)\*\* ``.*?`` - ")
#: Python's names for fields that are no Python names.
_RENAMED = {"d_ref": "$ref", "d_schema": "$schema"}


def docs(type_name: str) -> Docs:
    """The words about a type such as `api.apps.v1.DeploymentSpec`."""
    module, _, name = type_name.rpartition(".")
    text = _classes("_".join(module.split(".")[-2:])).get(name)
    if text is None:
        return _NOTHING
    about, _, fields = text.partition("**parameters**")
    parts = _FIELD.split("\n" + fields.lstrip("\n"))
    return _unwrapped(about), {
        _json_name(field): _unwrapped(words) for field, words in zip(parts[1::2], parts[2::2], strict=True)
    }


@cache
def _classes(module: str) -> dict[str, str]:
    folder = _folder()
    if folder is None:
        return {}
    try:
        source = (folder / f"{module}.py").read_text("utf-8")
    except OSError:
        return {}
    return dict(_CLASS.findall(source))


@cache
def _folder() -> Path | None:
    try:
        return Path(str(metadata.distribution("lightkube-models").locate_file("lightkube/models")))
    except metadata.PackageNotFoundError:
        return None


def _unwrapped(text: str) -> str:
    """The text without the line breaks that the docstring's width made; paragraphs stay apart."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _json_name(name: str) -> str:
    if name in _RENAMED:
        return _RENAMED[name]
    return name.replace("_", "-") if name.startswith("x_kubernetes_") else name.rstrip("_")
