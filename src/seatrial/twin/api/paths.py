"""What a URL path names: a resource, an object, a subresource, or something that is no resource (apiserver, requestinfo.go)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """`/apis/apps/v1/namespaces/shop/deployments/web/scale` in its parts; `name` "" for a collection."""

    group: str
    version: str
    plural: str
    namespace: str
    name: str
    subresource: str
    rest: str = ""  # what follows a subresource: the path of a proxy request
    watch: bool = False  # the old /watch/ prefix


def target_of(path: str) -> Target | None:
    """The resource a path names; None for one that is too short to name any."""
    parts = path.split("/")  # "", api, v1, … or "", apis, group, version, …
    if len(parts) > 3 and parts[1] == "api":
        group, version, rest = "", parts[2], parts[3:]
    elif len(parts) > 4 and parts[1] == "apis":
        group, version, rest = parts[2], parts[3], parts[4:]
    else:
        return None
    if rest[-1] == "":
        rest = rest[:-1]
    watch = len(rest) > 1 and rest[0] == "watch"
    if watch:
        rest = rest[1:]
    if not rest:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("finalize", "status"):
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = (*rest[:3], "", "")[:3]
    return Target(group, version, plural, namespace, name, subresource, "/".join(rest[3:]), watch)
