"""A command that gives credentials is asked once, and what goes wrong with it is said in words that hold none."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import httpx2
import pytest

from seatrial.cluster.login import Login, LoginError


def command(folder: Path, script: str) -> Path:
    path = folder / "login"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return path


def answers(login: Login, accepted: str, requests: int = 1) -> list[int]:
    """What as many requests at once are answered by a cluster that accepts one token."""

    def cluster(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200 if request.headers["Authorization"] == f"Bearer {accepted}" else 401)

    async def asked() -> list[int]:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(cluster), auth=login, base_url="http://cluster") as client:
            return [one.status_code for one in await asyncio.gather(*(client.get("/version") for _ in range(requests)))]

    return asyncio.run(asked())


def credential(token: str) -> str:
    return json.dumps({"kind": "ExecCredential", "status": {"token": token}})


def test_many_requests_at_once_ask_it_once(tmp_path: Path) -> None:
    path = command(tmp_path, f"echo asked >> {tmp_path}/times; echo '{credential('one')}'")
    assert answers(Login([str(path)], os.environ), "one", requests=5) == [200] * 5
    assert (tmp_path / "times").read_text() == "asked\n"


def test_a_token_that_is_no_longer_taken_is_asked_for_again(tmp_path: Path) -> None:
    first, second = credential("old"), credential("new")
    path = command(tmp_path, f"test -e {tmp_path}/times && echo '{second}' || echo '{first}'; touch {tmp_path}/times")
    assert answers(Login([str(path)], os.environ), "new", requests=3) == [200] * 3


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'your session is over: log in' >&2; exit 3", "ended with exit code 3: your session is over: log in"),
        ("exit 1", "ended with exit code 1"),
        ("true", "printed nothing"),
        ("echo token: hidden", "printed no ExecCredential"),
        ("printf '\\377\\376'", "printed no ExecCredential"),
        ("echo '[]'", "gave no token"),
        ("""echo '{"status": null}'""", "gave no token"),
        ("""echo '{"status": {"token": 5}}'""", "gave no token"),
        ("exec sleep 600", "did not end within 0 s"),
    ],
)
def test_what_is_wrong_with_it_is_said_in_words_and_without_what_it_printed(tmp_path: Path, script: str, words: str) -> None:
    login = Login([str(command(tmp_path, script))], os.environ, patience=0.2 if "sleep" in script else 60)
    with pytest.raises(LoginError) as error:
        answers(login, "one", requests=3)
    assert str(error.value) == words


def test_one_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    with pytest.raises(LoginError, match="cannot be started: Permission denied"):
        answers(Login([str(tmp_path)], os.environ), "one")
