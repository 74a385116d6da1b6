"""The runbook pages of all rules, written anew below docs/rules: `python tests/runbook.py`, or `make rules`.

What the rules say is theirs; what kubectl would show of their examples is printed here, by the columns that the twin's API has.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from release.asking import asked_of, given_to, once_up, returned_to
from seatrial.release.examples import AFTER, EXAMPLES, GIVEN, RETURNS, SEE, Side
from seatrial.release.preflight import check
from seatrial.release.rules import TOPICS
from seatrial.rules import pages
from seatrial.rules.alive.examples import NOW, Example, world_of
from seatrial.rules.finding import Rule
from seatrial.rules.looking import found
from seatrial.twin.api.printers import columns_of
from seatrial.twin.registry.resources import Resource, builtin_resources
from seatrial.world.objects import Obj, dig, name_of, namespace_of
from seatrial.world.world import World

FOLDER = Path(__file__).parents[1] / "docs" / "rules"
RESOURCES = {(each.api_version, each.kind): each for each in builtin_resources()}
#: Kinds that are looked at beside what a finding is about.
BESIDE = ("Event",)


def written() -> dict[str, str]:
    """Every page by its file's name."""
    return pages.pages(screen, TOPICS, asked)


#: The examples of a release's rules, with what is found in a side of one, and how its parts are called.
SHELVES = (
    (EXAMPLES, lambda side: check(asked_of(side))[1], ("", "# what is there of it", "# what else the cluster has")),
    (RETURNS, returned_to, ("", "# what is there of it", "# what else the cluster has")),
    (GIVEN, given_to, ("", "", "")),
    (AFTER, once_up, ("", "# once it is up", "# some seconds later")),
)
_ARMOUR = re.compile(r"(-----BEGIN AGE ENCRYPTED FILE-----).*?(-----END)", re.DOTALL)
_CIPHER = re.compile(r"(ENC\[AES256_GCM,data:.{6})[^\]]*")


def asked(rule: Rule) -> str:
    """What a release brings and a cluster has when a rule of a release speaks; what it says; and what is right."""
    for examples, found_in, heads in SHELVES:
        if example := examples.get(rule.id):
            (told,) = found_in(example.wrong)
            said = f"## How it reads\n\n```\n{pages.said(told, rule)}\n```\n"
            see = f"## How to see it\n\n```sh\n{SEE[rule.id]}\n```\n"
            return "\n".join([see, said, _side("Wrong", example.wrong, heads), _side("Right", example.right, heads)])
    return ""


def _side(title: str, side: Side, heads: Sequence[str]) -> str:
    """A side of an example: what is said of it in words, its objects, its files. What is encrypted is shortened."""
    parts = zip(heads, (side.wanted, side.live, side.cluster), strict=True)
    text = "---\n".join(f"{head}\n{body}".lstrip() for head, body in parts if body)
    said = f"{side.said}\n\n" if side.said else ""
    shown = [f"```yaml\n{text.rstrip()}\n```\n"] if text else []
    shown += [f"`{name}`:\n\n```{name.rpartition('.')[2]}\n{_short(body).strip()}\n```\n" for name, body in side.given.items()]
    return f"## {title}\n\n{said}" + "\n".join(shown)


def _short(text: str) -> str:
    return _CIPHER.sub(r"\1…", _ARMOUR.sub(r"\1 … \2", text))


def screen(rule: str, example: Example) -> str:
    """What a person types, and sees, who looks at what is wrong in an example; and what a diagnosis says of it."""
    world = world_of(example, example.wrong)
    told = [finding for finding in found(world, live=True) if finding.rule == rule]
    kinds = [*(example.see or (ref.kind for finding in told for ref in finding.refs)), *BESIDE]
    shown = [text for kind in dict.fromkeys(kinds) for text in _get(world, kind)]
    if example.log:
        shown += [_log(world, example)]
    return "\n".join(shown)


def _get(world: World, kind: str) -> Iterator[str]:
    """`kubectl get` of a kind, in each namespace that has some."""
    by_namespace: dict[str, list[Obj]] = {}
    for obj in world.of(kind):
        by_namespace.setdefault(namespace_of(obj), []).append(obj)
    for namespace, objects in by_namespace.items():
        where = f" -n {namespace}" if namespace else ""
        resource = RESOURCES.get((objects[0]["apiVersion"], kind))
        if resource is None:  # its columns are its makers'
            yield f"$ kubectl get {kind.lower()} {name_of(objects[0])}{where} -o yaml"
        else:
            yield "\n".join([f"$ kubectl get {resource.plural}{where}", *_table(resource, objects)])


def _table(resource: Resource, objects: Sequence[Obj]) -> list[str]:
    columns = [column for column in columns_of(resource) if column.priority == 0]
    rows = [[column.name.upper() for column in columns]]
    rows += [[_text(column.cell(obj, NOW.timestamp())) for column in columns] for obj in objects]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _text(cell: object) -> str:
    return " ".join(str(cell).split()) if cell is not None else "<none>"


def _log(world: World, example: Example) -> str:
    pod = next(world.of("Pod"))
    again = " --previous" if dig(pod, "status.containerStatuses")[0]["restartCount"] else ""
    return f"$ kubectl logs {name_of(pod)} -n {namespace_of(pod)}{again}\n{example.log}"


def write(folder: Path = FOLDER, made: dict[str, str] | None = None) -> int:
    """Write the pages, and remove those of rules that are gone. Gives how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = written() if made is None else made
    for old in _gone(folder, texts):
        old.unlink()
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return len(texts)


def _gone(folder: Path, texts: Iterable[str]) -> list[Path]:
    return [old for old in folder.rglob("*.md") if str(old.relative_to(folder)) not in set(texts)]


if __name__ == "__main__":
    sys.stdout.write(f"{write()} pages below docs/rules\n")
