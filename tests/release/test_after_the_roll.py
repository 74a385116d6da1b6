"""What came up is looked at once more, and what failed is kept: verification and evidence against a running twin."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from stage import deployment, objects

from seatrial.cluster.client import Client
from seatrial.release.events import Event, Rollout, Verdict
from seatrial.release.evidence import save_evidence
from seatrial.release.redact import Redactor
from seatrial.release.verify import verify
from seatrial.world.objects import Obj, clone

SERVICE = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: APP}, ports: [{port: 80}]}}"


@pytest.fixture(scope="module")
def simulated(start_twin: Callable[..., Any]) -> Any:
    return start_twin("after", "--simulate")


def applied(twin: Any, namespace: str, found: list[Obj], *, wait: str = "") -> Rollout:
    twin.kubectl("create", "namespace", namespace)
    placed = [clone(obj) for obj in found]
    for obj in placed:
        obj["metadata"]["namespace"] = namespace
    twin.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": placed}))
    if wait:
        twin.kubectl("-n", namespace, "wait", wait, "--timeout=30s", "pod", "--all")
    return Rollout("r", namespace, tuple(placed))


def verified(twin: Any, rollout: Rollout, **more: Any) -> Verdict:
    async def run() -> Verdict:
        client = Client(Path(twin.running.kubeconfig))
        try:
            return await verify(client, rollout, tell=lambda *_, **__: None, clock=time, **more)
        finally:
            await client.close()

    return asyncio.run(run())


def test_what_holds_is_verified(simulated: Any) -> None:
    rollout = applied(simulated, "v-good", [deployment(), *objects(SERVICE.replace("APP", "web"))])
    simulated.kubectl("-n", "v-good", "rollout", "status", "deployment/web", "--timeout=30s")
    assert verified(simulated, rollout, settle=0.1).state == "succeeded"


def test_a_container_that_falls_over_after_it_was_up_is_found(simulated: Any) -> None:
    rollout = applied(simulated, "v-bad", [deployment(profile="exits_after=2,exit_code=7")])
    simulated.kubectl("-n", "v-bad", "rollout", "status", "deployment/web", "--timeout=30s")
    verdict = verified(simulated, rollout, settle=10.0)
    assert verdict.state == "doomed"
    assert "exit code 7" in verdict.text


def test_a_pod_that_nobody_asks_whether_it_is_ready_has_to_hold_for_a_moment(simulated: Any) -> None:
    rollout = applied(simulated, "v-first", [deployment(profile="exits_after=1,exit_code=7")])
    simulated.kubectl("-n", "v-first", "rollout", "status", "deployment/web", "--timeout=30s")
    assert verified(simulated, rollout).state == "doomed"


def test_evidence_holds_everything_and_no_secret(simulated: Any, tmp_path: Path) -> None:
    secret = "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {password: hunter2hunter2}}"
    command = {"command": ["sh", "-c", "echo password is hunter2hunter2; exit 3"]}
    rollout = applied(simulated, "v-kept", [*objects(secret), deployment(container=command)])
    simulated.kubectl(
        "-n", "v-kept", "wait", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "pod", "--all", "--timeout=30s"
    )

    async def run() -> Any:
        client = Client(Path(simulated.running.kubeconfig))
        verdict, events = (
            Verdict("doomed", "CrashLoop", "container c ends"),
            [Event(0.5, "note", None, {"text": "hunter2hunter2"})],
        )
        try:
            return await save_evidence(client, rollout, verdict, events, redactor=Redactor(), into=tmp_path / "kept")
        finally:
            await client.close()

    kept = asyncio.run(run())
    files = {str(path.relative_to(kept.folder)): path.read_text() for path in kept.folder.rglob("*") if path.is_file()}
    assert {"finding.json", "timeline.jsonl", "objects.yaml", "index.html"} <= files.keys()
    assert any(name.endswith(".previous.log") and "password is ***" in text for name, text in files.items())
    kinds = {item["kind"] for item in yaml.safe_load(files["objects.yaml"])["items"]}
    assert {"Pod", "Deployment", "ReplicaSet", "Secret", "Event"} <= kinds
    assert not [name for name, text in files.items() if "hunter2" in text or "aHVudGVyMmh1bnRlcjI" in text]
    assert kept.folder.stat().st_mode & 0o777 == 0o700
