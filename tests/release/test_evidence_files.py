"""Evidence on a disk that is full, of a cluster that names things oddly, and of one that says little."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from seatrial.release import evidence
from seatrial.release.events import Evidence, Rollout, Verdict
from seatrial.release.evidence import save_evidence
from seatrial.release.redact import Redactor

POD = {
    "metadata": {"name": "../../web", "namespace": "n"},
    "spec": {"containers": [{"name": "c"}]},
    "status": {"containerStatuses": [{"name": "c", "restartCount": 0, "state": {"running": {}}}]},
}
RECORD = {
    "metadata": {"name": "sh.helm.release.v1.r.v1", "namespace": "n", "labels": {"owner": "helm"}},
    "data": {"release": "H4sI"},
}


def saved(into: Path) -> Evidence:
    """The evidence of a cluster with one pod, a record of Helm in a ConfigMap, and nothing else that we may read."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        kind = request.url.path.rpartition("/")[2]
        if kind == "log":
            return httpx2.Response(200, text="it fell over\n")
        found = {"pods": [POD], "configmaps": [RECORD]}.get(kind)
        if found is None:
            return httpx2.Response(403, json={"message": f"{kind} is forbidden"})
        return httpx2.Response(200, json={"metadata": {}, "items": found})

    async def run() -> Evidence:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer), base_url="https://cluster") as http:
            client: Any = SimpleNamespace(http=http)
            verdict = Verdict("doomed", "CrashLoop", "container c ends")
            return await save_evidence(client, Rollout("r", "n", ()), verdict, [], redactor=Redactor(), into=into)

    return asyncio.run(run())


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_may_not_be_read_is_named_and_what_can_be_is_kept(tmp_path: Path) -> None:
    kept = saved(tmp_path / "evidence")
    assert "secrets is forbidden" in (kept.folder / "missing.txt").read_text()
    assert "sh.helm.release" not in (kept.folder / "objects.yaml").read_text()
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept.folder.rglob("*"))


def test_a_name_of_the_cluster_leads_nowhere_else(tmp_path: Path) -> None:
    kept = saved(tmp_path / "evidence")
    assert all(name.startswith(f"evidence/{kept.folder.name}/") for name in names(tmp_path))
    assert (kept.folder / "logs" / ".._.._web.c.log").read_text() == "it fell over\n"


def test_two_failures_in_a_second_have_a_folder_each(tmp_path: Path) -> None:
    assert saved(tmp_path).folder != saved(tmp_path).folder


def full(monkeypatch: pytest.MonkeyPatch, room: set[str]) -> None:
    real = evidence.write

    def write(path: Path, text: str) -> None:
        if path.name not in room:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, text)

    monkeypatch.setattr(evidence, "write", write)


def test_on_a_disk_that_is_full_the_finding_and_the_page_matter_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full(monkeypatch, {"finding.json"})
    kept = saved(tmp_path)
    assert (kept.page, names(kept.folder)) == (None, {"finding.json"})
    assert kept.as_json()["page"] == str(kept.folder)


def test_where_nothing_can_be_written_no_folder_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full(monkeypatch, set())
    with pytest.raises(OSError, match="No space left"):
        saved(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_written_over_and_no_link_followed(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("theirs")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("there", "link"):
        with pytest.raises(FileExistsError):
            evidence.write(tmp_path / name, "ours")
    assert (tmp_path / "there").read_text() == "theirs"
    assert not (tmp_path / "elsewhere").exists()
