"""How a value is spelled where it is put into a text: in YAML as a block, on one line, or in the quotes of what it takes the
place of; in JSON as JSON.

What kubectl would take for a number or a truth value is put into quotes, also where YAML 1.1 as Python has it would not.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from seatrial.world.load.careful import Loader


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """PyYAML's, which puts into quotes what either YAML 1.1 or kubectl would not take for a text."""


_Dumper.yaml_implicit_resolvers = {
    first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, ()), *Loader.yaml_implicit_resolvers.get(first, ())]
    for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *Loader.yaml_implicit_resolvers}
}


@dataclass(frozen=True, slots=True)
class Spelling:
    """The ways to spell a value in one language."""

    json: bool = False

    def flow(self, value: Any) -> str:
        """A value on one line, as it stands inside braces or behind a key."""
        if self.json:
            return json.dumps(value, ensure_ascii=False)
        return re.sub(r"\n\.\.\.\n$", "", _dump(value, flow=True)).strip()

    def key(self, name: str) -> str:
        return self.flow(name)

    def spread(self, value: Any, lead: str, step: str) -> str:
        """A value in a collection that has each entry on a line of its own, which begins with `lead`; `step` indents further."""
        if not self.json:
            return self.flow(value)
        return json.dumps(value, ensure_ascii=False, indent=step or None).replace("\n", f"\n{lead}")

    def block(self, value: Any, indent: int) -> str:
        """A collection as lines, each indented, without the last line break."""
        lines = _dump(value, flow=False).rstrip("\n").split("\n")
        return "\n".join(" " * indent + line if line else line for line in lines)

    def behind(self, value: Any, indent: int, step: int = 2) -> str:
        """What stands behind `key:` of a mapping whose keys have this indent."""
        if isinstance(value, (dict, list)) and value:
            return "\n" + self.block(value, indent + (step if isinstance(value, dict) else 0))
        return " " + self.flow(value)

    def like(self, node: yaml.ScalarNode, value: Any) -> str:
        """A scalar in the quotes of the one it takes the place of."""
        plain = isinstance(value, str) and not re.search(r"[\n\\\"]", value)
        if plain and not self.json and node.style in ("'", '"'):
            return f"'{value.replace(chr(39), chr(39) * 2)}'" if node.style == "'" else f'"{value}"'
        return self.flow(value)


YAML, JSON = Spelling(), Spelling(json=True)


def _dump(value: Any, *, flow: bool) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, default_flow_style=flow, width=10**9, sort_keys=False, allow_unicode=True)
    return text
