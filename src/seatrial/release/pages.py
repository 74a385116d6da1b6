"""What the page of a rule of a release has besides what the rule says of itself: how to see it, both sides of its example."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from seatrial.release.examples import AFTER, EXAMPLES, GIVEN, RETURNS, SEE, Example, Side

#: What is there before a release, and what stands beside it; how the parts of an example are called.
_BEFORE = ("", "# what is there of it", "# what else the cluster has")
SHELVES: tuple[tuple[dict[str, Example], Sequence[str]], ...] = (
    (EXAMPLES, _BEFORE),
    (RETURNS, _BEFORE),
    (GIVEN, ("", "", "")),
    (AFTER, ("", "# once it is up", "# some seconds later")),
)
_ARMOUR = re.compile(r"(-----BEGIN AGE ENCRYPTED FILE-----).*?(-----END)", re.DOTALL)
_CIPHER = re.compile(r"(ENC\[AES256_GCM,data:.{6})[^\]]*")


def shown(rule: str, said: str = "") -> str:
    """The parts of a rule's page that its example is; `said` is what a release says of what is wrong in it."""
    return "\n".join(_parts(rule, said))


def _parts(rule: str, said: str) -> Iterator[str]:
    yield f"## How to see it\n\n```sh\n{SEE[rule]}\n```\n"
    if said:
        yield f"## How it reads\n\n```\n{said}\n```\n"
    for examples, heads in SHELVES:
        if rule in examples:
            yield _side("Wrong", examples[rule].wrong, heads)
            yield _side("Right", examples[rule].right, heads)


def _side(title: str, side: Side, heads: Sequence[str]) -> str:
    """A side of an example: what is said of it in words, its objects, its files. What is encrypted is shortened."""
    parts = zip(heads, (side.wanted, side.live, side.cluster), strict=True)
    text = "---\n".join(f"{head}\n{body}".lstrip() for head, body in parts if body)
    blocks = [f"```yaml\n{text.rstrip()}\n```\n"] if text else []
    blocks += [f"`{name}`:\n\n```{name.rpartition('.')[2]}\n{_short(body).strip()}\n```\n" for name, body in side.given.items()]
    return f"## {title}\n\n{side.said}{chr(10) * 2 if side.said else ''}" + "\n".join(blocks)


def _short(text: str) -> str:
    return _CIPHER.sub(r"\1…", _ARMOUR.sub(r"\1 … \2", text))
