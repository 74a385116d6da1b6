"""`--explain RULE` shows the page that docs/rules has, for every rule; a name that is none is told with those that are near."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from seatrial.cli import check, diagnose
from seatrial.cli.rule_pages import everything, page
from seatrial.views.markdown import WIDTH, terminal

DOCS = Path(__file__).parents[2] / "docs" / "rules"


def asked(verb: object, *arguments: str) -> Result:
    return CliRunner().invoke(verb.command, list(arguments), catch_exceptions=False)  # type: ignore[attr-defined]


@pytest.mark.parametrize("rule", ["target-port-unknown", "crash-oom"])
def test_the_page_of_a_rule_is_the_one_of_the_documentation(rule: str) -> None:
    assert page(rule) == (DOCS / f"{rule}.md").read_text()


def test_the_page_of_a_rule_of_a_release_says_all_but_how_it_reads() -> None:
    kept = re.sub(
        r"## How it reads\n\n```.*?```\n\n", "", (DOCS / "release" / "verify-endpoints.md").read_text(), flags=re.DOTALL
    )
    assert page("verify-endpoints") == kept


@pytest.mark.parametrize("verb", [check, diagnose])
@pytest.mark.parametrize("rule", ["target-port-unknown", "crash-oom", "secrets-unreadable"])
def test_either_verb_explains_every_rule_and_reads_no_files(verb: object, rule: str) -> None:
    result = asked(verb, "no-such-folder", "--explain", rule)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{rule}\n")
    assert everything()[rule].costs.split(".")[0][:60] in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("target-port-unknwon", "Did you mean 'target-port-unknown'"),
        ("oom", "Did you mean 'crash-oom'"),
        ("xyzzy", "--list-rules lists them all"),
    ],
)
def test_a_rule_that_there_is_none_of_is_answered_with_what_is_near(typed: str, told: str) -> None:
    result = asked(check, "--explain", typed)
    assert result.exit_code == 2
    assert f"there is no rule '{typed}'. {told}" in result.stderr


def test_case_does_not_matter_and_a_pattern_lists() -> None:
    assert asked(check, "--explain", "Crash-OOM").stdout.startswith("crash-oom\n")
    lines = asked(check, "--explain", "verify-*").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [[f"verify-{one}", "error"] for one in ("endpoints", "restarted", "smoke")]


def test_all_rules_are_listed_each_in_a_line() -> None:
    lines = asked(diagnose, "--list-rules").stdout.splitlines()
    assert [line.split()[0] for line in lines] == sorted(everything())


def test_a_page_in_a_terminal_is_wrapped_and_its_code_is_not() -> None:
    shown = terminal(
        f"<!-- made -->\n\n# a\n\n**Bold words.**\n\n{'word ' * 40}\n\n```yaml\n# a comment\nkey: {'x' * 200}\n```\n"
    )
    first, *rest = shown.splitlines()
    assert (first, rest[1]) == ("a", "Bold words.")
    assert "    # a comment" in rest
    assert [line for line in rest if len(line) > WIDTH] == [f"    key: {'x' * 200}"]
    assert "\033[1ma\033[0m" in terminal("# a\n", colour=True)
