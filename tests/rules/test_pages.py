"""The runbook pages below docs/rules are what the rules say of themselves."""

from pathlib import Path

from seatrial.rules.finding import RULES
from seatrial.rules.pages import pages, write

DOCS = Path(__file__).parents[2] / "docs" / "rules"


def test_every_rule_has_its_page_and_no_page_is_out_of_date():
    kept = {path.name: path.read_text() for path in DOCS.glob("*.md")}
    stale = sorted(name for name in pages().keys() | kept.keys() if kept.get(name) != pages().get(name))
    assert not stale, f"`make rules` writes them anew: {', '.join(stale[:10])}"


def test_a_page_says_what_the_fault_costs_what_to_do_and_shows_both_sides():
    page = pages()["rollout-stuck.md"]
    for words in (RULES["rollout-stuck"].costs, RULES["rollout-stuck"].fix, "## Wrong", "## Right", "maxSurge: 0"):
        assert words in page


def test_the_page_of_a_rule_that_is_gone_goes_too(tmp_path):
    (tmp_path / "long-gone.md").write_text("# long-gone\n")
    assert write(tmp_path) == len(list(tmp_path.glob("*.md")))
    assert not (tmp_path / "long-gone.md").exists()
