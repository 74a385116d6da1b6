"""Changes a text of YAML or JSON by JSON Patch operations and leaves every other byte as its author wrote it: comments, quotes,
indents, the way of breaking lines.

The text is composed with its marks, the place of the field found, and only those characters replaced.  After each change the
text is read again and must say exactly what the operation was to make of it; where it does not (anchors, merge keys, odd
layouts), nothing is changed and the caller is told.  How values are spelled is for `spelling`, files are for the caller.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from seatrial.world import json_patch
from seatrial.world.load.careful import Loader
from seatrial.world.spelling import JSON, YAML, Spelling

Operation = Mapping[str, Any]
#: The way from a text to an object in it: () for the only one of the text, ("items", 2) for the third of a List.
Steps = tuple[str | int, ...]


class EditError(ValueError):
    """The change cannot be made in this text without touching what is around it; the message says why."""


def edited(text: str, operations: Iterable[Operation], *, index: int = 0, within: Steps = ()) -> str:
    """The text after some operations on its document `index`, or on the part of it that `within` leads to.

    Lines end in a line feed. Operations are those of JSON Patch (`add` of what is not there, `replace`, `remove`, `move`).
    Raises EditError; the text is to be kept then.
    """
    prefix = [str(step) for step in within]
    for asked in operations:
        operation = _as_written(text, index, asked, prefix)
        changed = _edit(text, index, operation, prefix)
        _prove(text, changed, index, operation, prefix)
        text = changed
    return text


def document_of(text: str, within: Steps, kind: str, name: str) -> int:
    """Which document of a text has an object, where `within` leads to. Raises EditError when none has it, or several have."""
    documents = _composed(text, spelling_of(text))
    found = [index for index, document in enumerate(documents) if _is(_at(document, within), kind, name)]
    if len(found) != 1:
        raise EditError(f"{kind} {name} is written twice here" if found else f"{kind} {name} is made here, not written")
    return found[0]


def spelling_of(text: str) -> Spelling:
    """How values are to be spelled in a text: as JSON where all of it is."""
    if text.lstrip()[:1] not in ("{", "["):
        return YAML
    try:
        json.loads(text)
    except ValueError:
        return YAML
    return JSON


def _at(node: yaml.Node, steps: Steps) -> yaml.Node | None:
    here: yaml.Node | None = node
    for step in steps:
        if isinstance(here, yaml.SequenceNode) and isinstance(step, int):
            here = here.value[step] if step < len(here.value) else None
        else:
            here = next((value for key, value in reversed(_pairs(here)) if key.value == step), None)
    return here


def _is(node: yaml.Node | None, kind: str, name: str) -> bool:
    """Whether a node is an object; one that gets its name from the API server is called by what it begins with and a star."""
    fields = {str(key.value): value for key, value in _pairs(node)}
    named = {str(key.value): value.value for key, value in _pairs(fields.get("metadata"))}
    given = named.get("name") or f"{named.get('generateName')}*"
    return getattr(fields.get("kind"), "value", kind) == kind and given == name  # an item of a PodList may leave out its kind


def _pairs(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    return list(node.value) if isinstance(node, yaml.MappingNode) else []


def _edit(text: str, index: int, operation: Operation, prefix: Sequence[str]) -> str:
    spell = spelling_of(text)
    documents = _composed(text, spell)
    if index >= len(documents):
        raise EditError("the file no longer has this document")
    steps = [*prefix, *json_patch.steps_of(operation["path"])]
    if operation["op"] == "move":
        return _moved(text, index, [*prefix, *json_patch.steps_of(operation["from"])], steps, spell)
    op, value = operation["op"], operation.get("value")
    parent, key, node = _find(documents[index], steps)
    if op == "remove":
        return _removed(text, parent, key, node)
    if op == "add" and key is not None:
        raise EditError(f"there is a field {steps[-1]} already")
    if node is not None and op == "replace":
        return _replaced(text, parent, key, node, value, spell)
    if op == "replace":
        raise EditError(f"the file has no {'.'.join(steps)}")
    if isinstance(parent, yaml.MappingNode):
        return _added(text, parent, steps[-1], value, spell)
    assert isinstance(parent, yaml.SequenceNode)
    return _inserted(text, parent, len(parent.value) if steps[-1] == "-" else int(steps[-1]), value, spell)


def _as_written(text: str, index: int, operation: Operation, prefix: Sequence[str]) -> Operation:
    """A number or truth value that is to be a text becomes the text that its author wrote: 1.10 is no "1.1", and 0x10 no "16"."""
    if operation["op"] != "replace" or not isinstance(operation.get("value"), str):
        return operation
    steps = [*prefix, *json_patch.steps_of(operation["path"])]
    try:
        _, _, node = _find(_composed(text, spelling_of(text))[index], steps)
        was = _value(_loaded(text)[index], steps)
    except (EditError, LookupError, ValueError, TypeError, yaml.YAMLError):
        return operation  # whoever edits it says what is wrong
    plain = isinstance(node, yaml.ScalarNode) and not node.style and isinstance(was, int | float)
    same = str(was).lower() == operation["value"].lower() if plain else False
    return {**operation, "value": node.value} if same and isinstance(node, yaml.ScalarNode) else operation


def _composed(text: str, spell: Spelling) -> list[yaml.Node]:
    loader = Loader((text.replace("\t", " ") if spell is JSON else text).encode())  # JSON may be indented with tabs
    found: list[Any] = []
    try:
        while loader.check_node():
            found.append(loader.get_node())
    except yaml.YAMLError as error:
        raise EditError("this is no YAML by itself (a template, or an anchor of another document)") from error
    finally:
        loader.dispose()
    return found


def _find(root: yaml.Node, steps: Sequence[str]) -> tuple[yaml.Node, yaml.Node | None, yaml.Node | None]:
    """The collection that holds a field, the node of its key (in a mapping) and its own; None where it is not there."""
    here: yaml.Node | None = root
    for depth, step in enumerate(steps):
        last = depth == len(steps) - 1
        if isinstance(here, yaml.MappingNode):
            # of a key that is there twice, the last one counts
            pair = next(((key, node) for key, node in reversed(here.value) if key.value == step), None)
            if last:
                return (here, *(pair or (None, None)))
            here = pair[1] if pair else None
        elif isinstance(here, yaml.SequenceNode):
            place = int(step) if step.isdigit() else len(here.value)
            node = here.value[place] if place < len(here.value) else None
            if last:
                return here, None, node
            here = node
        else:
            break
    raise EditError(f"the file has no {'.'.join(steps[:-1])}")


# writing


def _replaced(text: str, parent: yaml.Node, key: yaml.Node | None, node: yaml.Node, value: Any, spell: Spelling) -> str:
    start, end = node.start_mark.index, _end(text, node)
    if isinstance(node, yaml.ScalarNode) and not isinstance(value, (dict, list)):
        space = " " if text[:start][-1:] in (":", "-") else ""  # an empty value stands directly behind its colon
        return text[:start] + space + spell.like(node, value) + text[end:]
    if _is_flow(parent) or not isinstance(value, (dict, list)) or not value:
        block = not _is_flow(node)
        lead = text[:start].rstrip() + " " if block and key is not None else text[:start]
        return lead + spell.flow(value) + text[end:]
    if key is not None:
        return text[: _colon(text, key)] + spell.behind(value, key.start_mark.column) + text[end:]
    return text[:start] + spell.block(value, node.start_mark.column).lstrip() + text[end:]


def _added(text: str, parent: yaml.MappingNode, name: str, value: Any, spell: Spelling) -> str:
    if _is_flow(parent):
        return _into_flow(text, parent, len(parent.value), f"{spell.key(name)}: ", value, spell)
    if not parent.value:
        raise EditError("there is nothing to put the field beside")
    indent = parent.value[0][0].start_mark.column
    return _after(text, _last(text, parent), f"{' ' * indent}{spell.key(name)}:{spell.behind(value, indent)}")


def _inserted(text: str, parent: yaml.SequenceNode, place: int, value: Any, spell: Spelling) -> str:
    if _is_flow(parent):
        return _into_flow(text, parent, place, "", value, spell)
    if not parent.value:
        raise EditError("there is nothing to put the item beside")
    dash = _dash(text, parent.value[0])
    collection = isinstance(value, (dict, list)) and value
    line = " " * dash + "- " + (spell.block(value, dash + 2).lstrip() if collection else spell.flow(value))
    if place >= len(parent.value):
        return _after(text, _end(text, parent.value[-1]), line)
    start = text.rfind("\n", 0, parent.value[place].start_mark.index) + 1
    return text[:start] + line + "\n" + text[start:]


def _into_flow(text: str, parent: yaml.Node, place: int, name: str, value: Any, spell: Spelling) -> str:
    """Put an entry between braces or brackets: on a line of its own where each entry has one."""
    start, end = parent.start_mark.index + 1, parent.end_mark.index - 1
    entries = [one[0] if isinstance(one, tuple) else one for one in parent.value]
    if not entries:
        return text[:start] + name + spell.flow(value) + text[end:]
    first = entries[0].start_mark.index
    line = text.rfind("\n", 0, first) + 1
    apart = line >= start and not text[line:first].strip()
    lead = text[line:first] if apart else ""
    closing = text[text.rfind("\n", 0, end) + 1 : end]
    step = lead.removeprefix(closing) if not closing.strip() and lead.startswith(closing) else "  "
    entry = name + (spell.spread(value, lead, step) if apart else spell.flow(value))
    if place < len(entries):
        at = entries[place].start_mark.index
        return text[:at] + entry + (f",\n{lead}" if apart else ", ") + text[at:]
    last = parent.value[-1]
    at = (last[1] if isinstance(last, tuple) else last).end_mark.index
    stop = text.find("\n", at)
    rest = text[at:stop].strip() if apart and stop >= 0 else "-"
    comma = "," if rest.startswith(",") else ""
    bare = rest.removeprefix(",").lstrip()
    if bare and not bare.startswith("#"):
        return text[:at] + (f",\n{lead}" if apart else ", ") + entry + text[at:]
    behind = text[at : stop + 1]  # with the comment of the last entry, which stays with it
    return f"{text[:at]}{'' if comma else ','}{behind}{lead}{entry}{comma}{text[stop:]}"


def _removed(text: str, parent: yaml.Node, key: yaml.Node | None, node: yaml.Node | None) -> str:
    if node is None:
        raise EditError("what is to be removed is not there")
    first = key or node
    if _is_flow(parent):
        start, end = first.start_mark.index, node.end_mark.index
        after = re.match(r"\s*,\s*", text[end:])
        if after:
            return text[:start] + text[end + after.end() :]
        before = re.search(r"\s*,\s*$", text[:start])
        return text[: before.start() if before else start] + text[end:]
    if len(parent.value) == 1:
        empty = "{}" if isinstance(parent, yaml.MappingNode) else "[]"
        start = parent.start_mark.index
        return text[:start].rstrip() + " " + empty + text[_end(text, node) :]
    start = text.rfind("\n", 0, first.start_mark.index) + 1
    end = text.find("\n", _end(text, node))
    end = len(text) if end < 0 else end + 1
    between = text[start : first.start_mark.index]
    if isinstance(parent, yaml.MappingNode) and between.strip():  # the first key behind a dash: the next one moves up to it
        following = parent.value[1][0].start_mark.index
        return text[: first.start_mark.index] + text[following:]
    return text[:start] + text[end:]


def _moved(text: str, index: int, source: Sequence[str], steps: Sequence[str], spell: Spelling) -> str:
    """A field under another name, or in another mapping: its lines go there as they are, indented as what they come to."""
    root = _composed(text, spell)[index]
    parent, key, node = _find(root, source)
    target, _, there = _find(root, steps)
    if key is None or node is None or there is not None or not isinstance(target, yaml.MappingNode):
        raise EditError("what is to be moved is not there, or its place is taken")
    if target is parent:
        name = spell.like(key, steps[-1]) if isinstance(key, yaml.ScalarNode) else spell.key(steps[-1])
        return text[: key.start_mark.index] + name + text[key.end_mark.index :]
    if _is_flow(parent) or _is_flow(target) or not target.value:
        text = _added(text, target, steps[-1], _value(_loaded(text)[index], source), spell)
    else:
        stop = text.find("\n", _end(text, node))
        block = text[key.start_mark.index : len(text) if stop < 0 else stop]
        first, *others = (spell.key(steps[-1]) + block[key.end_mark.index - key.start_mark.index :]).split("\n")
        indent, was = target.value[0][0].start_mark.column, key.start_mark.column
        if any(line[:was].strip() for line in others):
            raise EditError("a line of what is to be moved stands further left than its key")
        lines = [" " * indent + line if line else line for line in (first, *(line[was:] for line in others))]
        text = _after(text, _last(text, target), "\n".join(lines))
    return _removed(text, *_find(_composed(text, spell)[index], source))


def _value(document: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


# places


def _is_flow(node: yaml.Node) -> bool:
    return bool(getattr(node, "flow_style", False))


#: An alias behind its key. Its node is that of the anchor, and so are the marks.
_ALIAS = re.compile(r"\s*:\s*\*[^\s,\[\]{}]+")


def _last(text: str, parent: yaml.MappingNode) -> int:
    """Where the last value of a mapping ends."""
    key, value = parent.value[-1]
    alias = _ALIAS.match(text, key.end_mark.index) if value.start_mark.index < key.end_mark.index else None
    return alias.end() if alias else _end(text, value)


def _end(text: str, node: yaml.Node) -> int:
    """Where a node ends: behind its last character that is no blank, for marks of blocks run on to the next token."""
    while not isinstance(node, yaml.ScalarNode) and not _is_flow(node) and node.value:
        last = node.value[-1]
        if isinstance(last, tuple) and isinstance(node, yaml.MappingNode) and last[1].start_mark.index < last[0].start_mark.index:
            return _last(text, node)
        node = last[1] if isinstance(last, tuple) else last
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        block = _without_comments(text[start:end])
        kept = "+" in block.partition("\n")[0]  # its empty lines are its own
        return start + len(text[start:end].removesuffix("\n") if kept and block == text[start:end].rstrip("\n") else block)
    return start + len(text[start:end].rstrip())


def _without_comments(block: str) -> str:
    """A block scalar without the comments behind it, which stand further left than its lines."""
    lines = block.split("\n")
    inner = next((len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()), 0)
    while len(lines) > 1 and (not lines[-1].strip() or len(lines[-1]) - len(lines[-1].lstrip()) < inner):
        lines.pop()
    return "\n".join(lines)


def _after(text: str, end: int, lines: str) -> str:
    """Put lines behind the line in which something ends (a comment behind it stays with it)."""
    stop = text.find("\n", end)
    if stop < 0:
        return text + "\n" + lines  # who ends without a line end, ends so
    return text[: stop + 1] + lines + "\n" + text[stop + 1 :]


def _colon(text: str, key: yaml.Node) -> int:
    return text.index(":", key.end_mark.index) + 1


def _dash(text: str, item: yaml.Node) -> int:
    """The column of the dash before an item of a block sequence."""
    line = text.rfind("\n", 0, item.start_mark.index) + 1
    at = text.rfind("-", line, item.start_mark.index)
    if at < 0:
        raise EditError("the item stands on another line than its dash")
    return at - line


# proof


def _prove(before: str, after: str, index: int, operation: Operation, prefix: Sequence[str]) -> None:
    """Raise EditError unless the new text says what the operation makes of the old one, in all of its documents."""
    try:
        wanted, found = _unshared(_loaded(before)), _loaded(after)
    except (yaml.YAMLError, ValueError) as error:
        raise EditError("the layout here is such that the change would break the file") from error
    json_patch.change(wanted[index], operation, prefix)
    if spelling_of(before) is not spelling_of(after) or _exactly(wanted) != _exactly(found):
        raise EditError("the layout here (an anchor, a merge key, …) is such that the change would alter more than this field")


def _exactly(documents: list[Any]) -> str:
    """What tells 1 from true, and from 1.0; the order of keys means nothing."""
    return json.dumps(documents, sort_keys=True, default=str)


def _loaded(text: str) -> list[Any]:
    if spelling_of(text) is JSON:
        return [json.loads(text)]
    loader: Any = Loader(text.encode())
    documents = []
    try:
        while loader.check_data():
            documents.append(loader.get_data())
        return documents
    finally:
        loader.dispose()


def _unshared(value: Any) -> Any:
    """A copy in which no two places are one, as an anchor makes them."""
    if isinstance(value, dict):
        return {key: _unshared(inner) for key, inner in value.items()}
    return [_unshared(inner) for inner in value] if isinstance(value, list) else value
