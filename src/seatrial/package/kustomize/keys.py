"""Which objects of different environments are one object of the tree: by group, kind and name, with the exceptions here.

A migration is named after its checksum, and goes by the name before it.  What stands in a namespace that all apps share is named
after its own, and goes by the name behind it.  A namespace is its overlay's.  A Rollout is a
Deployment with another strategy, and where some environments have the one and some the other, both are one Deployment, of
which patches make a Rollout.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from seatrial.package.paths import Key, own_namespace, plain_name
from seatrial.world.objects import Obj, clone, group_of, labels_of, name_of

#: The kinds that roll a service out: the one that is patched into the other first.
ROLLED = {"Deployment": "apps", "Rollout": "argoproj.io"}
_CHECKSUM = re.compile(r"-[0-9a-f]{10}$")


def indexed(worlds: Mapping[str, Sequence[Obj]]) -> dict[str, dict[Key, Obj]]:
    """Copies of the objects of each environment, by what they are in the tree."""
    own = {environment: own_namespace(world) for environment, world in worlds.items()}
    found = {env: {_key(obj, own[env]): clone(obj) for obj in world} for env, world in worlds.items()}
    deployed = {key[2] for world in found.values() for key in world if key[1] == "Deployment"}
    as_one = {("argoproj.io", "Rollout", name): ("apps", "Deployment", name) for name in deployed}
    return {environment: {as_one.get(key, key): obj for key, obj in world.items()} for environment, world in found.items()}


def _key(obj: Obj, namespace: str) -> Key:
    name = plain_name(obj, namespace)
    if obj["kind"] == "Job" and labels_of(obj).get("app.kubernetes.io/component") == "migration":
        name = _CHECKSUM.sub("", name)
    return group_of(obj), obj["kind"], "" if obj["kind"] == "Namespace" else name


def written_name(worlds: Mapping[str, Mapping[Key, Obj]], key: Key) -> str:
    """The name by which the tree has an object: a migration's is without its checksum where environments have several."""
    names = {name_of(world[key]) for world in worlds.values() if key in world}
    return names.pop() if len(names) == 1 else key[2]
