# ruff: noqa: E501 - a line of the table is one saying
"""Images that cannot be pulled, told apart by what registries and runtimes say, and by whether waiting can help."""

from __future__ import annotations

import re
from collections.abc import Iterator

from seatrial.rules.alive.pods import Container, containers, is_going, named, refs, whose
from seatrial.rules.finding import Fact, Finding, Rule, check
from seatrial.world.images import doubt
from seatrial.world.objects import Obj, dig, namespace_of, ref_of
from seatrial.world.world import World, event_count

_STUCK = "Pods of the new version cannot start; every node that has to pull the image waits for ever."

RULES = {
    rule.id: rule
    for rule in (
        Rule("image-name", "error", "an image's name cannot be read", _STUCK, "Correct the reference: registry/name:tag, in lower case."),
        Rule("image-not-found", "error", "an image or its tag does not exist", _STUCK,
             "Push the image under this tag, or correct the tag; `docker manifest inspect IMAGE` says what is there."),
        Rule("image-platform", "error", "an image has no variant for the node's platform", _STUCK,
             "Build the image for the platform of the nodes (docker buildx build --platform)."),
        Rule("image-unauthorized", "error", "a registry refuses access to an image", _STUCK,
             "Give the pods an imagePullSecret of this registry that may read the image; a private image that does not exist looks the same."),
        Rule("image-never-pulled", "error", "an image is not on the node, and imagePullPolicy is Never", _STUCK,
             "Set imagePullPolicy: IfNotPresent, or load the image onto every node."),
        Rule("image-disk", "warning", "a node has no room for an image", _STUCK, "Free disk on the node, or give nodes a larger one."),
        Rule("image-rate-limit", "warning", "a registry answers no more requests for now", _STUCK,
             "Give the pods an imagePullSecret of an account with more pulls, or pull through a registry of your own; the limit of hours ends by itself."),
        Rule("image-network", "warning", "a registry cannot be reached from the node", _STUCK,
             "Check the registry's name, and that nodes can reach it (DNS, proxy, firewall, certificate)."),
        Rule("image-pull", "warning", "an image cannot be pulled", _STUCK, "The message says what the registry or the runtime answered."),
    )
}  # fmt: skip

#: What is said -> the rule; the first that matches. Words of containerd, CRI-O, Docker and of registries.
WORDS = tuple(
    (rule, re.compile(words, re.IGNORECASE))
    for rule, words in (
        ("image-name", r"invalid reference format|couldn't parse image|InvalidImageName"),
        ("image-never-pulled", r"not present with pull policy of Never"),
        ("image-platform", r"no match(?:ing manifest)? for (?:platform|\w+/\w+)|no image found in (?:image index|manifest list) for architecture|does not match the specified platform"),
        ("image-rate-limit", r"toomanyrequests|too many requests|rate limit"),
        ("image-network", r"\b50[0234] (?:Internal|Bad|Service|Gateway)|lookup .*no such host|i/o timeout|connection (?:refused|reset)|TLS handshake timeout"
                          r"|x509|deadline exceeded|unexpected EOF|server misbehaving|network is unreachable|no route to host|http: server gave HTTP response"),
        ("image-disk", r"no space left|disk quota|insufficient disk"),
        ("image-not-found", r"manifest unknown|manifest for .* not found|not found|NotFound|name unknown|no such image|does not exist(?! or may)"),
        ("image-unauthorized", r"unauthori[sz]ed|\b40[13] (?:Unauthorized|Forbidden)|forbidden|access denied|authentication required|insufficient_scope|no basic auth|denied:"),
    )
)  # fmt: skip

#: Reasons for which a container waits that are about its image.
WAITING = {
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
}


def told_apart(message: str) -> str:
    """The rule that a message about an image speaks for."""
    return next((rule for rule, words in WORDS if words.search(message)), "image-pull")


@check("Pod", rules=RULES.values(), live=True)
def images(world: World, pod: Obj) -> Iterator[Finding]:
    if is_going(pod):
        return
    for container in containers(pod):
        if container.waiting.get("reason", "") in WAITING:
            yield _image(world, container)


def _image(world: World, container: Container) -> Finding:
    reason, message = container.waiting["reason"], _message(world, container)
    rule = RULES["image-name" if reason == "InvalidImageName" else told_apart(f"{message} {reason}")]
    image = str(container.spec.get("image", ""))
    doubted = doubt(image)
    if doubted and rule.id == "image-unauthorized":  # a login would not help
        rule = RULES["image-not-found"]
    return Finding(
        rule.id,
        rule.severity,
        f"{named(container)} of {whose(world, container.pod)}: {_WORDS[rule.id].format(image=image)}",
        refs(world, container.pod),
        (
            Fact(f"{reason}: {message}".rstrip(": "), world.source(ref_of(container.pod), f"{container.path}.state.waiting")),
            Fact(
                f"image: {image}" + (f": {doubted}" if doubted else ""),
                world.source(ref_of(container.pod), f"spec of container {container.name}"),
            ),
            *(_secrets(world, container) if rule.id == "image-unauthorized" else ()),
        ),
        cause=rule.title,
        fix=rule.fix,
        details={"container": container.name, "image": image, "count": _tries(world, container)},
    )


_WORDS = {
    "image-name": "{image!r} is no name of an image",
    "image-not-found": "image {image} does not exist",
    "image-platform": "image {image} is not built for this platform",
    "image-unauthorized": "the registry refuses access to image {image}",
    "image-never-pulled": "image {image} is not on the node, and may not be pulled",
    "image-disk": "no room on the node for image {image}",
    "image-rate-limit": "the registry of image {image} answers no more requests for now: too many were made",
    "image-network": "the registry of image {image} cannot be reached",
    "image-pull": "image {image} cannot be pulled",
}


def _secrets(world: World, container: Container) -> list[Fact]:
    """With which Secrets the image was asked for: those of the pod (its service account's among them), and whether they are there."""
    pod = container.pod
    names = [str(each.get("name")) for each in dig(pod, "spec.imagePullSecrets", [])]
    where = world.source(ref_of(pod), "spec.imagePullSecrets")
    if not names:
        return [Fact("the pod has no imagePullSecrets: it asked without a login", where)]
    known = world.facts.get("complete") or any(namespace_of(each) == namespace_of(pod) for each in world.of("Secret"))
    missing = [name for name in names if known and world.find("Secret", namespace_of(pod), name, "") is None]
    facts = [Fact(f"imagePullSecrets: {', '.join(names)}", where)]
    return facts + [Fact(f"Secret {name} does not exist in namespace {namespace_of(pod)}") for name in missing]


def _message(world: World, container: Container) -> str:
    """The full answer: a back-off says only that it is one, and the event before it says why."""
    message = str(container.waiting.get("message", ""))
    if "ErrImagePull" in message or container.waiting["reason"] != "ImagePullBackOff":
        return message
    image = str(container.spec.get("image", ""))
    failed = [str(e.get("message", "")) for e in world.events(container.pod, "Failed") if image in str(e.get("message", ""))]
    return failed[-1] if failed else message


def _tries(world: World, container: Container) -> int:
    """How often the image was asked for."""
    image = f'"{dig(container.spec, "image", "")}"'
    pulls = [event for event in world.events(container.pod, "Pulling") if image in str(event.get("message", ""))]
    return max(1, sum(event_count(event) for event in pulls))
