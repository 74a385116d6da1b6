"""Which requests are made again: those that the cluster could not take just now, and none that it refused for good."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import httpx2
import pytest

from seatrial.cluster.api import CONFIGMAPS, Api, Refused
from seatrial.cluster.client import ClusterError

OBJ = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "shop"}}


class Answers:
    """A connection that gives these answers, one after the other, and stands for its client."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.http, self.left, self.asked = self, list(answers), 0

    async def request(self, *_: Any, **__: Any) -> httpx2.Response:
        self.asked += 1
        code, message = self.left.pop(0)
        return httpx2.Response(code, json={"kind": "Status", "message": message, **OBJ} if code >= 400 else OBJ)


def applied(answers: Answers) -> Any:
    async def pause(_: float) -> None:
        pass

    return asyncio.run(Api(answers, sleep=pause, now=lambda: 0.0).apply(CONFIGMAPS, OBJ, manager="m", dry_run=True))  # type: ignore[arg-type]


def test_what_the_cluster_could_not_take_is_asked_again() -> None:
    answers = Answers((500, "etcdserver: request timed out"), (429, "slow down"), (200, ""))
    assert applied(answers) == OBJ
    assert answers.asked == 3


def test_an_apply_of_a_wrong_type_is_refused_at_once() -> None:
    answers = Answers((500, "failed to create typed patch object (shop/web; /v1, Kind=ConfigMap): .data: expected map, got &{x}"))
    with pytest.raises(Refused, match="expected map"):
        applied(answers)
    assert answers.asked == 1


class Broken:
    """A connection that is never made, for a reason below the library's own."""

    def __init__(self, below: Exception) -> None:
        self.http, self.below, self.asked, self.where = self, below, 0, "the cluster at https://x (context x)"

    async def request(self, *_: Any, **__: Any) -> httpx2.Response:
        self.asked += 1
        raise httpx2.ConnectError(str(self.below)) from self.below


def refused(below: Exception) -> tuple[str, int]:
    client, now = Broken(below), iter(range(0, 1000, 20))

    async def pause(_: float) -> None:
        pass

    with pytest.raises(ClusterError) as error:
        asyncio.run(Api(client, sleep=pause, now=lambda: float(next(now))).get(CONFIGMAPS, "shop", "web"))  # type: ignore[arg-type]
    return str(error.value), client.asked


def test_a_connection_that_is_refused_is_tried_again_and_told_with_its_address() -> None:
    words, asked = refused(ConnectionRefusedError(111, "Connect call failed"))
    assert "the cluster at https://x (context x) is not reached: Connection refused. Does it run?" in words
    assert asked > 1


def test_a_certificate_that_nobody_trusts_does_not_get_better_by_asking_again() -> None:
    untrusted = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    untrusted.verify_message = "self-signed certificate"
    words, asked = refused(untrusted)
    assert "its certificate is not trusted (self-signed certificate): see certificate-authority" in words
    assert asked == 1
