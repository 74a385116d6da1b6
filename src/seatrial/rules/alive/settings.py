"""Where a setting comes from, or that a program misses should have come from: its variable, the key behind it, an object
nobody takes.

What a log says of it is for `crash`; a key that must be there and is not, for `config`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from seatrial.rules.alive.pods import Container
from seatrial.rules.finding import Fact
from seatrial.world.objects import Obj, dig, name_of, namespace_of, ref_of
from seatrial.world.world import World

#: The fields of a variable that is taken from an object, and the object's kind.
SOURCES = (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret"))
#: So many names are listed.
NAMED = 8


def came_from(world: World, container: Container, setting: str) -> list[Fact]:
    """What is known of a variable of a container's environment by this name; nothing for what is no name of a variable."""
    if not setting.isidentifier() or setting.upper() != setting:
        return []
    where = world.source(ref_of(container.pod), f"spec of container {container.name}")
    own = next((each for each in container.spec.get("env") or () if each.get("name") == setting), None)
    if own is not None:
        return [Fact(words, where) for words in _of_variable(world, container.pod, own)]
    names = [str(each.get("name")) for each in container.spec.get("env") or ()]
    facts = [Fact(f"its variables are {', '.join(names[:NAMED])}" if names else "it is given no variable of that name", where)]
    return facts + list(_not_taken(world, container, setting))


def named_in(world: World, container: Container, word: str) -> list[Fact]:
    """The variables of a container, and the keys of the ConfigMaps it takes, that hold a word; their values are not told."""
    whole = re.compile(rf"(?<![\w.-]){re.escape(word)}(?![\w-])")
    facts, space = [], namespace_of(container.pod)
    where = world.source(ref_of(container.pod), f"spec of container {container.name}")
    for each in container.spec.get("env") or ():
        source = dig(each, "valueFrom.configMapKeyRef") or {}
        taken = world.find("ConfigMap", space, str(source.get("name", "")), "") or {}
        if whole.search(str(each.get("value") or "")):
            facts.append(Fact(f"{word} is what its variable {each.get('name')} says", where))
        elif whole.search(str(dig(taken, "data", {}).get(source.get("key"), ""))):
            facts.append(_in_key(world, taken, str(source.get("key")), word))
    for each in container.spec.get("envFrom") or ():
        taken = world.find("ConfigMap", space, str(dig(each, "configMapRef.name", "")), "") or {}
        facts += [_in_key(world, taken, key, word) for key, value in dig(taken, "data", {}).items() if whole.search(str(value))]
    return facts[:NAMED]


def _in_key(world: World, obj: Obj, key: str, word: str) -> Fact:
    return Fact(f"{word} is what key {key} of ConfigMap {name_of(obj)} says", world.source(ref_of(obj), f"data.{key}"))


def _of_variable(world: World, pod: Obj, variable: Obj) -> Iterator[str]:
    """Why a variable that is there has no value."""
    name = variable.get("name")
    if variable.get("value") == "":
        yield f"{name} is set to nothing"
    for field, kind in SOURCES:
        wanted = dig(variable, f"valueFrom.{field}")
        if not wanted:
            continue
        obj = world.find(kind, namespace_of(pod), str(wanted.get("name")), "")
        if obj is None:
            yield f"{name} is from {kind} {wanted.get('name')}, which does not exist and is marked optional"
        elif wanted.get("key") not in (keys := _keys(obj)):
            have = ", ".join(keys[:NAMED]) or "none"
            yield f"{name} is from key {wanted.get('key')} of {kind} {name_of(obj)}, which has {have}, and is marked optional"


def _not_taken(world: World, container: Container, setting: str) -> Iterator[Fact]:
    """ConfigMaps and Secrets of the namespace that have a key of the name, and of which the container takes nothing."""
    for kind in ("ConfigMap", "Secret"):
        for obj in world.inside(kind, namespace_of(container.pod)):
            if setting in _keys(obj) and not _takes(container, kind, name_of(obj)):
                words = f"{kind} {name_of(obj)} has a key of that name, and the container does not take it"
                yield Fact(words, world.source(ref_of(obj), "data"))


def _takes(container: Container, kind: str, name: str) -> bool:
    field = "configMapRef" if kind == "ConfigMap" else "secretRef"
    return any(dig(each, f"{field}.name") == name for each in container.spec.get("envFrom") or ())


def _keys(obj: Obj) -> list[str]:
    return [*(obj.get("data") or {}), *(obj.get("binaryData") or {})]
