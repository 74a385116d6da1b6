"""The facts that a tree says once: the namespace and the name of each environment, and the version of each service.

Where an object is called what it is does not matter to Kustomize: a Rollout that was a Deployment is found as either.  So the
Deployment of a service is where its version comes from, also where a component has made a Rollout of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from seatrial.package.kustomize.fill import Fact, Filling, Path, Piece, Target, Worlds, different, sure, texts
from seatrial.package.kustomize.keys import ROLLED
from seatrial.package.paths import NAME, Key
from seatrial.world.objects import Obj, dig, labels_of, name_of

ENVIRONMENT = "seatrial.dev/environment"
VERSION = "app.kubernetes.io/version"
#: The variable that tells a service its own version.
VARIABLE = "OTEL_SERVICE_VERSION"

#: For each set of environments, the files of replacements: their name without ending, what they are for, what they say.
Replacements = dict[tuple[str, ...], dict[str, tuple[str, list[Obj]]]]
_ABOUT = {
    "namespace": "What names the namespace follows the overlay's own: in queries, policies and accounts it is NAMESPACE.",
    "environment": "The name of the environment, which the label of its Namespace says; elsewhere it is ENVIRONMENT.",
    "version": "The version of a service is the tag of its image: labels and variables follow it.",
}


def take_facts(worlds: Worlds, namespaces: Mapping[str, str]) -> Replacements:
    """Put words for facts into the objects, and return the replacements that put the facts back."""
    found: Replacements = {}
    own = {environment: [obj for obj in world.values() if obj["kind"] == "Namespace"] for environment, world in worlds.items()}
    if all(namespaces.values()) and all(len(one) == 1 for one in own.values()):
        of_namespace = Fact("NAMESPACE", {"kind": "Namespace", "fieldPath": "metadata.name"}, namespaces)
        where = Filling(worlds, of_namespace, least=1)
        where.fill(sure(worlds, of_namespace))
        if all(labels_of(one[0]).get(ENVIRONMENT) == environment for environment, one in own.items()):
            source = {"kind": "Namespace", "fieldPath": f"metadata.labels.[{ENVIRONMENT}]"}
            of_environment = Fact("ENVIRONMENT", source, {environment: environment for environment in worlds})
            named = Filling(worlds, of_environment)
            named.fill([*sure(worlds, of_environment), *different(worlds, of_environment)])
            _said(found, "environment", named)
        where.fill(different(worlds, of_namespace))
        _said(found, "namespace", where)
    for filling in _versions(worlds):
        _said(found, "version", filling)
    return found


def _said(found: Replacements, title: str, filling: Filling) -> None:
    for scope in filling.targets:
        if said := filling.written(scope):
            found.setdefault(scope, {}).setdefault(title, (_ABOUT[title], []))[1].extend(said)


def _versions(worlds: Worlds) -> Iterator[Filling]:
    """What follows the tag of each service's image, as far as it is that tag everywhere."""
    owned: dict[str, dict[str, dict[Key, Obj]]] = {}
    for environment, world in worlds.items():
        for key, obj in world.items():
            owned.setdefault(labels_of(obj).get(NAME, ""), {}).setdefault(environment, {})[key] = obj
    for name, own in owned.items():
        scope = tuple(own)
        tags = {environment: _tag(name, objects.values()) for environment, objects in own.items()}
        kinds = {key[1] for objects in own.values() for key in objects if key[1] in ROLLED and key[2] == name}
        cuts = {len(tag.split(":")) - 1 for tag in tags.values()}
        shared = len(scope) > 1 or len(worlds) == 1
        if not name or not shared or not all(tags.values()) or len(kinds) > 1 or len(cuts) > 1:
            continue
        path = f"spec.template.spec.containers.[name={name}].image"
        options = {"delimiter": ":", "index": cuts.pop()}
        source = {"kind": kinds.pop(), "name": name, "fieldPath": path, "options": options}
        fact = Fact("VERSION", source, {environment: tag.rpartition(":")[2] for environment, tag in tags.items()})
        filling = Filling(own, fact, of=name)
        filling.fill(list(_variables(own, fact)))
        if all(
            labels_of(obj).get(VERSION) == fact.values[environment] for environment in scope for obj in own[environment].values()
        ):
            filling.targets.setdefault(scope, []).insert(0, Target("", (name,), [f"metadata.labels.[{VERSION}]"], ("", 0)))
            for objects in own.values():
                for obj in objects.values():
                    obj["metadata"]["labels"][VERSION] = fact.word
        yield filling


def _tag(name: str, objects: Iterable[Obj]) -> str:
    """The image of a service, if it has a tag and nothing else, or ""."""
    for obj in objects:
        for container in dig(obj, "spec.template.spec.containers", []) if obj["kind"] in ROLLED and name_of(obj) == name else ():
            image = str(container.get("image", ""))
            if container["name"] == name and "@" not in image and ":" in image.rpartition("/")[2]:
                return image
    return ""


def _variables(own: Worlds, fact: Fact) -> Iterator[Piece]:
    for environment, objects in own.items():
        for key, obj in objects.items():
            for path, text in texts(obj):
                if path[-1] == "value" and text == fact.values[environment] and _entry(obj, path).get("name") == VARIABLE:
                    yield environment, key, path, ("", 0)


def _entry(obj: Any, path: Path) -> Obj:
    for step in path[:-1]:
        obj = obj[step]
    found: Obj = obj
    return found
