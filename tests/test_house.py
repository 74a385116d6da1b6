"""Who may import whom, as the design has it.  A module that reaches where it may not fails here, by name."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "seatrial"

#: room -> the rooms it may import besides itself.
MAY_IMPORT = {
    "world": set(),
    "app": {"world"},
    "importing": {"app", "world"},
    "render": {"app", "world"},
    "package": {"world"},
    "twin": {"world"},
    "cluster": {"world"},
    "rules": {"world"},
    "release": {"cluster", "rules", "world"},
    "sources": {"app", "render", "package", "cluster", "world"},
    "up": {"app", "render", "package", "cluster", "twin", "world"},
    "views": {"up", "release", "rules", "world"},
    "cli": {"app", "importing", "render", "package", "twin", "cluster", "up", "views", "rules", "release", "sources", "world"},
    "__init__": set(),
    "__main__": {"cli"},
}


def imports(module: Path) -> set[str]:
    """The rooms that a module imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relatively: say `from seatrial.…`"
            names = [node.module or ""]
        found |= {name.split(".")[1] for name in names if name.startswith("seatrial.")}
    return found


def room_of(module: Path) -> str:
    return module.relative_to(SOURCE).with_suffix("").parts[0]


@pytest.mark.parametrize("module", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_imports_only_what_its_room_may(module):
    room = room_of(module)
    assert room in MAY_IMPORT, f"{room} is no room of the house: add it to the design and to this table"
    too_far = imports(module) - MAY_IMPORT[room] - {room}
    assert not too_far, f"{module.relative_to(SOURCE)} may not import {', '.join(sorted(too_far))}"


@pytest.mark.parametrize("module", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_says_in_its_first_lines_what_it_is_for(module):
    if module.read_text().strip():
        assert ast.get_docstring(ast.parse(module.read_text())), f"{module.relative_to(SOURCE)} has no opening paragraph"


def test_every_room_holds_only_packages_and_modules_that_are_used():
    empty = [
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("__init__.py")
        if not list(path.parent.glob("*.py"))[1:]
        and not any(child.is_dir() and child.name != "__pycache__" for child in path.parent.iterdir())
    ]
    assert not empty, f"empty packages: {empty}"
