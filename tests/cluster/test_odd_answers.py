"""What answers is not always a cluster: log-in pages, proxies, another server. Each is told in words, and none is a defect."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from seatrial.cluster.api import PODS, Api
from seatrial.cluster.client import Client, ClusterError

CONFIG = {
    "clusters": [{"name": "a", "cluster": {"server": "http://a.example"}}],
    "users": [{"name": "a", "user": {"token": "hidden"}}],
    "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    "current-context": "a",
}


def asked(folder: Path, answer: Any, *, pods: bool = False) -> Any:
    """What a cluster that gives this answer to everything serves, or lists as pods."""
    path = folder / "config"
    path.write_text(json.dumps(CONFIG))
    client = Client(path)
    client.http._transport = httpx2.MockTransport(answer if callable(answer) else lambda _: answer)
    client.http._mounts = {}
    api = Api(client, patience=0)
    return asyncio.run(api.list(PODS, "shop") if pods else api.served())


ODD = {
    "a page to log in": (httpx2.Response(200, text="<html>log in</html>"), "no object in JSON: does something else"),
    "a page that is not there": (httpx2.Response(404, text="<html>"), r"a web page \(HTTP 404\): does something else"),
    "a list": (httpx2.Response(200, json=[1]), "no object in JSON"),
    "null": (httpx2.Response(200, text="null"), "no object in JSON"),
    "nothing": (httpx2.Response(200), "no object in JSON"),
    "a way to elsewhere": (
        httpx2.Response(302, headers={"Location": "https://me:hidden@login.example/"}),
        "https://login.example/",
    ),
    "something else's JSON": (httpx2.Response(200, json={"ok": True}), "it serves nothing: does something else"),
    "fields of other types": (httpx2.Response(200, json={"groups": [5], "versions": 7}), "the answer cannot be read"),
    "a status of other types": (httpx2.Response(400, json={"message": {"a": 5}, "details": 5}), "'a': 5"),
    "a list as a status": (httpx2.Response(400, json=[5]), "HTTP 400"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_cluster_is_told_as_such(tmp_path: Path, name: str) -> None:
    answer, words = ODD[name]
    with pytest.raises(ClusterError, match=words) as error:
        asked(tmp_path, answer)
    assert "hidden" not in str(error.value)


def test_a_list_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="listing pods in shop: the answer is no list"):
        asked(tmp_path, httpx2.Response(200, json={"items": {"a": 5}}), pods=True)


def test_a_cluster_that_says_nothing_is_named(tmp_path: Path) -> None:
    def silent(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadTimeout("", request=request)

    with pytest.raises(ClusterError, match=r"the cluster at http://a.example \(context a\) gives no answer"):
        asked(tmp_path, silent)


def test_a_list_whose_pages_expire_is_read_at_once(tmp_path: Path) -> None:
    def cluster(request: httpx2.Request) -> httpx2.Response:
        asked_for = request.url.params
        if "continue" in asked_for:
            return httpx2.Response(410, json={"kind": "Status", "reason": "Expired", "message": "the token has expired"})
        if "limit" in asked_for:
            return httpx2.Response(200, json={"items": [{"metadata": {"name": "a"}}], "metadata": {"continue": "x"}})
        return httpx2.Response(200, json={"items": [{"metadata": {"name": name}} for name in "ab"]})

    assert [pod["metadata"]["name"] for pod in asked(tmp_path, cluster, pods=True)] == ["a", "b"]
