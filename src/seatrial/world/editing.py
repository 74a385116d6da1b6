"""Changes a YAML text by JSON Patch operations and leaves every other byte as its author wrote it: comments, quotes, indents.

The text is composed with its marks, the place of the field found, and only those characters replaced.  After each change the
text is read again and must say exactly what the operation was to make of it; where it does not (anchors, merge keys, odd
layouts), nothing is changed and the caller is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from seatrial.world import json_patch

Operation = Mapping[str, Any]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class EditError(ValueError):
    """The change cannot be made in this text without touching what is around it; the message says why."""


def edited(text: str, index: int, operations: Iterable[Operation], item: int | None = None) -> str:
    """The text after some operations on its document `index` (or on item `item` of the List that it is).

    Operations are those of JSON Patch (`add`, `replace`, `remove`, `move`). Raises EditError; the text is to be kept then.
    """
    prefix = [] if item is None else ["items", str(item)]
    if (ends := text.count("\r\n")) and ends == text.count("\n"):  # new lines end as the others do
        return edited(text.replace("\r\n", "\n"), index, operations, item).replace("\n", "\r\n")
    for operation in operations:
        changed = _edit(text, index, operation, prefix)
        _prove(text, changed, index, operation, prefix)
        text = changed
    return text


def place_of(text: str, line: int, kind: str, name: str) -> tuple[int, int | None]:
    """(document, item of it where it is a List) of the object that is written at a line (from 1).

    Raises EditError when another object stands there, as in a template that makes it.
    """
    for index, document in enumerate(_composed(text)):
        if not document.start_mark.line < line <= document.end_mark.line + 1:
            continue
        if _is(document, kind, name):
            return index, None
        items = next((node for key, node in _pairs(document) if key.value == "items"), None)
        if isinstance(items, yaml.SequenceNode):
            for item, node in enumerate(items.value):
                if node.start_mark.line < line <= node.end_mark.line + 1 and _is(node, kind, name):
                    return index, item
    raise EditError(f"{kind} {name} is made from this file, not written in it")


def _is(node: yaml.Node, kind: str, name: str) -> bool:
    fields = {key.value: value for key, value in _pairs(node)}
    named = {key.value: value.value for key, value in _pairs(fields.get("metadata"))}
    return getattr(fields.get("kind"), "value", "") == kind and named.get("name", named.get("generateName")) == name


def _pairs(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    return list(node.value) if isinstance(node, yaml.MappingNode) else []


def _edit(text: str, index: int, operation: Operation, prefix: Sequence[str]) -> str:
    documents = _composed(text)
    if index >= len(documents):
        raise EditError("the file no longer has this document")
    steps = [*prefix, *json_patch.steps_of(operation["path"])]
    if operation["op"] == "move":
        return _moved(text, index, [*prefix, *json_patch.steps_of(operation["from"])], steps)
    op, value = operation["op"], operation.get("value")
    parent, key, node = _find(documents[index], steps)
    if op == "remove":
        return _removed(text, parent, key, node)
    if node is not None and (op == "replace" or isinstance(parent, yaml.MappingNode)):
        return _replaced(text, parent, key, node, value)
    if isinstance(parent, yaml.MappingNode):
        return _added(text, parent, steps[-1], value)
    assert isinstance(parent, yaml.SequenceNode)
    return _inserted(text, parent, len(parent.value) if steps[-1] == "-" else int(steps[-1]), value)


def _composed(text: str) -> list[yaml.Node]:
    try:
        return [node for node in yaml.compose_all(text, Loader=_LOADER) if node is not None]
    except yaml.YAMLError as error:
        raise EditError("the file is no YAML") from error


def _find(root: yaml.Node, steps: Sequence[str]) -> tuple[yaml.Node, yaml.Node | None, yaml.Node | None]:
    """The collection that holds a field, the node of its key (in a mapping) and its own; None where it is not there."""
    here: yaml.Node | None = root
    for depth, step in enumerate(steps):
        last = depth == len(steps) - 1
        if isinstance(here, yaml.MappingNode):
            pair = next(((key, node) for key, node in here.value if key.value == step), None)
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


def _flow(value: Any) -> str:
    """A value on one line, as it stands inside braces or behind a key."""
    dumped: str = yaml.dump(value, Dumper=_DUMPER, default_flow_style=True, width=10**9, sort_keys=False, allow_unicode=True)
    return re.sub(r"\n\.\.\.\n$", "", dumped).strip()


def _block(value: Any, indent: int) -> str:
    """A collection as lines, each indented, without the last line break."""
    dumped: str = yaml.dump(value, Dumper=_DUMPER, default_flow_style=False, width=10**9, sort_keys=False, allow_unicode=True)
    return "\n".join(" " * indent + line if line else line for line in dumped.rstrip("\n").split("\n"))


def _behind(value: Any, indent: int, step: int = 2) -> str:
    """What stands behind `key:` of a mapping whose keys have this indent."""
    if isinstance(value, (dict, list)) and value:
        return "\n" + _block(value, indent + (step if isinstance(value, dict) else 0))
    return " " + _flow(value)


def _replaced(text: str, parent: yaml.Node, key: yaml.Node | None, node: yaml.Node, value: Any) -> str:
    start, end = node.start_mark.index, _end(text, node)
    if isinstance(node, yaml.ScalarNode) and not isinstance(value, (dict, list)):
        return text[:start] + _like(node, value) + text[end:]
    if _is_flow(parent) or not isinstance(value, (dict, list)) or not value:
        block = not _is_flow(node)
        lead = text[:start].rstrip() + " " if block and key is not None else text[:start]
        return lead + _flow(value) + text[end:]
    if key is not None:
        return text[: _colon(text, key)] + _behind(value, key.start_mark.column) + text[end:]
    return text[:start] + _block(value, node.start_mark.column).lstrip() + text[end:]


def _like(node: yaml.ScalarNode, value: Any) -> str:
    """A scalar in the quotes of the one it takes the place of."""
    if isinstance(value, str) and node.style in ("'", '"') and "\n" not in value and "\\" not in value and '"' not in value:
        return f"'{value.replace(chr(39), chr(39) * 2)}'" if node.style == "'" else f'"{value}"'
    return _flow(value)


def _added(text: str, parent: yaml.MappingNode, name: str, value: Any) -> str:
    if _is_flow(parent):
        return _into_flow(text, parent, len(parent.value), f"{_flow(name)}: {_flow(value)}")
    if not parent.value:
        raise EditError("there is nothing to put the field beside")
    indent = parent.value[0][0].start_mark.column
    last = parent.value[-1][1]
    return _after(text, _end(text, last), f"{' ' * indent}{_flow(name)}:{_behind(value, indent)}")


def _inserted(text: str, parent: yaml.SequenceNode, place: int, value: Any) -> str:
    if _is_flow(parent):
        return _into_flow(text, parent, place, _flow(value))
    if not parent.value:
        raise EditError("there is nothing to put the item beside")
    dash = _dash(text, parent.value[0])
    line = " " * dash + "- " + (_block(value, dash + 2).lstrip() if isinstance(value, (dict, list)) and value else _flow(value))
    if place >= len(parent.value):
        return _after(text, _end(text, parent.value[-1]), line)
    start = text.rfind("\n", 0, parent.value[place].start_mark.index) + 1
    return text[:start] + line + "\n" + text[start:]


def _into_flow(text: str, parent: yaml.Node, place: int, entry: str) -> str:
    """Put an entry between braces or brackets."""
    start, end = parent.start_mark.index + 1, parent.end_mark.index - 1
    if not parent.value:
        return text[:start] + entry + text[end:]
    if place >= len(parent.value):
        last = parent.value[-1]
        at = (last[1] if isinstance(last, tuple) else last).end_mark.index
        return text[:at] + ", " + entry + text[at:]
    at = parent.value[place].start_mark.index
    return text[:at] + entry + ", " + text[at:]


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


def _moved(text: str, index: int, source: Sequence[str], steps: Sequence[str]) -> str:
    """A field under another name, or in another mapping: its lines go there as they are, indented as what they come to."""
    root = _composed(text)[index]
    parent, key, node = _find(root, source)
    target, _, there = _find(root, steps)
    if key is None or node is None or there is not None or not isinstance(target, yaml.MappingNode):
        raise EditError("what is to be moved is not there, or its place is taken")
    if target is parent:
        name = _like(key, steps[-1]) if isinstance(key, yaml.ScalarNode) else _flow(steps[-1])
        return text[: key.start_mark.index] + name + text[key.end_mark.index :]
    if _is_flow(parent) or _is_flow(target) or not target.value:
        text = _added(text, target, steps[-1], _value(_loaded(text)[index], source))
    else:
        stop = text.find("\n", _end(text, node))
        block = text[key.start_mark.index : len(text) if stop < 0 else stop]
        first, *others = (_flow(steps[-1]) + block[key.end_mark.index - key.start_mark.index :]).split("\n")
        indent, was = target.value[0][0].start_mark.column, key.start_mark.column
        if any(line[:was].strip() for line in others):
            raise EditError("a line of what is to be moved stands further left than its key")
        lines = [" " * indent + line if line else line for line in (first, *(line[was:] for line in others))]
        text = _after(text, _end(text, target.value[-1][1]), "\n".join(lines))
    return _removed(text, *_find(_composed(text)[index], source))


def _value(document: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


# places


def _is_flow(node: yaml.Node) -> bool:
    return bool(getattr(node, "flow_style", False))


def _end(text: str, node: yaml.Node) -> int:
    """Where a node ends: behind its last character that is no blank, for marks of blocks run on to the next token."""
    while not isinstance(node, yaml.ScalarNode) and not _is_flow(node) and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        return start + len(_without_comments(text[start:end]).rstrip("\n"))
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
        return text + "\n" + lines + "\n"
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
    except yaml.YAMLError as error:
        raise EditError("the layout here is such that the change would break the file") from error
    json_patch.change(wanted[index], operation, prefix)
    if wanted != found:
        raise EditError("the layout here (an anchor, a merge key, …) is such that the change would alter more than this field")


def _loaded(text: str) -> list[Any]:
    return [document for document in yaml.load_all(text, Loader=_LOADER) if document is not None]


def _unshared(value: Any) -> Any:
    """A copy in which no two places are one, as an anchor makes them."""
    if isinstance(value, dict):
        return {key: _unshared(inner) for key, inner in value.items()}
    return [_unshared(inner) for inner in value] if isinstance(value, list) else value
