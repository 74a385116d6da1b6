"""Which requests are made again: those that the cluster could not take just now, and none that it refused for good."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from seatrial.cluster.api import CONFIGMAPS, Api, Refused

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
