"""Patches of what runs as commands: what is pasted into a shell is what was meant, and only that."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from seatrial.cli.repairing import guarded, kept_by, kubectl, told
from seatrial.rules.finding import Finding
from seatrial.world.world import World

WEB: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"template": {"spec": {"containers": [{"name": "side"}, {"name": "web", "image": 'it\'s `a` "b" $HOME'}]}}},
}
AT = "/spec/template/spec/containers/1"
REF = {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web"}


def pasted(command: str) -> list[str]:
    """The words that a shell gives to kubectl."""
    script = f'kubectl() {{ for word in "$@"; do printf \'%s\\0\' "$word"; done; }}\n{command}\n'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


def test_a_patch_tests_what_it_replaces_and_the_items_that_it_goes_through() -> None:
    replace = {"op": "replace", "path": f"{AT}/image", "value": "c"}
    assert guarded(WEB, [replace]) == [
        {"op": "test", "path": f"{AT}/name", "value": "web"},
        {"op": "test", "path": f"{AT}/image", "value": 'it\'s `a` "b" $HOME'},
        replace,
    ]
    add = {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}
    assert guarded(WEB, [add]) == [add]
    secret = {"kind": "Secret", "data": {"a": "aGlkZGVu"}}
    assert "aGlkZGVu" not in json.dumps(guarded(secret, [{"op": "replace", "path": "/data/a", "value": "x"}]))


def test_a_shell_gives_kubectl_what_was_meant() -> None:
    operations = guarded(WEB, [{"op": "replace", "path": f"{AT}/image", "value": "'; rm -rf ~ #\n$(date) ö"}])
    words = pasted(kubectl({"ref": REF, "operations": operations}, ["--context", "my cluster; date", "--kubeconfig", "/a b/c'd"]))
    assert words[:5] == ["--context", "my cluster; date", "--kubeconfig", "/a b/c'd", "patch"]
    assert words[5:10] == ["deployment.apps", "web", "-n", "shop", "--type=json"]
    assert words[10] == "-p" and json.loads(words[11]) == operations


def test_a_title_stays_a_comment_and_shows_no_secret() -> None:
    finding = Finding("a", "error", "web says hunter2\nrm -rf ~", patch=[{"ref": REF, "operations": []}])
    ((_, _, lines),) = told(World([WEB]), [finding], (), lambda text: text.replace("hunter2", "***"))
    assert lines[1] == "# web says *** rm -rf ~" and len(lines) == 3


def test_who_keeps_an_object_is_told() -> None:
    kept = {**WEB, "metadata": {**WEB["metadata"], "annotations": {"meta.helm.sh/release-name": "shop"}}}
    assert kept_by(kept) == "Helm release shop" and kept_by(WEB) == ""
    finding = Finding("a", "error", "web", patch=[{"ref": REF, "operations": []}])
    ((_, _, lines),) = told(World([kept]), [finding], (), str)
    assert lines[2].startswith("# Helm release shop keeps this object")
