"""The images of a release: names that can be read, tags of their own.  Registries are not asked: what they hold is not known."""

from __future__ import annotations

import re
from collections.abc import Iterator

from seatrial.release.findings import found
from seatrial.release.preflight.pods import containers_of, every_template
from seatrial.release.preflight.target import Target
from seatrial.rules.finding import Fact, Finding
from seatrial.world.objects import Ref, dig, ref_of

_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d+)?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
#: The grammar of distribution/reference.
NAME = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_PART}(?:/{_PART})*)(?::(?P<tag>\w[\w.-]{{0,127}}))?(?:@(?P<digest>[A-Za-z0-9_+.-]+:[0-9a-fA-F]{{32,}}))?"
)


def images(target: Target) -> dict[str, list[tuple[Ref, str]]]:
    """Image -> the objects and containers that run it."""
    used: dict[str, list[tuple[Ref, str]]] = {}
    for obj in (*target.plan.objects, *target.plan.hooks):
        template = every_template(obj)
        for _, container in containers_of(dig(template, "spec", {})):
            image = str(container.get("image") or "auto")
            if image != "auto":  # a mesh puts its own in
                used.setdefault(image, []).append((ref_of(obj), str(container.get("name", ""))))
    return used


def check(target: Target) -> Iterator[Finding]:
    for image, users in images(target).items():
        read = NAME.fullmatch(image)
        who = ", ".join(sorted({f"{ref.kind} {ref.name}" for ref, _ in users}))
        facts = [Fact(f"container {name}: {image}", str(ref)) for ref, name in users]
        refs = tuple(dict.fromkeys(ref for ref, _ in users))
        if read is None:
            yield found("image-name", f"{image!r} of {who} is no name of an image", refs=refs, evidence=facts)
        elif not read["digest"] and read["tag"] in (None, "latest"):
            said = "has no tag, which means latest" if read["tag"] is None else "is tagged latest"
            yield found("image-latest", f"image {image} of {who} {said}", refs=refs, evidence=facts)


def summary(target: Target) -> str:
    """How the images are named, and that nobody asked for them: `3 by digest, 2 by tag; registries are not asked`."""
    found_ = images(target)
    pinned = sum("@" in image for image in found_)
    parts = [f"{pinned} by digest"] if pinned else []
    parts += [f"{len(found_) - pinned} by tag"] if len(found_) > pinned else []
    return f"{', '.join(parts) or 'none'}; registries are not asked"
