"""Names of images: registry, repository and tag, as Docker's own rules read them (distribution/reference)."""

from __future__ import annotations

from dataclasses import dataclass

DOCKER_HUB = "docker.io"
#: Where else the official images of Docker Hub are served, as the part of the name before theirs.
MIRRORS = ("docker.io/library/", "index.docker.io/library/", "mirror.gcr.io/library/", "public.ecr.aws/docker/library/")


@dataclass(frozen=True, slots=True)
class Reference:
    repository: str  # with its registry: docker.io/library/nginx
    tag: str

    @property
    def official(self) -> str:
        """The short name of an official image (`nginx`), or `user/name` of one on Docker Hub; "" for any other registry."""
        for mirror in MIRRORS:
            if self.repository.startswith(mirror):
                return self.repository.removeprefix(mirror)
        registry, _, path = self.repository.partition("/")
        return path if registry == DOCKER_HUB else ""

    @property
    def major(self) -> int | None:
        """The number that the tag begins with: 16 for `16.4-alpine`."""
        digits = self.tag.removeprefix("v").partition(".")[0].partition("-")[0]
        return int(digits) if digits.isdigit() else None


def parse(image: str) -> Reference:
    name, _, _digest = image.partition("@")
    path, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        path, tag = name, "latest"
    registry, slash, rest = path.partition("/")
    if not slash:
        return Reference(f"{DOCKER_HUB}/library/{path}", tag)
    if "." not in registry and ":" not in registry and registry != "localhost":
        return Reference(f"{DOCKER_HUB}/{path}", tag)
    return Reference(f"{registry}/{rest}", tag)
