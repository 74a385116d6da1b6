"""The runbook pages below docs/rules are what the rules say of themselves, and every finding that is printed has one."""

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

from runbook import FOLDER, write, written
from seatrial.release.rules import TOPICS
from seatrial.rules.finding import RULES
from seatrial.rules.looking import found
from seatrial.rules.written.examples import spelled
from seatrial.sources import load

SOURCE = Path(__file__).parents[2] / "src" / "seatrial"


@pytest.fixture(scope="module")
def pages():
    return written()


def test_every_rule_has_its_page_and_no_page_is_out_of_date(pages):
    kept = {str(path.relative_to(FOLDER)): path.read_text() for path in FOLDER.rglob("*.md")}
    stale = sorted(name for name in pages.keys() | kept.keys() if kept.get(name) != pages.get(name))
    assert not stale, f"`make rules` writes them anew: {', '.join(stale[:10])}"


def test_a_page_says_what_the_fault_costs_what_to_do_and_shows_both_sides(pages):
    page = pages["rollout-stuck.md"]
    for words in (RULES["rollout-stuck"].costs, RULES["rollout-stuck"].fix, "## Wrong", "## Right", "maxSurge: 0"):
        assert words in page


def test_a_page_about_what_runs_says_how_to_recognise_it(pages):
    page = pages["crash-oom.md"]
    for words in ("$ kubectl get pods -n shop", "CrashLoopBackOff", "resources.limits.memory: 128Mi", "## Wrong", "## Right"):
        assert words in page


def test_the_page_of_a_rule_that_is_gone_goes_too(tmp_path, pages):
    (tmp_path / "long-gone.md").write_text("# long-gone\n")
    assert write(tmp_path, pages) == len(list(tmp_path.rglob("*.md")))
    assert not (tmp_path / "long-gone.md").exists()


def test_every_finding_that_the_code_makes_has_a_page(pages):
    release = {rule.id for _, _, rules in TOPICS for rule in rules}
    without = {(name, rule) for name, rule in made() if rule not in RULES and rule not in release}
    assert not without, "say in a table of rules what these cost and what mends them"
    assert len([rule for _, rule in made() if rule in release]) >= 30, "the findings of a release are made by their ids"
    assert not {f"release/{rule}.md" for rule in release} - pages.keys()


def test_every_rule_of_a_release_says_what_it_is_what_it_costs_and_what_to_do():
    rules = [rule for _, _, topic in TOPICS for rule in topic]
    assert len({rule.id for rule in rules}) == len(rules)
    for rule in rules:
        assert rule.title and rule.costs and rule.fix and rule.severity in ("error", "warning", "note"), rule.id
        assert not rule.title.endswith("."), f"{rule.id}: a title is no sentence"


#: Functions that make a finding -> which of their arguments is the rule's id.
MAKERS = {"Finding": 0, "found": 0, "tell": 1}


def made():
    """(module, id) of every finding that the code makes by a literal id."""
    for module in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
                place = MAKERS[node.func.id]
                for said in ast.walk(node.args[place]) if len(node.args) > place else ():
                    if isinstance(said, ast.Constant) and isinstance(said.value, str):
                        yield str(module.relative_to(SOURCE)), said.value


def test_every_page_says_how_bad_it_is_what_it_costs_how_to_see_it_what_to_do_and_shows_both_sides(pages):
    for name, page in pages.items():
        if name == "README.md":
            continue
        assert re.search(r"^It is an? (error|warning|note):", page, re.MULTILINE), name
        for heading in ("## What it costs", "## What to do", "## Wrong", "## Right"):
            assert f"\n{heading}\n\n" in page, f"{name}: {heading}"
        assert re.search(r"^## How to (see|recognise) it$", page, re.MULTILINE), name


def test_the_index_names_every_page_once_and_its_contents_lead_to_its_headings(pages):
    index = pages["README.md"]
    named = re.findall(r"\]\(([\w/-]+\.md)\)", index)
    assert sorted(named) == sorted(pages.keys() - {"README.md"})
    headings = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^### (.+)$", index, re.M)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", index)) == headings


def test_what_a_page_says_to_ask_of_a_cluster_shows_the_fault_in_what_kubectl_prints(pages):
    asked = [rule for rule in RULES.values() if f"-o yaml | seatrial check --rule {rule.id} -" in pages[f"{rule.id}.md"]]
    assert len(asked) > 200
    unseen = set()
    for rule in asked:
        (command,) = re.findall(r"^kubectl get (\S+) ", pages[f"{rule.id}.md"], re.MULTILINE)
        objects = [obj for obj in yaml.safe_load_all(spelled(rule.wrong)) if obj and obj["kind"].lower() in command.split(",")]
        printed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}, default=str).encode()
        world = load(["-"], stdin=lambda printed=printed: printed).world
        if rule.id not in {one.rule for one in found(world, live=False)}:
            unseen.add(rule.id)
    assert not unseen
