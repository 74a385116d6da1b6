"""What a container does, told from its image, its command and its variables; and what a command in it finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial

from seatrial.twin.kubelet.commands import images, walk
from seatrial.twin.kubelet.commands.outcome import Outcome
from seatrial.twin.kubelet.commands.programs import Around

#: Folders in which nothing is but what somebody put there since the container's start.
EMPTY = ("/tmp/", "/run/", "/var/run/", "/dev/shm/")  # noqa: S108 - a container's


def outcome(
    image: str, command: Sequence[str], args: Sequence[str], env: Mapping[str, str], mounts: Sequence[str] = ()
) -> Outcome | None:
    """What a container does from its start; None where that cannot be told: then it is a server that runs on.

    `mounts` are the paths of its volumes: what is in them, others may have put there.
    """
    return _outcome(image, tuple(command), tuple(args), tuple(sorted(env.items())), tuple(mounts))


@lru_cache(maxsize=1024)
def _outcome(
    image: str, command: tuple[str, ...], args: tuple[str, ...], env: tuple[tuple[str, str], ...], mounts: tuple[str, ...]
) -> Outcome | None:
    variables = dict(env)
    known = None if command else images.untold(image, args, variables) or images.served(image, args)
    if known:
        return known
    words = images.told(image, command, args)
    around = Around(variables, partial(_at_the_start, mounts), images.is_public(image))
    return walk.read(words, around) if words else None


def asked(
    words: Sequence[str], env: Mapping[str, str], main: Outcome | None, seconds: float, mounts: Sequence[str]
) -> Outcome | None:
    """What a command does in a container that has run for so long, as a probe asks it; None where that cannot be told."""

    def there(path: str) -> bool | None:
        if main is None:
            return None
        known = main.has_file(path, seconds)
        return _at_the_start(tuple(mounts), path) if known is None else known

    return walk.read(words, Around(env, there)) if words else None


def _at_the_start(mounts: tuple[str, ...], path: str) -> bool | None:
    if not path.startswith(EMPTY) or any(path == mount or path.startswith(mount.rstrip("/") + "/") for mount in mounts):
        return None
    return False
