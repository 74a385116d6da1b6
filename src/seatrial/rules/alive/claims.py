# ruff: noqa: E501 - a line of the table is one saying
"""Claims that get no volume: the class that is not there, the provisioner that says no, the volume that was lost."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules.alive.pods import said
from seatrial.rules.alive.telling import status, told
from seatrial.rules.finding import Fact, Finding, Rule, check
from seatrial.world import quantity
from seatrial.world.objects import Obj, Ref, annotations_of, dig, name_of, namespace_of, ref_of
from seatrial.world.world import World, short

_WAITS = "Pods that mount it stay Pending."
RULES = {
    rule.id: rule
    for rule in (
        Rule("claim-class-missing", "error", "a claim asks for a storage class that does not exist", _WAITS,
             "Name a class that `kubectl get storageclass` shows; the field of a claim cannot be changed, so delete the claim and make it anew."),
        Rule("claim-no-default", "error", "a claim names no storage class, and the cluster has no default", _WAITS,
             "Name a class, or make one the default."),
        Rule("claim-no-match", "error", "a claim matches none of the volumes of its class", _WAITS,
             "Ask for what a volume offers (size, access modes), make one that fits, or free one that is still bound to a claim that is gone."),
        Rule("claim-not-provisioned", "error", "a claim's volume could not be made", _WAITS, "The provisioner's message says why."),
        Rule("claim-pending", "warning", "a claim has no volume yet", _WAITS, "The provisioner of its class should act: look at its pods."),
        Rule("claim-lost", "error", "a claim's volume is gone", "What was on it is gone too, unless there is a backup.",
             "Restore the volume from its backup under its old name, or make the claim anew."),
    )
}  # fmt: skip
DEFAULT = "storageclass.kubernetes.io/is-default-class"


@check("PersistentVolumeClaim", rules=RULES.values(), live=True)
def unbound(world: World, claim: Obj) -> Iterator[Finding]:
    phase = dig(claim, "status.phase", "Pending")
    users = [pod for pod in world.of("Pod") if namespace_of(pod) == namespace_of(claim) and _mounts(pod, name_of(claim))]
    about: list[Obj | Ref] = [claim, *dict.fromkeys(map(ref_of, map(world.root, users)))]
    if phase == "Lost":
        yield told(
            RULES["claim-lost"],
            f"{short(claim)} has lost its volume",
            about,
            [status(world, claim, "status.phase", "phase: Lost")],
        )
    if phase != "Pending":
        return
    wanted = dig(claim, "spec.storageClassName")
    classes = list(world.of("StorageClass"))
    names = [name_of(each) for each in classes]
    events = world.events(claim, "ProvisioningFailed", "FailedBinding")
    facts = [said(event, claim) for event in events[-2:]]
    known = f"classes of the cluster: {', '.join(names) or 'none'}"
    unfit = _unfit(world, claim, wanted) if wanted and _is_static(world, wanted) else []
    if unfit:
        why = "; ".join(words for _, words in unfit[:3])
        facts += [status(world, volume, "spec", words) for volume, words in unfit[:3]]
        yield told(RULES["claim-no-match"], f"{short(claim)} gets no volume: {why}", about, facts)
        return
    none = any("not found" in fact.text or "no storage class is set" in fact.text for fact in facts)
    if wanted and wanted not in names and (names or none):
        facts = [
            status(world, claim, "spec.storageClassName", f"storageClassName: {wanted}"),
            *facts,
            *([Fact(known)] if names else []),
        ]
        yield told(
            RULES["claim-class-missing"], f"{short(claim)} asks for storage class {wanted}, which does not exist", about, facts
        )
    elif wanted is None and not any(annotations_of(each).get(DEFAULT) == "true" for each in classes) and (names or none):
        yield told(
            RULES["claim-no-default"],
            f"{short(claim)} names no storage class, and there is no default",
            about,
            [*facts, Fact(known)],
        )
    elif events and events[-1].get("reason") == "ProvisioningFailed":
        yield told(
            RULES["claim-not-provisioned"], f"{short(claim)} gets no volume: {events[-1].get('message', '')}", about, facts
        )
    elif not world.events(claim, "WaitForFirstConsumer") or users:
        facts = facts or [said(event, claim) for event in world.events(claim)[-1:]]
        facts = facts or [status(world, claim, "status.phase", "phase: Pending")]
        yield told(RULES["claim-pending"], f"{short(claim)} has no volume yet", about, facts)


def _mounts(pod: Obj, name: str) -> bool:
    return any(dig(volume, "persistentVolumeClaim.claimName") == name for volume in dig(pod, "spec.volumes", []))


def _is_static(world: World, name: str) -> bool:
    """Whether nobody makes volumes of a class: they are there, or they never will be."""
    known = next((each for each in world.of("StorageClass") if name_of(each) == name), None)
    return known is None or known.get("provisioner") == "kubernetes.io/no-provisioner"


def _unfit(world: World, claim: Obj, wanted: str) -> list[tuple[Obj, str]]:
    """The volumes of a claim's class with what keeps each from it; none of them is free and fits."""
    found = []
    size = quantity.parse(dig(claim, "spec.resources.requests.storage", "0"))
    modes = set(dig(claim, "spec.accessModes", []))
    for volume in world.of("PersistentVolume"):
        if dig(volume, "spec.storageClassName") != wanted:
            continue
        name, holder = name_of(volume), dig(volume, "spec.claimRef", {})
        own = (holder.get("namespace"), holder.get("name")) == (namespace_of(claim), name_of(claim))
        have = dig(volume, "spec.capacity.storage", "0")
        if holder and not (own and holder.get("uid") in (None, dig(claim, "metadata.uid"))):
            was = "an earlier claim of this name" if own else f"claim {holder.get('namespace')}/{holder.get('name')}"
            found.append(
                (volume, f"{name} is {dig(volume, 'status.phase', 'bound')}, and still belongs to {was} (spec.claimRef)")
            )
        elif quantity.parse(have) < size:
            found.append((volume, f"{name} has {have}, {dig(claim, 'spec.resources.requests.storage')} is asked for"))
        elif lacking := modes - set(dig(volume, "spec.accessModes", [])):
            found.append(
                (
                    volume,
                    f"{name} offers {', '.join(dig(volume, 'spec.accessModes', []))}, {', '.join(sorted(lacking))} is asked for",
                )
            )
        else:
            return []
    return found
