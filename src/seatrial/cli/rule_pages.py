"""`--explain RULE` and `--list-rules`: the page of a rule, as docs/rules has it, and the list of all rules, in the terminal.

What kubectl would show of an example of what runs is printed by the columns that the twin's API has.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import filter as matching
from functools import cache
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from seatrial.rules.alive.examples import Example
    from seatrial.rules.finding import Rule
    from seatrial.twin.registry.resources import Resource
    from seatrial.world.objects import Obj
    from seatrial.world.world import World

#: Kinds that are looked at beside what a finding is about.
BESIDE = ("Event",)


def explaining(command: Callable[..., Any]) -> Callable[..., Any]:
    """The two options, which answer and end."""
    listing = click.option(
        "--list-rules", is_flag=True, is_eager=True, expose_value=False, callback=_list, help="List all rules."
    )
    return click.option(
        "--explain", metavar="RULE", is_eager=True, expose_value=False, callback=_explain,
        help="What a rule is about, what it costs and what to do, with examples; * stands for anything, and lists.",
    )(listing(command))  # fmt: skip


def _explain(context: click.Context, _: click.Parameter, asked: str | None) -> None:
    if asked is None:
        return
    known = everything()
    found = matching(known, asked.lower())
    if not found:
        raise click.UsageError(unknown(asked, known))
    if len(found) > 1:
        _shown(listed({rule: known[rule] for rule in found}))
    else:
        from seatrial.views.colour import coloured
        from seatrial.views.markdown import terminal

        _shown(terminal(page(found[0]), colour=coloured(sys.stdout)))
    context.exit()


def _list(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        _shown(listed(everything()))
        context.exit()


def _shown(text: str) -> None:
    """In a terminal by its pager where it is longer than the screen, as git and kubectl's neighbours do; else as it is."""
    import shutil

    if sys.stdout.isatty() and text.count("\n") > shutil.get_terminal_size().lines:
        click.echo_via_pager(text)
    else:
        click.echo(text, nl=False)


def everything() -> dict[str, Rule]:
    """Every rule by its id: of files, of what runs, of a release."""
    import seatrial.rules.alive
    import seatrial.rules.ignoring
    import seatrial.rules.written  # noqa: F401 - they enter their rules into the table
    from seatrial.release.rules import TOPICS
    from seatrial.rules.finding import RULES

    return dict(sorted((RULES | {rule.id: rule for _, _, rules in TOPICS for rule in rules}).items()))


def unknown(asked: str, known: Mapping[str, Rule]) -> str:
    """What to say of a rule that there is none of: those that are near by their letters, or have its words."""
    import difflib

    near = difflib.get_close_matches(asked.lower(), known, n=3, cutoff=0.7) or [rule for rule in known if asked.lower() in rule]
    hint = f" Did you mean {' or '.join(map(repr, near[:3]))}?" if near else " --list-rules lists them all."
    return f"there is no rule {asked!r}.{hint}"


def listed(rules: Mapping[str, Rule]) -> str:
    """A line for each rule: id, severity, title."""
    widths = [max(len(text) for text in texts) for texts in ([*rules], [rule.severity for rule in rules.values()])]
    return "".join(f"{rule.id:{widths[0]}}  {rule.severity:{widths[1]}}  {rule.title}\n" for rule in rules.values())


def page(rule: str) -> str:
    """The page of a rule, as Markdown."""
    from seatrial.release.pages import shown
    from seatrial.release.rules import TOPICS
    from seatrial.rules import pages

    for title, _, rules in TOPICS:
        for one in rules:
            if one.id == rule:
                return pages.of_release(one, title.lower(), lambda known: shown(known.id))
    return next(pages.page(one, entry, screen) for one, entry in pages.every() if one.id == rule)


def screen(rule: str, example: Example) -> str:
    """What a person types, and sees, who looks at what is wrong in an example of what runs."""
    from seatrial.rules.alive.examples import world_of
    from seatrial.rules.looking import found

    world = world_of(example, example.wrong)
    told = [finding for finding in found(world, live=True) if finding.rule == rule]
    kinds = [*(example.see or (ref.kind for finding in told for ref in finding.refs)), *BESIDE]
    shown = [text for kind in dict.fromkeys(kinds) for text in _get(world, kind)]
    if example.log:
        shown += [_log(world, example)]
    return "\n".join(shown)


@cache
def _resources() -> Mapping[tuple[str, str], Resource]:
    from seatrial.twin.registry.resources import builtin_resources

    return {(each.api_version, each.kind): each for each in builtin_resources()}


def _get(world: World, kind: str) -> Iterator[str]:
    """`kubectl get` of a kind, in each namespace that has some."""
    from seatrial.world.objects import name_of, namespace_of

    by_namespace: dict[str, list[Obj]] = {}
    for obj in world.of(kind):
        by_namespace.setdefault(namespace_of(obj), []).append(obj)
    for namespace, objects in by_namespace.items():
        where = f" -n {namespace}" if namespace else ""
        resource = _resources().get((objects[0]["apiVersion"], kind))
        if resource is None:  # its columns are its makers'
            yield f"$ kubectl get {kind.lower()} {name_of(objects[0])}{where} -o yaml"
        else:
            yield "\n".join([f"$ kubectl get {resource.plural}{where}", *_table(resource, objects)])
        if kind == "Node":  # the table tells nothing of pressure
            yield from (_conditions(node) for node in objects if _strained(node))


def _strained(node: Obj) -> bool:
    """Whether a node says of itself that something is wrong beside its being ready."""
    from seatrial.world.objects import dig

    return any(one.get("type") != "Ready" and one.get("status") == "True" for one in dig(node, "status.conditions", []))


def _conditions(node: Obj) -> str:
    from seatrial.world.objects import dig, name_of

    found = " ".join(f"{one['type']}={one['status']}" for one in dig(node, "status.conditions", []))
    path = "{range .status.conditions[*]}{.type}={.status} {end}"
    return f"$ kubectl get node {name_of(node)} -o jsonpath='{path}'\n{found}"


def _table(resource: Resource, objects: Sequence[Obj]) -> list[str]:
    from seatrial.rules.alive.examples import NOW
    from seatrial.twin.api.printers import columns_of

    columns = [column for column in columns_of(resource) if column.priority == 0]
    rows = [[column.name.upper() for column in columns]]
    rows += [[_text(column.cell(obj, NOW.timestamp())) for column in columns] for obj in objects]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _text(cell: object) -> str:
    return " ".join(str(cell).split()) if cell is not None else "<none>"


def _log(world: World, example: Example) -> str:
    from seatrial.world.objects import dig, name_of, namespace_of

    pod = next(world.of("Pod"))
    again = " --previous" if dig(pod, "status.containerStatuses")[0]["restartCount"] else ""
    return f"$ kubectl logs {name_of(pod)} -n {namespace_of(pod)}{again}\n{example.log}"
