"""What rules between objects share: the way from a reference to evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from seatrial.rules.finding import Finding
from seatrial.rules.patching import Operation, Path
from seatrial.rules.written.telling import tell
from seatrial.world.graph import PodTemplate, Reference
from seatrial.world.objects import Obj, Ref, ref_of
from seatrial.world.paths import split
from seatrial.world.world import World


def out(world: World, obj: Obj, *relations: str) -> Iterator[Reference]:
    """What an object names or selects in some ways."""
    return (reference for reference in world.graph.out(ref_of(obj)) if reference.relation in relations)


def into(world: World, ref: Ref, *relations: str) -> Iterator[Reference]:
    return (reference for reference in world.graph.into(ref) if reference.relation in relations)


def tell_of(
    world: World,
    rule: str,
    obj: Obj,
    path: str,
    says: str,
    *,
    also: Iterable[tuple[Ref, str, str]] = (),
    ops: Iterable[Operation] = (),
    **more: Any,
) -> Finding:
    """A finding at a path of the graph's; `also` are (object, path, words) of other objects, those that are there."""
    others = [(found, split(there), words) for ref, there, words in also if (found := world.get(ref)) is not None]
    return tell(world, rule, obj, steps(path), says, also=others, ops=ops, **more)


def steps(path: str) -> Path:
    return split(path)


def is_job(template: PodTemplate) -> bool:
    """Whether pods are meant to end."""
    return template.ref.kind in ("Job", "CronJob", "ScaledJob") or template.spec.get("restartPolicy") in ("Never", "OnFailure")


def together(one: str, other: str) -> bool:
    """Whether two namespaces may be the same: an object without one is in the one it will be applied to."""
    return one == other or not one or not other


def names(refs: Iterable[Ref]) -> str:
    """`Deployment api and Job migrate`."""
    return " and ".join(dict.fromkeys(f"{ref.kind} {ref.name}" for ref in refs))
