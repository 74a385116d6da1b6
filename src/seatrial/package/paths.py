"""Where an object's file stands in a tree: a folder for each service or store, a file for each object, no two alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from seatrial.world.objects import Obj, labels_of, name_of, namespace_of

NAME = "app.kubernetes.io/name"

#: How packagers tell objects apart: group, kind and the name without what changes from render to render.
Key = tuple[str, str, str]


def paths(objects: Mapping[Key, Obj]) -> dict[Key, str]:
    """The path of each object without its ending: `api/deployment`, `api/jobs-networkpolicy`, `resourcequota`."""
    owners = {key: labels_of(obj).get(NAME, "") for key, obj in objects.items()}
    short = {key: _short(key, owners[key]) for key in objects}
    found: dict[Key, str] = {}
    taken: set[str] = set()
    for form in (short, {key: _named(key, owners[key]) for key in objects}):
        times = Counter(form.values())
        chosen = {key: path for key, path in form.items() if key not in found and times[path] == 1 and path not in taken}
        found |= chosen
        taken |= set(chosen.values())
    return {key: found.get(key) or f"{_named(key, owners[key])}.{key[0] or 'core'}" for key in objects}


def own_namespace(world: Iterable[Obj]) -> str:
    """The namespace that the app brings; "" where it brings none, or several."""
    brought = [name_of(obj) for obj in world if obj["kind"] == "Namespace"]
    return brought[0] if len(brought) == 1 else ""


def plain_name(obj: Obj, namespace: str) -> str:
    """The name of an object. One beside those of others, in a namespace that all share, is called after the namespace of its app
    as well (a certificate at Istio's gateway): that is another one in each environment, and left out here."""
    name = name_of(obj)
    beside = namespace and namespace_of(obj) not in ("", namespace)
    return name.removeprefix(f"{namespace}-") if beside else name


def _short(key: Key, owner: str) -> str:
    _, kind, name = key
    if not owner:
        return kind.lower()
    rest = name.removeprefix(owner).strip("-") if name == owner or name.startswith(f"{owner}-") else name
    return f"{owner}/{rest}-{kind.lower()}" if rest else f"{owner}/{kind.lower()}"


def _named(key: Key, owner: str) -> str:
    return f"{owner + '/' if owner else ''}{key[2]}-{key[1].lower()}"
