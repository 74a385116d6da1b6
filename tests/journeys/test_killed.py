"""A twin that keeps its state is killed with SIGKILL while clients write, and has every acknowledged write when it is back."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import ssl
import threading
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import yaml

from seatrial.twin.home import Home, Running
from seatrial.twin.spawn import spawn

CLIENTS = 4
PATH = "/api/v1/namespaces/default/configmaps"

pytestmark = pytest.mark.xdist_group("killed")


class Client:
    """One connection to a twin."""

    def __init__(self, running: Running) -> None:
        token = yaml.safe_load(Path(running.kubeconfig).read_text())["users"][0]["user"]["token"]
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        at = urlsplit(running.server)
        self._connection = http.client.HTTPSConnection(at.hostname, at.port, context=tls)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """The answer. Raises OSError or HTTPException when there is none."""
        self._connection.request(method, path, json.dumps(body) if body is not None else None, self._headers)
        answer = self._connection.getresponse()
        said = json.loads(answer.read())
        assert answer.status in (200, 201), said
        return said


class Writer(threading.Thread):
    """Creates, changes and deletes ConfigMaps until nobody answers.

    `known` has what was acknowledged last for each name, None for one that is deleted; `unanswered` what was asked and not
    answered, which may have come about or not.
    """

    def __init__(self, client: Client, number: int, acknowledged: threading.Semaphore) -> None:
        super().__init__()
        self._client, self._number, self._acknowledged = client, number, acknowledged
        self._random = random.Random(number)
        self.known: dict[str, str | None] = {}
        self.unanswered: tuple[str, str | None] = ("", None)
        self.version = 0

    def run(self) -> None:
        try:
            for turn in range(1_000_000):
                self._write(turn)
                self._acknowledged.release()
        except (OSError, http.client.HTTPException):
            pass  # the twin is gone

    def _write(self, turn: int) -> None:
        alive = [name for name, value in self.known.items() if value is not None]
        choice = self._random.random()
        if not alive or choice < 0.5:
            name, value, method, path = f"c{self._number}-{turn}", str(turn), "POST", PATH
        else:
            name = self._random.choice(alive)
            path = f"{PATH}/{name}"
            value, method = (str(turn), "PUT") if choice < 0.8 else (None, "DELETE")
        self.unanswered = name, value
        body = (
            None if value is None else {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"v": value}}
        )
        said = self._client.ask(method, path, body)
        self.known[name], self.unanswered = value, ("", None)
        if value is not None:
            self.version = max(self.version, int(said["metadata"]["resourceVersion"]))  # type: ignore[index, call-overload]


def write_until_killed(running: Running, writes: int) -> list[Writer]:
    """Let clients write side by side, and kill the twin in the middle of it when so many writes are acknowledged."""
    acknowledged = threading.Semaphore(0)
    writers = [Writer(Client(running), number, acknowledged) for number in range(CLIENTS)]
    for writer in writers:
        writer.start()
    for _ in range(writes):
        assert acknowledged.acquire(timeout=30)
    os.kill(running.pid, signal.SIGKILL)
    for writer in writers:
        writer.join(timeout=30)
    return writers


@pytest.mark.parametrize("writes", [1, 60, 400])
def test_every_acknowledged_write_is_there_after_sigkill(seatrial_home, tmp_path, writes):
    home, options = Home("killed"), ["--simulate", "--state", str(tmp_path / "state.db")]
    running = spawn(home, options).running
    process = psutil.Process(running.pid)
    writers = write_until_killed(running, writes)
    process.wait(30)
    try:
        client = Client(spawn(home, options).running)
        found = {item["metadata"]["name"]: item for item in client.ask("GET", PATH)["items"]}  # type: ignore[attr-defined]
        for writer in writers:
            for name, value in writer.known.items():
                there = found[name]["data"]["v"] if name in found else None
                maybe = (value, writer.unanswered[1]) if writer.unanswered[0] == name else (value,)
                assert there in maybe, f"{name}: {value!r} was acknowledged, {there!r} is there"
        nobody_wrote = set(found) - {name for writer in writers for name in (*writer.known, writer.unanswered[0])}
        assert nobody_wrote == {"kube-root-ca.crt"}
        new = client.ask("POST", PATH, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "after"}})
        assert int(new["metadata"]["resourceVersion"]) > max(writer.version for writer in writers)  # type: ignore[index, call-overload]
    finally:
        home.stop()
