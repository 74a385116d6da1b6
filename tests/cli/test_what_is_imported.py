"""A command answers at once because it imports only what this run of it needs: what is slow to import comes when it is used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

#: Slow to import, or to be had from others only: nothing that lists verbs or reads plain manifests needs any of them.
HEAVY = {
    *("asyncio", "ssl", "socket", "http.client", "logging", "subprocess", "multiprocessing", "importlib.metadata"),
    *("yaml", "rich", "pydantic", "lightkube", "httpx", "cryptography", "uvicorn", "psutil", "promql_parser", "cel_expr_python"),
    *("seatrial.app", "seatrial.render", "seatrial.package", "seatrial.cluster", "seatrial.release", "seatrial.twin"),
    *("seatrial.sources.charts", "seatrial.sources.kustomizations", "seatrial.sources.apps", "seatrial.sources.live"),
}
RUN = """
import json, sys
from seatrial.cli import seatrial
try:
    seatrial.main(sys.argv[1:])
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
MANIFESTS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {LOG_LEVEL: info}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: ExternalName, externalName: web.example.com}
"""


def imported(*arguments: str, at: Path) -> set[str]:
    """The modules that a command has imported when it ends well."""
    done = subprocess.run([sys.executable, "-c", RUN, *arguments], cwd=at, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_no_verb_is_imported_to_list_them(flag: str, tmp_path: Path) -> None:
    found = imported(flag, at=tmp_path)
    assert not found & HEAVY
    assert {name for name in found if name.startswith("seatrial")} == {"seatrial", "seatrial.cli"}


@pytest.mark.parametrize("path", [".", "shop.yaml"])
def test_plain_manifests_are_checked_without_what_reads_charts_apps_and_clusters(path: str, tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(MANIFESTS)
    found = imported("check", path, at=tmp_path)
    assert "seatrial.rules.written" in found
    assert not found & HEAVY
