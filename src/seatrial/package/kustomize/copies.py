"""What the jobs of a service have because the service has it: said of the service, and copied to its jobs at the end.

Resources, what may be called, and those variables that environments have in different ways or that are long.  A job that says
anything else keeps it; what has no word in its place is not there before it is copied.  The other way round, a service learns
what its migration is called in an environment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.package.kustomize.fill import LONG, Worlds
from seatrial.package.kustomize.keys import ROLLED, written_name
from seatrial.package.paths import NAME, Key
from seatrial.world.objects import Obj, annotations_of, dig, labels_of, name_of

WORD = "SERVICE"
#: The annotation with the name of the migration that a version needs, and the word for it.
MIGRATION, MIGRATED = "seatrial.dev/migration", "MIGRATION"
_PODS = {"Job": "spec.template.spec", "CronJob": "spec.jobTemplate.spec.template.spec"}
#: Environment -> a job's container and its service's.
Pairs = Mapping[str, tuple[Obj, Obj]]


@dataclass(frozen=True, slots=True)
class Copy:
    """One replacement: from a path in one object to a path in another, which is made if it is not there."""

    source: Key
    source_path: str
    target: Key
    target_path: str
    create: bool


def take_copies(worlds: Worlds) -> dict[tuple[str, ...], list[Obj]]:
    """Take from jobs what they have of their services, and return the replacements for each set of environments."""
    found: dict[tuple[str, ...], list[Copy]] = {}
    for key in dict.fromkeys(key for world in worlds.values() for key in world):
        there = {environment: world for environment, world in worlds.items() if key in world}
        owners = {labels_of(world[key]).get(NAME, "") for world in there.values()}
        if len(owners) > 1 or (len(there) == 1 and len(worlds) > 1):
            continue
        owner = owners.pop()
        source = next((own for own in next(iter(there.values())) if own[1] in ROLLED and own[2] == owner), None)
        if key[1] in _PODS and source and all(source in world for world in there.values()):
            for where, copy in _of_job(key, source, there, len(worlds)):
                found.setdefault(where, []).append(copy)
            if copied := _of_migration(key, source, there):
                found.setdefault(tuple(there), []).append(copied)
        elif key[1:] == ("NetworkPolicy", f"{owner}-jobs") and (copied := _of_policy(key, (*key[:2], owner), there)):
            found.setdefault(tuple(there), []).append(copied)
    return {where: list(_written(copies, worlds)) for where, copies in found.items()}


def _of_migration(key: Key, source: Key, there: Worlds) -> Copy | None:
    """The name of a migration, where its service has it in an annotation."""
    if len(there) == 1 or not all(
        annotations_of(world[source]).get(MIGRATION) == name_of(world[key]) for world in there.values()
    ):
        return None
    for world in there.values():
        world[source]["metadata"]["annotations"][MIGRATION] = MIGRATED
    return Copy(key, "metadata.name", source, f"metadata.annotations.[{MIGRATION}]", False)


def _of_policy(key: Key, source: Key, there: Worlds) -> Copy | None:
    """What jobs may call, where it is what their service may call."""
    policies = [(world[key]["spec"], dig(world.get(source, {}), "spec", {})) for world in there.values()]
    if not all(one.get("egress") and one["egress"] == other.get("egress") for one, other in policies):
        return None
    for one, _ in policies:
        del one["egress"]
    return Copy(source, "spec.egress", key, "spec.egress", True)


def _of_job(key: Key, source: Key, there: Worlds, environments: int) -> Iterator[tuple[tuple[str, ...], Copy]]:
    """What each container of a job has of its service's."""
    pod = _PODS[key[1]]
    for name in dict.fromkeys(one["name"] for world in there.values() for one in dig(world[key], f"{pod}.containers")):
        pairs = dict(_pairs(key, source, name, there))
        path, own = f"{pod}.containers.[name={name}]", f"spec.template.spec.containers.[name={source[2]}]"
        if len(pairs) < len(there):
            continue
        if all(one.get("resources") and one["resources"] == other.get("resources") for one, other in pairs.values()):
            for one, _ in pairs.values():
                del one["resources"]
            yield tuple(there), Copy(source, f"{own}.resources", key, f"{path}.resources", True)
        for variable in dict.fromkeys(entry["name"] for one, _ in pairs.values() for entry in one.get("env", ())):
            if where := _variable(variable, pairs, 1 if environments == 1 else 2):
                after = f"env.[name={variable}].value"
                yield where, Copy(source, f"{own}.{after}", key, f"{path}.{after}", False)


def _pairs(key: Key, source: Key, name: str, there: Worlds) -> Iterator[tuple[str, tuple[Obj, Obj]]]:
    for environment, world in there.items():
        job = [one for one in dig(world[key], f"{_PODS[key[1]]}.containers") if name in one["name"]]
        own = [one for one in dig(world[source], "spec.template.spec.containers") if one["name"] == source[2]]
        if len(job) == len(own) == 1:
            yield environment, (job[0], own[0])


def _variable(name: str, pairs: Pairs, least: int) -> tuple[str, ...]:
    """The environments in which a job has a variable as its service has it, if it is worth it; there a word is put for it."""
    entries = {environment: (_entry(one, name), _entry(other, name)) for environment, (one, other) in pairs.items()}
    have = {environment: own for environment, own in entries.items() if own[0]}
    values = [one.get("value") for one, _ in have.values()]
    alike = all(isinstance(one.get("value"), str) and one == other for one, other in have.values())
    if not alike or len(have) < least or (len(set(values)) == 1 and len(str(values[0])) <= LONG):
        return ()
    for one, _ in have.values():
        one["value"] = WORD
    return tuple(have)


def _entry(container: Obj, name: str) -> dict[str, Any]:
    found = [entry for entry in container.get("env", ()) if name in entry["name"]]
    return found[0] if len(found) == 1 and found[0]["name"] == name else {}


def _written(copies: Sequence[Copy], worlds: Worlds) -> Iterator[Obj]:
    """Replacements, those of one source together."""
    together: dict[tuple[Key, str], list[Copy]] = {}
    for one in copies:
        together.setdefault((one.source, one.source_path), []).append(one)
    for (key, path), own in together.items():
        targets = [
            {
                "select": {"kind": one.target[1], "name": written_name(worlds, one.target)},
                "fieldPaths": [one.target_path],
                **({"options": {"create": True}} if one.create else {}),
            }
            for one in own
        ]
        yield {"source": {"kind": key[1], "name": written_name(worlds, key), "fieldPath": path}, "targets": targets}
