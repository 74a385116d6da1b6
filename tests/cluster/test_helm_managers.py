"""Helm from PATH and Helm's SDK are one Helm to the cluster: a release made by one is upgraded by the other."""

from __future__ import annotations

import asyncio
import json

import tools
from seatrial.cluster import helm

CHART = "apiVersion: v2\nname: note\nversion: 0.1.0\n"
TEMPLATE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: note}\ndata: {text: {{ .Values.text }}}\n"


def test_the_sdk_and_the_binary_take_turns_at_one_release(twin, tmp_path, monkeypatch):
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text(CHART)
    (tmp_path / "templates" / "note.yaml").write_text(TEMPLATE)
    for text, binary in (("sdk", None), ("binary", tools.helm()), ("sdk-again", None)):
        monkeypatch.setattr(helm, "binary", lambda binary=binary: binary)
        client = helm.Helm(twin.home.kubeconfig)
        asyncio.run(client.upgrade("note", tmp_path, "turns", values={"text": text}))
        note = json.loads(twin.kubectl("-n", "turns", "get", "configmap", "note", "-o", "json", "--show-managed-fields"))
        assert note["data"] == {"text": text}
        assert [entry["manager"] for entry in note["metadata"]["managedFields"]] == ["helm"]
