"""Nodes of a twin from a file: a list of sizes, places, labels and taints, each for one node or for many alike.

    - {name: system, cpu: 2, memory: 4Gi, taints: ["dedicated=system:NoSchedule"]}
    - {name: worker, count: 6, zone: [a, b, c], cpu: 8, memory: 32Gi, labels: {disk: ssd}}

Everything that is wrong with a file is told at once, each mistake with its line.  What is left out is for the runtime to say.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from seatrial.twin.kubelet import signals
from seatrial.twin.kubelet.node import MOST_NODES, NodeSpec
from seatrial.world import duration, quantity
from seatrial.world.admission.validation import names
from seatrial.world.objects import Obj

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong where: lines and columns count from 1."""

    line: int
    column: int
    message: str
    hint: str = ""


class NodesFileError(Exception):
    """Everything that is wrong with a file of nodes, in the order of its lines."""

    def __init__(self, path: Path, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(f"{path}:{each.line}: {each.message}" for each in mistakes))
        self.path, self.mistakes = path, mistakes


def read(path: Path) -> list[NodeSpec]:
    """The nodes a file describes. Raises NodesFileError."""
    reader = _Reader()
    try:
        root = yaml.compose(path.read_text(), Loader=_Loader)
        nodes = reader.nodes(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise NodesFileError(path, [Mistake(*where, f"this is no YAML: {error.problem or error.context}")]) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise NodesFileError(path, [Mistake(1, 1, f"cannot be read: {error}")]) from None
    if reader.mistakes:
        raise NodesFileError(path, sorted(reader.mistakes, key=lambda each: (each.line, each.column)))
    return nodes


class _Wrong(Exception):  # noqa: N818
    """A value that cannot be taken, and why."""

    def __init__(self, node: yaml.Node, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.mistake = _mistake(node, message, hint)


def _mistake(node: yaml.Node, message: str, hint: str = "") -> Mistake:
    return Mistake(node.start_mark.line + 1, node.start_mark.column + 1, message, hint)


class _Reader:
    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def nodes(self, root: yaml.Node | None) -> list[NodeSpec]:
        if not isinstance(root, yaml.SequenceNode) or not root.value:
            where = _mistake(root, "") if root is not None else Mistake(1, 1, "")
            self.mistakes.append(
                replace(where, message="expected a list of nodes", hint="- {name: worker, cpu: 4, memory: 16Gi}")
            )
            return []
        found: list[NodeSpec] = []
        taken: set[str] = set()
        for entry in root.value:
            made = self._entry(entry)
            twice = [spec.name for spec in made if spec.name in taken]
            if twice:
                self.mistakes.append(_mistake(entry, f"there is another node called {twice[0]!r}"))
            taken.update(spec.name for spec in made)
            found += made
            if len(found) > MOST_NODES:
                self.mistakes.append(_mistake(entry, f"these are more than {MOST_NODES} nodes"))
                break
        return found

    def _entry(self, entry: yaml.Node) -> list[NodeSpec]:
        """The nodes of one entry; none where something is wrong with it."""
        said: dict[str, Any] = {}
        before = len(self.mistakes)
        try:
            for key, value in _pairs(entry):
                self._take(said, key, value)
        except _Wrong as wrong:
            self.mistakes.append(wrong.mistake)
        if len(self.mistakes) > before:
            return []
        name = said.pop("name", "node")
        count, zones = said.pop("count", None), said.pop("zone", [""])
        called = [name] if count is None else [f"{name}-{number}" for number in range(1, count + 1)]
        made = [NodeSpec(each, zone=zones[index % len(zones)], **said) for index, each in enumerate(called)]
        try:
            signals.thresholds(made[0].eviction)
        except signals.ThresholdError as error:
            self.mistakes.append(_mistake(entry, str(error)))
        return made

    def _take(self, said: dict[str, Any], key: yaml.Node, value: yaml.Node) -> None:
        try:
            name = _text(key)
            if name not in _KEYS:
                near = difflib.get_close_matches(name, _KEYS, n=1)
                hint = f"did you mean `{near[0]}`?" if near else f"keys here: {', '.join(_KEYS)}"
                raise _Wrong(key, f"unknown key `{name}`", hint)
            field, reader = _KEYS[name]
            if field in said:
                raise _Wrong(key, f"`{name}` is given twice")
            said[field] = reader(value)
        except _Wrong as wrong:
            self.mistakes.append(wrong.mistake)


# values


def _text(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null":
        raise _Wrong(node, "expected a word")
    return str(node.value)


def _pairs(node: yaml.Node) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        raise _Wrong(node, "expected keys and values")
    yield from node.value


def _checked(rule: Callable[[str], tuple[str, ...]], what: str) -> Callable[[yaml.Node], str]:
    """A word that a rule of Kubernetes has nothing against."""

    def read_word(node: yaml.Node) -> str:
        text = _text(node)
        for reason in rule(text)[:1]:
            raise _Wrong(node, f"{text!r} is no {what}: {reason}")
        return text

    return read_word


def _quantity(node: yaml.Node) -> str:
    text = _text(node)
    try:
        if quantity.parse(text) > 0:
            return text
    except ValueError:
        pass
    raise _Wrong(node, f"{text!r} is no amount", "amounts are written as 4, 500m, 16Gi")


def _whole(most: int) -> Callable[[yaml.Node], int]:
    def read_number(node: yaml.Node) -> int:
        text = _text(node)
        if text.isascii() and text.isdigit() and 1 <= int(text) <= most:
            return int(text)
        raise _Wrong(node, f"{text!r} is no whole number from 1 to {most}")

    return read_number


def _yes_or_no(node: yaml.Node) -> bool:
    if _text(node) not in ("true", "false"):
        raise _Wrong(node, f"{_text(node)!r} is neither true nor false")
    return _text(node) == "true"


def _zones(node: yaml.Node) -> list[str]:
    """One zone, or several that the nodes are spread over in turn."""
    if isinstance(node, yaml.SequenceNode) and node.value:
        return [_label_value(each) for each in node.value]
    return [_label_value(node)]


def _amounts(node: yaml.Node) -> dict[str, str]:
    return {_label_key(key): _quantity(value) for key, value in _pairs(node)}


def _reserved(node: yaml.Node) -> dict[str, str]:
    amounts = _amounts(node)
    for name in amounts.keys() - {"cpu", "memory", "ephemeral-storage"}:
        raise _Wrong(node, f"a node cannot reserve {name}", "it can reserve cpu, memory and ephemeral-storage")
    return amounts


def _labels(node: yaml.Node) -> dict[str, str]:
    return {_label_key(key): _label_value(value) for key, value in _pairs(node)}


def _taints(node: yaml.Node) -> list[Obj]:
    if not isinstance(node, yaml.SequenceNode):
        raise _Wrong(node, "expected a list of taints", '["key=value:NoSchedule"]')
    return [_taint(each) for each in node.value]


def _taint(node: yaml.Node) -> Obj:
    """A taint as Kubernetes writes it, or as kubectl does: `key=value:Effect`."""
    if isinstance(node, yaml.MappingNode):
        said = {_text(key): _text(value) for key, value in node.value}
    else:
        key, _, effect = _text(node).rpartition(":")
        key, _, value = key.partition("=")
        said = {"key": key, "value": value, "effect": effect}
    unknown = said.keys() - {"key", "value", "effect"}
    if unknown:
        raise _Wrong(node, f"unknown key `{sorted(unknown)[0]}` of a taint", "keys here: key, value, effect")
    if said.get("effect") not in EFFECTS:
        raise _Wrong(node, f"{said.get('effect', '')!r} is no effect of a taint", f"there are {', '.join(EFFECTS)}")
    for reason in (*names.qualified(said.get("key", "")), *names.label_value(said.get("value", ""))):
        raise _Wrong(node, f"this is no taint: {reason}")
    return {key: value for key, value in said.items() if value}


def _thresholds(node: yaml.Node) -> dict[str, str]:
    return {**signals.DEFAULT_HARD, **_by_signal(node)}


def _by_signal(node: yaml.Node) -> dict[str, str]:
    said = {_text(key): _text(value) for key, value in _pairs(node)}
    try:
        signals.thresholds(signals.Settings(said))
    except signals.ThresholdError as error:
        raise _Wrong(node, str(error)) from None
    return said


def _seconds(node: yaml.Node) -> float:
    """A time, or a bare number of seconds, as evictionMaxPodGracePeriod has it."""
    text = _text(node)
    try:
        return duration.parse(int(text) if text.isascii() and text.isdigit() else text)
    except ValueError:
        raise _Wrong(node, f"{_text(node)!r} is no time", "times are written as 90s, 1m30s") from None


def _seconds_by_signal(node: yaml.Node) -> dict[str, float]:
    return {_text(key): _seconds(value) for key, value in _pairs(node)}


_label_key = _checked(names.qualified, "key of a label")
_label_value = _checked(names.label_value, "value of a label")

#: key of the file -> field of NodeSpec (name, count and zone besides), and what reads it.
_KEYS: dict[str, tuple[str, Callable[[yaml.Node], Any]]] = {
    "name": ("name", _checked(names.dns_subdomain, "name of a node")),
    "count": ("count", _whole(MOST_NODES)),
    "cpu": ("cpu", _quantity),
    "memory": ("memory", _quantity),
    "pods": ("pods", _whole(100_000)),
    "storage": ("storage", _quantity),
    "zone": ("zone", _zones),
    "region": ("region", _label_value),
    "labels": ("labels", _labels),
    "taints": ("taints", _taints),
    "unschedulable": ("unschedulable", _yes_or_no),
    "resources": ("resources", _amounts),
    "reserved": ("reserved", _reserved),
    "evictionHard": ("eviction_hard", _thresholds),
    "evictionSoft": ("eviction_soft", _by_signal),
    "evictionSoftGracePeriod": ("eviction_soft_grace", _seconds_by_signal),
    "evictionMinimumReclaim": ("eviction_minimum_reclaim", _by_signal),
    "evictionMaxPodGracePeriod": ("eviction_max_pod_grace", _seconds),
}
