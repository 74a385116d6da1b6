"""The files of a Helm chart, put together from merged templates and the values they ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seatrial.package.emit import Nested, document
from seatrial.package.files import FileTree
from seatrial.package.helm import conditions, lifts, texts
from seatrial.package.helm.merge import COMPONENT, ENVIRONMENT, Context, Merger, Values, Variants, expression, in_order
from seatrial.package.helm.reference import readme
from seatrial.package.helm.schema import values_schema
from seatrial.package.paths import Key, own_namespace, paths, plain_name
from seatrial.world.objects import Obj, group_of, labels_of, namespace_of

_CHECKSUM = re.compile(r"-[0-9a-f]{10}$")


def chart(name: str, worlds: Mapping[str, Sequence[Obj]], *, base: str = "", version: str = "0.1.0") -> FileTree:
    """A chart called `name` from the objects of each environment.

    `base` is the environment whose values are values.yaml: the last one unless named. Values of Secrets are never written:
    values.yaml has their names, `secret_values` the rest. Raises KeyError for a base that is no environment.
    """
    base = base or list(worlds)[-1]
    worlds = {base: worlds[base], **worlds}
    merger = _merger(name, worlds, {})
    for _ in _templates(merger, worlds, written=False):  # what conditions are about is known when everything has been seen
        pass
    merger = _merger(name, worlds, merger.values)
    templates = dict(_templates(merger, worlds))
    for group, own in {context.prefix for context in merger.contexts if context.prefix}:
        for part in merger.values.values():  # a template may ask for a key of it where an environment says nothing
            part.setdefault(group, {}).setdefault(own, {})
    _settle(merger.values, "".join(templates.values()))
    values = {environment: texts.ordered(own) for environment, own in merger.values.items()}
    files = {"Chart.yaml": texts.chart_file(name, version, _version(worlds))}
    files["values.yaml"] = texts.values_file(name, base, values[base])
    files |= values_files(values, base)
    files["values.schema.json"] = values_schema(values, merger.about)
    spaces = {environment: space or f"{name}-{environment}" for environment, space in merger.namespaces.items()}
    files["README.md"] = readme(name, values, base, merger.about, spaces)
    files["templates/_helpers.tpl"] = texts.helpers(name, merger.common, _labels_of(worlds[base]))
    files["templates/NOTES.txt"] = texts.notes(name, values, worlds)
    files[".helmignore"] = "namespaces/\n"
    files |= {f"namespaces/{environment}.yaml": text for environment, text in _namespaces(worlds)}
    return files | dict(sorted(merger.files.items())) | templates


def _settle(values: Mapping[str, Values], used: str) -> None:
    """Take out what no template asks for, and put in what one asks for and an environment does not say."""
    for environment, part in values.items():
        for group in ("monitoring", "telemetry"):
            if group in part and f".Values.{group}." not in used:
                del part[group]
        words = {key: word for key, word in part.pop("platform", {}).items() if f".Values.platform.{key} " in used}
        if words:
            part["platform"] = words
        owners: list[tuple[str, ...]] = [(), *((group, own) for group in ("services", "stores") for own in part.get(group, ()))]
        for keys in (("ingress",), *((*owner, "serviceAccount") for owner in owners)):
            if f"{expression(keys)}." in used:  # a template may look into a map that an environment has nothing in
                _below(part, keys[:-1]).setdefault(keys[-1], {})
        if ENVIRONMENT in used:
            part["environment"] = environment


def _below(values: Values, keys: Sequence[str]) -> Values:
    for key in keys:
        values = values[key]
    return values


def _merger(name: str, worlds: Mapping[str, Sequence[Obj]], known: Mapping[str, Values]) -> Merger:
    namespaces = {environment: _namespace(world) for environment, world in worlds.items()}
    own = conditions.features(worlds)
    return Merger(name, _common(worlds), lifts.lift, conditions.conditions, own, namespaces=namespaces, known=known)


def _namespace(world: Sequence[Obj]) -> str:
    """The namespace that the app brings, or else that of all objects; "" where they are in several."""
    if brought := own_namespace(world):
        return brought
    found = {namespace_of(obj) for obj in world if obj["kind"] != "Namespace"}
    return found.pop() if len(found) == 1 else ""


def values_files(values: Mapping[str, Values], base: str) -> FileTree:
    """What each environment but the base says differently; `null` takes a key away."""
    return {
        f"values-{environment}.yaml": texts.difference_file(environment, base, difference(values[base], own))
        for environment, own in values.items()
        if environment != base
    }


def difference(base: Any, other: Any) -> Any:
    """What must be laid over `base` to get `other`."""
    changed: dict[str, Any] = {}
    for key in in_order([list(base), list(other)]):
        if key not in other:
            changed[key] = None
        elif key not in base or not (isinstance(base[key], dict) and isinstance(other[key], dict)):
            if key not in base or base[key] != other[key]:
                changed[key] = other[key]
        elif inner := difference(base[key], other[key]):
            changed[key] = inner
    return changed


def secret_values(objects: Sequence[Obj]) -> Values:
    """The values of the Secrets among objects, in the places where the chart wants them. To be passed, never to be stored."""
    values: Values = {}
    for obj in objects:
        if obj["kind"] == "Secret":
            part = values
            context = Context.of(obj, ())
            for key in context.prefix:
                part = part.setdefault(key, {})
            part["secrets"] = {key: value for key, value in obj["stringData"].items() if lifts.is_secret(context, key)}
    return values


def _common(worlds: Mapping[str, Sequence[Obj]]) -> frozenset[str]:
    """The labels that every object has."""  # the Namespace among them, so none that name a service
    sets = [set(labels_of(obj)) for world in worlds.values() for obj in world]
    return frozenset(set.intersection(*sets)) if sets else frozenset()


def _labels_of(world: Sequence[Obj]) -> Mapping[str, str]:
    return labels_of(world[0]) if world else {}


def _version(worlds: Mapping[str, Sequence[Obj]]) -> str:
    """The version of the app, as its objects say it."""
    return next(
        (labels_of(obj)[lifts.VERSION] for world in worlds.values() for obj in world if lifts.VERSION in labels_of(obj)), ""
    )


def _namespaces(worlds: Mapping[str, Sequence[Obj]]) -> Iterator[tuple[str, str]]:
    for environment, world in worlds.items():
        for obj in world:
            if obj["kind"] == "Namespace":
                yield environment, document(obj)


def _templates(merger: Merger, worlds: Mapping[str, Sequence[Obj]], written: bool = True) -> Iterator[tuple[str, str]]:
    """The path and text of each template (none unless `written`), objects in the order of the base environment."""
    found: dict[str, dict[Key, Obj]] = {
        env: {_key(obj, merger.namespaces[env]): obj for obj in world} for env, world in worlds.items()
    }
    files = paths({key: obj for own in found.values() for key, obj in own.items()})
    together = _together(found)
    hosted = tuple(
        dict.fromkeys(key for own in merger.known.values() for key, part in own.get("stores", {}).items() if "host" in part)
    )
    for key in in_order([list(own) for own in found.values()]):
        there = {environment: own[key] for environment, own in found.items() if key in own}
        first = next(iter(there.values()))
        if first["kind"] == "Namespace":
            continue
        context = Context.of(first, list(there))
        context.together, context.hosted = context.prefix in together, hosted
        merger.contexts.append(context)
        yield f"templates/{files[key]}.yaml", _template(merger, context, there, len(there) == len(worlds), written)


def _together(found: Mapping[str, Mapping[Key, Obj]]) -> set[tuple[str, ...]]:
    """The services and stores of which some environments have everything, and the others nothing."""
    whole: dict[tuple[str, ...], set[frozenset[str]]] = {}
    for key in {key for own in found.values() for key in own}:
        there = frozenset(environment for environment, own in found.items() if key in own)
        first = next(own[key] for own in found.values() if key in own)
        whole.setdefault(Context.of(first, ()).prefix, set()).add(there)
    return {prefix for prefix, patterns in whole.items() if prefix and len(patterns) == 1 and len(*patterns) < len(found)}


def _key(obj: Obj, namespace: str) -> Key:
    name = plain_name(obj, namespace)
    return group_of(obj), obj["kind"], _CHECKSUM.sub("", name) if labels_of(obj).get(COMPONENT) == "migration" else name


def _template(merger: Merger, context: Context, there: Variants, complete: bool, written: bool) -> str:
    condition = "" if complete else _guard(merger, context, there)
    node = merger.node(context, (), there)
    if not written:
        return ""
    if context.component == "migration" and context.kind == "Job":
        return _migration(merger, context, node, list(there.values()), condition)
    return texts.guarded(document(node, template=True), condition)


def _guard(merger: Merger, context: Context, there: Variants) -> str:
    """The condition of an object that not every environment has; where no other value decides, one is made for it."""
    candidates = conditions.guards(context)
    if context.component == "migration" and context.kind == "Job":
        return _flagged(merger, (*context.prefix, "migrate"), there)
    if context.together and not merger.fitting(conditions.of_store(context), there, merger.values):
        return _flagged(merger, (*context.prefix, "enabled"), there)
    if found := merger.fitting(candidates, there, merger.values):
        return found
    named = (*context.prefix, "monitoring", "enabled") if context.kind == "ServiceMonitor" else merger.flag(context)
    return _flagged(merger, named, there)  # others ask whether a service is monitored, by that name


def _flagged(merger: Merger, keys: tuple[str, ...], there: Variants) -> str:
    return merger.lift(keys, {environment: environment in there for environment in merger.values})


def _migration(merger: Merger, context: Context, node: Any, jobs: Sequence[Obj], condition: str) -> str:
    """A migration: its pod template as a helper, so that its checksum can name the Job; a hook where it can run first."""
    helper = f"{merger.chart}.{lifts.migration_helper(context)}"
    pod = node["spec"].pop("template")
    annotations, ttl = _taken(node["metadata"], "annotations"), _taken(node["spec"], "ttlSecondsAfterFinished")
    head = {key: value for key, value in node.items() if key != "spec"}
    lines = document({**head, "spec": {**node["spec"], "template": Nested(f'include "{helper}" .')}}, template=True)
    wanted, template = _needs(context, jobs), document(pod, template=True)
    return texts.migration(merger.chart, helper, context.owner, template, lines, annotations, ttl, wanted, condition)


def _taken(part: Obj, key: str) -> str:
    """The lines of an entry that is taken out of a part of an object; "" where there is none."""
    return document({"part": {key: part.pop(key)}}, template=True).partition("\n")[2] if key in part else ""


def _needs(context: Context, jobs: Sequence[Obj]) -> list[tuple[str, str, str]]:
    """What must be in the cluster before a migration can run there: API version, kind and name."""
    needs = [("v1", "ServiceAccount", context.owner)]
    for job in jobs:
        spec = job["spec"]["template"]["spec"]
        for container in spec.get("initContainers", ()):
            needs.append(("v1", "Service", container["name"].removeprefix("wait-for-")))
        for variable in spec["containers"][0]["env"]:
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                needs.append(("v1", "Secret", f"{reference['name']}/{reference['key']}"))
    return list(dict.fromkeys(needs))
