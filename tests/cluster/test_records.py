"""Helm's records, read where it keeps them and written down as failed: what the real Helm says of them afterwards."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

import tools
from seatrial.cluster import helm as helms
from seatrial.cluster.api import Api
from seatrial.cluster.client import Client, ClusterError
from seatrial.cluster.records import read, records, unlock

CHART = "apiVersion: v2\nname: note\nversion: 0.1.0\nappVersion: '7'\n"
TEMPLATE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: note}\ndata: {text: {{ .Values.text }}}\n"


def test_what_helm_has_written_is_read_and_can_be_taken_for_failed(twin, tmp_path, monkeypatch):
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text(CHART)
    (tmp_path / "templates" / "note.yaml").write_text(TEMPLATE)
    monkeypatch.setattr(helms, "binary", lambda: tools.helm())
    helm = helms.Helm(twin.home.kubeconfig)

    async def scene() -> None:
        client = Client(twin.home.kubeconfig)
        api = Api(client)
        for text in ("one", "two"):
            await helm.upgrade("note", tmp_path, "noted", values={"text": text}, description=f"says {text}")
        await helm.upgrade("other", tmp_path, "noted2", values={"text": "x"})
        first, last = await records(api, "noted", "note")
        assert (first.revision, first.status, last.revision, last.status) == (1, "superseded", 2, "deployed")
        assert (last.chart, last.app_version, last.description, last.values) == ("note-0.1.0", "7", "says two", {"text": "two"})
        assert "text: two" in last.manifest
        assert last.server_side
        assert await records(api, "noted", "nobody") == []

        await unlock(api, last, "it crashed")
        with pytest.raises(ClusterError, match=r"changed|modified"):
            await unlock(api, last, "somebody was quicker")
        await client.close()

    asyncio.run(scene())
    history = json.loads(twin.helm("-n", "noted", "history", "note", "-o", "json"))
    assert [(one["revision"], one["status"], one["description"]) for one in history] == [
        (1, "superseded", "says one"),
        (2, "failed", "Never came up: it crashed"),
    ]
    asyncio.run(helm.rollback("note", "noted", 1))
    assert twin.kubectl("-n", "noted", "get", "configmap", "note", "-o", "jsonpath={.data.text}") == "one"


@pytest.mark.parametrize("data", [{}, {"release": "!"}, {"release": base64.b64encode(b"H4sIAAAA").decode()}, {"release": "e30="}])
def test_what_is_no_record_is_told_by_its_name(data):
    with pytest.raises(ClusterError, match="reading odd: this is no record of a Helm release"):
        read({"kind": "Secret", "metadata": {"name": "odd", "namespace": "n"}, "data": data})
