# ruff: noqa: E501 - a line of the table is one saying
"""Image references as they are written: not to be read, not fixed, or pulled in a way that does not fit them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, Severity
from seatrial.rules.slips import meant
from seatrial.rules.written.examples import container as example
from seatrial.rules.written.pods import Container, check_containers
from seatrial.rules.written.reading import text
from seatrial.rules.written.telling import brief, put, take, tell
from seatrial.world.images import REFERENCE, doubt
from seatrial.world.world import World

RULES = (
    Rule("image-tag-missing", "warning", "has an image that is not fixed", "Each node pulls whatever is newest when it happens to pull: replicas differ, and a rollback brings back the same image.",
         "Name a version, or better a digest.",
         example("image: registry.example/api:latest"), example("image: registry.example/api:1.4.2")),
    Rule("image-invalid", "error", "has an image reference that no registry knows how to read", "The kubelet refuses it (InvalidImageName): no pod ever starts.",
         "Use lower-case names and a tag of letters, digits, _ . and - (a + of a version becomes _ or -).",
         example("image: registry.example/api:1.4.0+build.7"), example("image: registry.example/api:1.4.0-build.7")),
    Rule("image-missing", "error", "has no image", "The API server refuses the pods.",
         "Name the image.", example("image: ''"), example("")),
    Rule("image-policy-never", "warning", "never pulls its image", "Only nodes that somebody loaded the image onto can run it; on every other one the pod fails with ErrImageNeverPull.",
         "Take imagePullPolicy out, or set IfNotPresent.",
         example("imagePullPolicy: Never"), example("imagePullPolicy: IfNotPresent")),
    Rule("image-policy-stale", "warning", "has a moving tag, and keeps what a node has pulled once", "Nodes run different images under one name, and a fix reaches only new nodes.",
         "Name a version, or set imagePullPolicy: Always.",
         example("image: registry.example/api:latest\nimagePullPolicy: IfNotPresent"), example("imagePullPolicy: IfNotPresent")),
    Rule("image-tag-and-digest", "note", "has a moving tag beside its digest", "The digest decides; the tag tells readers something else, and tools that update by tag are misled.",
         "Name the version beside the digest, or the digest alone.",
         example("image: registry.example/api:latest@sha256:" + "0123456789abcdef" * 4), example("image: registry.example/api:1.4.2@sha256:" + "0123456789abcdef" * 4)),
    Rule("image-policy-unknown", "error", "has a pull policy that does not exist", "The API server refuses the pods.",
         "The policies are Always, IfNotPresent and Never.",
         example("imagePullPolicy: Sometimes"), example("imagePullPolicy: Always")),
    Rule("image-registry-left", "warning", "has an image from where it is kept no longer", "Nothing is added or mended there, and what is there may go without notice: then no new node can start it (ImagePullBackOff).",
         "Take it from where it has moved to, or from a registry of your own.",
         example("image: k8s.gcr.io/pause:3.6"), example("image: registry.k8s.io/pause:3.6")),
    Rule("image-nowhere", "warning", "has an image that nobody has", "No registry has it: the pods wait in ImagePullBackOff.",
         "Write the image that is meant.",
         example("image: yourcompany/api:1.4.2"), example("image: registry.example/api:1.4.2")),
)  # fmt: skip

#: Where images were kept, and where they are now.
MOVED = {
    "k8s.gcr.io/": "registry.k8s.io, since 2023",
    "gcr.io/google-containers/": "registry.k8s.io, since 2023",
    "gcr.io/google_containers/": "registry.k8s.io, since 2023",
    "gcr.io/kubernetes-helm/": "nowhere: Helm has no Tiller since version 3",
    "docker.pkg.github.com/": "ghcr.io, since 2021",
    "docker.io/bitnami/": "docker.io/bitnamilegacy, since 2025",
    "bitnami/": "docker.io/bitnamilegacy, since 2025",
}
#: Hexadecimal digits of the digests that there are (github.com/opencontainers/go-digest).
DIGESTS = {"sha256": 64, "sha384": 96, "sha512": 128}

MOVING = frozenset({"latest", "main", "master", "edge", "nightly", "stable", "dev", "develop"})


POLICIES = ("Always", "IfNotPresent", "Never")


@check_containers(rules=RULES)
def image(world: World, container: Container) -> Iterator[Finding]:
    """What is to be said of one container's image."""
    obj, at, who, written = container.pods.obj, (*container.path, "image"), container.who, container.image
    policy = text(container.spec, "imagePullPolicy")
    at_policy = (*container.path, "imagePullPolicy")
    if policy and policy not in POLICIES:
        right = meant(policy, POLICIES)
        ops = [put(obj, at_policy, right)] if right else []
        yield tell(world, "image-policy-unknown", obj, at_policy, f"imagePullPolicy: {policy}", who=who, ops=ops)
    if policy == "Never":
        yield tell(world, "image-policy-never", obj, at_policy, "imagePullPolicy: Never", who=who, ops=[take(at_policy)])
    if not written:
        if container.pods.custom:  # its operator brings one
            return
        yield tell(world, "image-missing", obj, at, "image: not set", who=who)
        return
    if written == "auto" or written.startswith("ko://"):  # Istio's injector, or ko, puts the image in
        return
    moved = next((now for before, now in MOVED.items() if written.startswith(before)), "")
    if moved:
        yield tell(world, "image-registry-left", obj, at, f"image: {brief(written)}; it is in {moved}", who=who)
    doubted = doubt(written)
    if doubted:
        yield tell(world, "image-nowhere", obj, at, f"image: {brief(written)}: {doubted}", who=who)
    found = REFERENCE.fullmatch(written)
    if found is None or not _is_digest(found["digest"]):
        says = f"image: {brief(written)}{_why(written)}"
        # somebody may fill it in before it is applied; and whoever forgets to is told
        severity: Severity | None = "warning" if _why(written) in (_LEFT, _NAMELESS) or _is_odd(found) else None
        yield tell(world, "image-invalid", obj, at, says, who=who, severity=severity, ops=_mended(container))
    elif found["digest"]:
        if (found["tag"] or "") in MOVING:
            yield tell(world, "image-tag-and-digest", obj, at, f"image: {brief(written)}", who=who)
    elif found["tag"] is None or found["tag"] in MOVING:
        yield tell(world, "image-tag-missing", obj, at, f"image: {brief(written)}", who=who)
        if policy == "IfNotPresent":
            yield tell(
                world, "image-policy-stale", obj, at_policy, f"image: {brief(written)}, imagePullPolicy: IfNotPresent", who=who
            )


def _is_odd(found: re.Match[str] | None) -> bool:
    """Whether a digest is of an algorithm that the kubelet does not know, and somebody may."""
    return found is not None and found["digest"].partition(":")[0] not in DIGESTS


def _is_digest(written: str | None) -> bool:
    algorithm, _, digits = (written or "").partition(":")
    return written is None or (len(digits) == DIGESTS.get(algorithm) and digits == digits.lower())


_LEFT, _NAMELESS = ": a placeholder is left in it", ": whoever uses it is to name one"


def _why(written: str) -> str:
    """What makes a reference unreadable, where that is easily said."""
    if re.search(r"[{}<>]|\$\(|\$[a-z]+\$|\[\[|\b_*[A-Z][A-Z0-9]*(_[A-Z0-9]+)+|^[A-Z]+( [A-Z]+)+$", written):
        return _LEFT
    if written.startswith(":") or not written.strip(":/@"):  # a chart for any app, which has no image of its own
        return _NAMELESS
    if written != written.strip() or " " in written:
        return ": it has a space"
    if "@" in written:
        return ": a digest is sha256: and 64 digits from 0 to f"
    name, _, tag = written.rpartition(":")
    if "+" in tag and "/" not in tag:
        return ": a tag may not have a +"
    if (name or written) != (name or written).lower():
        return ": names are lower-case"
    return ""


def _mended(container: Container) -> list[dict[str, object]]:
    """The operation that mends a tag with a plus; what else is wrong only a person knows."""
    mended = container.image.replace("+", "-")
    if "+" not in container.image or REFERENCE.fullmatch(mended) is None:
        return []
    return [put(container.pods.obj, (*container.path, "image"), mended)]
