"""What other tools save of a cluster is diagnosed as a cluster is: objects in lists, and logs, by each tool's way of naming."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seatrial.sources import load
from seatrial.sources.dumps import BYTES, logs_below
from seatrial.world.objects import Ref
from seatrial.world.world import LogKey

WEB, DB = Ref("", "Pod", "shop", "web-5d9c7-x2x4q"), Ref("", "Pod", "shop", "db-0")


def pod(name: str, *containers: str) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"containers": [{"name": one} for one in containers]}}


def dump(folder: Path, pods: str, logs: dict[str, str]) -> Path:
    """A folder with two pods, as a list whose items have no kind, and files of logs."""
    items = [pod(WEB.name, "web", "web-proxy"), pod(DB.name, "postgres")]
    files = {pods: json.dumps({"kind": "PodList", "apiVersion": "v1", "items": items}), **logs}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


LAYOUTS = {
    "kubectl cluster-info dump": (
        "shop/pods.json",
        {
            f"shop/{WEB.name}/logs.txt": f"==== START logs for container web of pod shop/{WEB.name} ====\nGET /\n"
            f"==== END logs for container web of pod shop/{WEB.name} ====\n"
            f"==== START logs for container web-proxy of pod shop/{WEB.name} ====\n"
            f"==== END logs for container web-proxy of pod shop/{WEB.name} ====\n",
            f"shop/{DB.name}/logs.txt": f"==== START logs for container postgres of pod shop/{DB.name} ====\nFATAL: no disk\n",
        },
    ),
    "a support bundle": (
        "cluster-resources/pods/shop.json",
        {
            f"cluster-resources/pods/logs/shop/{WEB.name}/web.log": "GET /\n",
            f"cluster-resources/pods/logs/shop/{DB.name}/postgres-previous.log": "PANIC\n",
            f"db/{DB.name}/postgres.log": "FATAL: no disk\n",
        },
    ),
    "must-gather": (
        "namespaces/shop/core/pods.yaml",
        {
            f"namespaces/shop/pods/{WEB.name}/web/web/logs/current.log": "GET /\n",
            f"namespaces/shop/pods/{DB.name}/postgres/postgres/logs/current.log": "FATAL: no disk\n",
            f"namespaces/shop/pods/{DB.name}/postgres/postgres/logs/previous.log": "PANIC\n",
        },
    ),
    "files beside one another": (
        "pods.json",
        {f"{WEB.name}-web.log": "GET /\n", f"{DB.name}.log": "FATAL: no disk\n", f"{DB.name}.previous.log": "PANIC\n"},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_logs_are_found_in_every_layout(tmp_path: Path, layout: str) -> None:
    world = load([str(dump(tmp_path, *LAYOUTS[layout]))]).world
    found = logs_below(tmp_path, world)
    assert found[LogKey(WEB, "web")] == ["GET /"]
    assert found[LogKey(DB, "postgres")] == ["FATAL: no disk"]
    assert found.get(LogKey(DB, "postgres", True), ["PANIC"]) == ["PANIC"]


def test_a_log_of_nobody_is_nobodys(tmp_path: Path) -> None:
    world = load([str(dump(tmp_path, "pods.json", {"install.log": "done\n", f"{WEB.name}.log": "of which container?\n"}))]).world
    assert not logs_below(tmp_path, world)


def test_of_a_pod_that_two_namespaces_have_the_one_in_the_path_is_meant(tmp_path: Path) -> None:
    dump(tmp_path, "pods.json", {"shop/db-0/postgres.log": "ours\n", "db-0/postgres.log": "whose?\n"})
    twin = {**pod(DB.name, "postgres"), "metadata": {"name": DB.name, "namespace": "other"}, "kind": "Pod", "apiVersion": "v1"}
    (tmp_path / "other.json").write_text(json.dumps(twin))
    assert logs_below(tmp_path, load([str(tmp_path)]).world) == {LogKey(DB, "postgres"): ["ours"]}


def test_what_leads_out_of_the_folder_is_not_read_and_of_what_is_long_only_the_end(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("key\n")
    folder = dump(tmp_path / "dump", "pods.json", {f"{DB.name}/postgres.log": "a line\n" * (BYTES // 4)})
    (folder / f"{WEB.name}").mkdir()
    (folder / f"{WEB.name}/web.log").symlink_to(tmp_path / "secret")
    found = logs_below(folder, load([str(folder)]).world)
    assert set(found) == {LogKey(DB, "postgres")}
    assert len(found[LogKey(DB, "postgres")]) == BYTES // len("a line\n")


def test_evidence_that_leads_out_of_its_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("key: hidden\n")
    folder = tmp_path / "evidence"
    folder.mkdir()
    (folder / "finding.json").write_text("[" * 20000)
    (folder / "objects.yaml").symlink_to(tmp_path / "secret.yaml")
    told = {Path(one.file).name: one.text for one in load([str(folder)]).problems}
    assert told["finding.json"].startswith("this is no JSON")
    assert "leads out of the folder" in told["objects.yaml"]
