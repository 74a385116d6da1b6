"""`seatrial check` as people call it: what it finds, in which form, with which exit code, and what --fix makes of the files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import tools
from seatrial.cli.check import command

GOOD = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  namespace: shop
data: {LOG_LEVEL: info}
"""
#: Two things a machine can mend, in a layout that is to stay; the first is an error.
WRONG = """\
# the shop's front
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}   # one of two
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
        - name: web     # nginx
          image: 'nginx:1.27'
          lifecycle: {preStop: {sleep: {seconds: 20}}}
          securityContext:
            allowPrivilegeEscalation: true   # why?
"""


def check(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(command, list(arguments), input=stdin, catch_exceptions=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "web.yaml").write_text(WRONG)
    return tmp_path


@pytest.fixture
def with_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """kubectl and helm of the tests."""
    tools.kubectl()
    monkeypatch.setenv("PATH", f"{tools.TOOLS}{os.pathsep}{os.environ['PATH']}")


def rules(result: Result) -> set[str]:
    return {cause["rule"] for cause in json.loads(result.stdout)["causes"]}


def test_nothing_found_exits_with_0(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    result = check(str(tmp_path))
    assert (result.exit_code, result.stdout) == (0, "Nothing found in 1 object of 1 file.\n")


def test_the_line_is_shown_and_the_severity_that_fails_can_be_chosen(folder: Path) -> None:
    result = check("web.yaml", "--rule", "privilege-escalation")
    assert "web.yaml:17\n       17 |             allowPrivilegeEscalation: true   # why?" in result.stdout
    assert result.exit_code == 0
    assert check("web.yaml", "--rule", "privilege-escalation", "--fail-on", "warning").exit_code == 1
    assert check("web.yaml", "--rule", "privilege-escalation", "--fail-on", "never").exit_code == 0


def test_a_broken_file_is_told_and_the_others_are_checked(folder: Path) -> None:
    (folder / "broken.yaml").write_text("apiVersion: v1\nkind: Pod\n  name: [\n")
    result = check(".", "-o", "json")
    assert "privilege-escalation" in rules(result)
    assert json.loads(result.stdout)["unread"][0]["source"].startswith("broken.yaml:3")
    assert check(".", "--rule", "privilege-escalation").exit_code == 2


def test_standard_input_is_a_file(folder: Path) -> None:
    assert "privilege-escalation" in rules(check("-", "-o", "json", stdin=WRONG))


def test_a_rule_that_does_not_exist_and_a_path_that_does_not_are_mistakes(folder: Path) -> None:
    result = check("--rule", "privilege-escalations")
    assert result.exit_code == 2 and "Did you mean 'privilege-escalation'?" in result.stderr
    assert "there is no 'nowhere'" in check("nowhere").stderr


def test_fix_mends_what_it_can_and_keeps_every_other_byte(folder: Path) -> None:
    shown = check("web.yaml", "--rule", "privilege-escalation", "--diff")
    assert (
        "-            allowPrivilegeEscalation: true   # why?\n+            allowPrivilegeEscalation: false   # why?"
        in shown.stdout
    )
    assert (folder / "web.yaml").read_text() == WRONG
    result = check("web.yaml", "--rule", "privilege-escalation", "--fix")
    assert "mended  Deployment web, container web: may gain privileges" in result.stderr
    assert (folder / "web.yaml").read_text() == WRONG.replace("Escalation: true", "Escalation: false")
    assert "Nothing found" in result.stdout


def test_what_comes_to_light_under_a_right_kind_is_mended_in_the_same_run(folder: Path) -> None:
    right = WRONG.replace("PeriodSeconds: 5", "PeriodSeconds: 60")
    (folder / "web.yaml").write_text(right.replace("kind: Deployment", "kind: deployment"))
    only = check("web.yaml", "--fix", "--rule", "unknown-kind")
    assert (folder / "web.yaml").read_text() == right, only.stderr
    (folder / "web.yaml").write_text(right.replace("kind: Deployment", "kind: deployment"))
    check("web.yaml", "--fix")
    assert "Escalation: false" in (folder / "web.yaml").read_text()
    assert "mended" not in check("web.yaml", "--fix").stderr


def test_items_that_go_out_of_one_list_all_go(folder: Path) -> None:
    volumes = "      volumes:\n" + "".join(f"        - {{name: v{n}, emptyDir: {{sizeLimit: 1Mi}}}} # {n}\n" for n in range(3))
    (folder / "web.yaml").write_text(WRONG + volumes)
    check("web.yaml", "--fix", "--rule", "volume-unused")
    assert (folder / "web.yaml").read_text() == f"{WRONG}      volumes: [] # 2\n"


def test_an_object_that_gets_another_version_is_mended_further(folder: Path) -> None:
    old = """\
apiVersion: extensions/v1beta1   # old
kind: Ingress
metadata:
  name: web
  namespace: shop
  annotations: {a: 1}
spec:
  rules: [{host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {serviceName: web, servicePort: 80}}]}}]
"""
    (folder / "web.yaml").write_text(old)
    check("web.yaml", "--fix")
    after = (folder / "web.yaml").read_text()
    assert "annotations: {a: '1'}" in after and "# old" in after


def test_fix_gives_fields_their_right_name_and_place(folder: Path) -> None:
    wrong = WRONG.replace("replicas: 2", "replcias: 2   # two").replace(
        "terminationGracePeriodSeconds: 5", "livenessProbe:  # alive\n        httpGet: {path: /, port: 80}"
    )
    (folder / "web.yaml").write_text(wrong)
    told = check("web.yaml", "--rule", "unknown-field")
    assert told.exit_code == 1
    words = " ".join(told.stdout.split())
    assert "Deployment web: `replcias` is no field of `spec`; did you mean `replicas`? [unknown-field]" in words
    assert "        6 |   replcias: 2   # two" in told.stdout
    check("web.yaml", "--rule", "unknown-field", "--fix")
    mended = (folder / "web.yaml").read_text()
    assert "  replicas: 2   # two\n" in mended
    assert mended.endswith("          livenessProbe:  # alive\n            httpGet: {path: /, port: 80}\n")


PROBES = WRONG.replace(
    "          securityContext:",
    """\
          ports: [{name: http, containerPort: 80}]
          livenessProbe: &probe {httpGet: {path: /, port: web}}
          readinessProbe: *probe
          securityContext:""",
)


def test_what_an_alias_says_again_is_told_once(folder: Path) -> None:
    (folder / "web.yaml").write_text(PROBES)
    result = check("web.yaml", "--rule", "probe-port-unknown")
    assert result.exit_code == 1 and "1 error in 1 object" in result.stdout


def test_what_would_change_more_than_was_meant_is_left_and_the_rest_is_mended(folder: Path) -> None:
    (folder / "web.yaml").write_text(PROBES)
    result = check("web.yaml", "--fix")
    assert "[probe-port-unknown]: the layout here (an anchor, a merge key, …)" in result.stderr
    assert "mended  Deployment web, container web: may gain privileges" in result.stderr
    assert "port: web}} # " not in (folder / "web.yaml").read_text()
    again = check("web.yaml", "--fix")
    assert "mended" not in again.stderr and "can be mended" not in again.stdout


def applies(diff: str, folder: Path, tool: list[str]) -> None:
    done = subprocess.run(tool, input=diff.encode(), cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("tool", [["git", "apply", "-"], ["patch", "-p1", "-s"]])
def test_the_diff_is_what_fix_does_and_other_tools_take_it(folder: Path, tool: list[str]) -> None:
    if shutil.which(tool[0]) is None:
        pytest.skip(f"there is no {tool[0]}")
    (folder / "deploy").mkdir()
    files = [folder / "web.yaml", folder / "deploy" / "my api.yaml"]
    files[1].write_text(WRONG.replace("name: web", "name: api").rstrip("\n"))
    before = [file.read_text() for file in files]
    diff = check(str(folder), "--diff")
    assert diff.stdout.startswith("--- a/") and "+++ b/web.yaml\n" in diff.stdout, "of an absolute path what is below this folder"
    check(".", "--fix")
    after = [file.read_text() for file in files]
    for file, text in zip(files, before, strict=True):
        file.write_text(text)
    applies(diff.stdout, folder, tool)
    assert [file.read_text() for file in files] == after != before


def test_a_diff_of_files_elsewhere_says_where_it_is_to_be_applied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "here").mkdir()
    monkeypatch.chdir(folder / "here")
    diff = check("../web.yaml", "--diff")
    assert "+++ b/web.yaml\n" in diff.stdout and f"patch -p1 -d {folder}" in diff.stderr


def test_what_fix_cannot_write_is_told(folder: Path) -> None:
    (folder / "web.yaml").chmod(0o444)
    result = check("web.yaml", "--fix")
    assert "web.yaml is read-only" in result.stderr and (folder / "web.yaml").read_text() == WRONG
    result = check("-", "--fix", stdin=WRONG)
    assert result.exit_code == 2 and "standard input is no file that could be mended" in result.stderr
    assert check("--diff", "-o", "json").exit_code == 2


def test_fix_keeps_the_mode_and_a_link(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "web.yaml").rename(folder / "real" / "web.txt")
    (folder / "real" / "web.txt").chmod(0o640)
    (folder / "web.yaml").symlink_to("real/web.txt")
    check("web.yaml", "--fix")
    assert (folder / "web.yaml").is_symlink() and (folder / "real" / "web.txt").stat().st_mode & 0o777 == 0o640
    assert "Escalation: false" in (folder / "web.yaml").read_text()


def test_what_something_makes_is_left_unless_it_is_named(folder: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / ".gitignore").write_text("out\n")
    (folder / "out").mkdir()
    (folder / "out" / "all.yaml").write_text(WRONG.replace("name: web", "name: all"))
    (folder / "web.yaml").write_text(f"# Code generated by a tool. DO NOT EDIT.\n{WRONG}")
    left = check("--fix", "--rule", "privilege-escalation").stderr
    assert "out/all.yaml is ignored by git" in left and "web.yaml says that something makes it" in left
    assert "mended" in check("web.yaml", "--fix").stderr


def test_a_template_without_placeholders_is_left_too(folder: Path, with_tools: None) -> None:
    (folder / "templates").mkdir()
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    (folder / "web.yaml").rename(folder / "templates" / "web.yaml")
    result = check("--fix", "--rule", "privilege-escalation")
    assert "Deployment web is made from templates/web.yaml, not written in a file" in result.stderr
    assert (folder / "templates" / "web.yaml").read_text() == WRONG


def test_a_chart_is_rendered_for_the_version_that_is_asked_for(folder: Path, with_tools: None) -> None:
    (folder / "chart" / "templates").mkdir(parents=True)
    (folder / "chart" / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    (folder / "chart" / "templates" / "budget.yaml").write_text("""\
apiVersion: policy/{{ if semverCompare ">=1.21-0" .Capabilities.KubeVersion.Version }}v1{{ else }}v1beta1{{ end }}
kind: PodDisruptionBudget
metadata: {name: web}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}
""")
    of = {version: check("chart", "--kubernetes-version", version, "-o", "json", "--verbose") for version in ("1.20", "v1.30")}
    assert "api-deprecated" in rules(of["1.20"]) and not {"api-deprecated", "api-removed"} & rules(of["v1.30"])


def test_a_base_is_mended_where_the_overlay_leaves_it_as_it_is(folder: Path, with_tools: None) -> None:
    base, overlay = folder / "base", folder / "production"
    base.mkdir()
    overlay.mkdir()
    sidecar = "spec: {template: {spec: {containers: [{name: a, image: 'a:1'}]}}}"
    (folder / "web.yaml").rename(base / "web.yaml")
    (base / "kustomization.yaml").write_text("resources: [web.yaml]\n")
    (overlay / "kustomization.yaml").write_text("resources: [../base]\nnamePrefix: prod-\n")
    patched = "patches: [{path: more.yaml}]\n"
    (overlay / "more.yaml").write_text(
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: shop}}\n{sidecar}\n"
    )
    (overlay / "kustomization.yaml").write_text(f"resources: [../base]\nnamePrefix: prod-\n{patched}")
    check("--fix", "--rule", "privilege-escalation")
    assert (base / "web.yaml").read_text() == WRONG, "its container is another one there"
    (overlay / "kustomization.yaml").write_text("resources: [../base]\nnamePrefix: prod-\n")
    check("--fix", "--rule", "privilege-escalation")
    assert (base / "web.yaml").read_text() == WRONG.replace("Escalation: true", "Escalation: false")


def test_fix_leaves_what_is_made_by_an_app_file_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seatrial.yaml").write_text("app: a\nservices:\n  web: {image: 'nginx:1.27', port: 80}\n")
    before = (tmp_path / "seatrial.yaml").read_text()
    result = check("--fix", "-o", "json")
    assert (tmp_path / "seatrial.yaml").read_text() == before
    assert "mended" not in result.stderr


def test_what_was_decided_is_ignored_with_its_reason(folder: Path) -> None:
    (folder / "web.yaml").write_text(WRONG.replace("# why?", "# seatrial: ignore[privilege-escalation] the vendor says so"))
    result = check("web.yaml", "--rule", "privilege-escalation", "--verbose")
    assert "ignored" in result.stdout and "the vendor says so [web.yaml:17]" in result.stdout
    (folder / "web.yaml").write_text(WRONG)
    (folder / ".seatrial-ignore.yaml").write_text("ignore:\n- {rule: privilege-*, reason: known, objects: Deployment/web}\n")
    assert "1 ignored" in check("web.yaml", "--rule", "privilege-escalation").stdout
    (folder / ".seatrial-ignore.yaml").write_text("ignore:\n- {rule: privilege-*}\n")
    result = check("web.yaml")
    assert result.exit_code == 2 and "no reason is given" in result.stderr


def test_an_object_that_is_written_twice_is_told_with_both_places_and_may_be_an_alternative_in_another_file(folder: Path) -> None:
    (folder / "again.yaml").write_text(WRONG)
    result = check(".", "--rule", "written-twice", "-o", "json")
    (cause,) = json.loads(result.stdout)["causes"]
    assert {fact["source"] for fact in cause["evidence"]} == {"web.yaml:2", "again.yaml:2"}
    assert cause["severity"] == "warning" and result.exit_code == 0


def test_two_files_with_much_in_common_are_told_once(folder: Path) -> None:
    account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {}}}\n---\n"
    for file in ("a.yaml", "b.yaml"):
        (folder / file).write_text("".join(account.format(name) for name in ("x", "y", "z")))
    (cause,) = json.loads(check(".", "--rule", "written-twice", "-o", "json").stdout)["causes"]
    assert cause["title"].startswith("ServiceAccount x") and "2 more" in cause["title"]


def test_an_object_that_is_written_twice_in_one_file_is_an_error(folder: Path) -> None:
    (folder / "web.yaml").write_text(f"{WRONG}---\n{WRONG}".replace("replicas: 2", "replicas: 3", 1))
    assert check(".", "--rule", "written-twice").exit_code == 1


def test_code_scanning_gets_a_file_that_it_takes(folder: Path) -> None:
    document = json.loads(check("-o", "sarif").stdout)
    assert document["version"] == "2.1.0"
    assert {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in document["runs"][0]["results"]
    } == {"web.yaml"}


def test_help_comes_without_loading_the_rules() -> None:
    code = "import sys; import seatrial.cli.check; print([m for m in sys.modules if m.startswith('seatrial.rules')])"
    import sys

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_decision_about_a_rule_that_does_not_exist_is_told(folder: Path) -> None:
    (folder / ".seatrial-ignore.yaml").write_text(
        "ignore: [{rule: privilege-escalatio, reason: old}, {rule: crash-*, reason: known}]\n"
    )
    result = check("web.yaml")
    assert "there is no rule 'privilege-escalatio'. Did you mean 'privilege-escalation'?" in result.stderr
    assert "crash" not in result.stderr, "that is a rule of what runs"


def test_nothing_to_check_is_no_clean_bill(folder: Path) -> None:
    (folder / "empty").mkdir()
    assert "There is no Kubernetes object in empty" in check("empty").stderr
