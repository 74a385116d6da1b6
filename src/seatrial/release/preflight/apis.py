"""Whether the cluster serves the kinds that are to be made, and whether we may make them."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.release.preflight.target import Target
from seatrial.rules.finding import Finding
from seatrial.world.objects import dig, group_of, ref_of


def served(target: Target) -> Iterator[Finding]:
    objects = (*target.plan.objects, *target.plan.hooks)
    own = {
        (dig(obj, "spec.group", ""), dig(obj, "spec.names.kind", ""))
        for obj in objects
        if obj["kind"] == "CustomResourceDefinition"
    }
    missing: dict[tuple[str, str], list[str]] = {}
    for obj in objects:
        if target.served.of(obj) is None and (group_of(obj), obj["kind"]) not in own:
            missing.setdefault((obj["apiVersion"], obj["kind"]), []).append(obj["metadata"]["name"])
    for (api_version, kind), names in missing.items():
        group = api_version.rpartition("/")[0]
        versions = target.served.versions_of(group, kind)
        fix = f"write it as {versions[0]}" if versions else f"install what brings {kind}, or leave it out"
        yield Finding(
            "kind-not-served",
            "error",
            f"the cluster does not serve {kind} {api_version}, which {', '.join(names)} {'are' if names[1:] else 'is'}",
            refs=tuple(ref_of(obj) for obj in objects if (obj["apiVersion"], obj["kind"]) == (api_version, kind)),
            cause=f"it serves {kind} as {', '.join(versions)}" if versions else "its custom resource definition is not installed",
            fix=fix,
        )


def permitted(target: Target) -> Iterator[Finding]:
    for verb, resource in sorted(target.denied, key=lambda one: (one[1].plural, one[0])):
        what = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
        yield Finding(
            "not-permitted",
            "error",
            f"we may not {verb} {what} in {target.plan.namespace}",
            cause="No role that is bound to us allows it.",
            fix=f"ask for it: kubectl auth can-i {verb} {what} -n {target.plan.namespace} must say yes",
        )
