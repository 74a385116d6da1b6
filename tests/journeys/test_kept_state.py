"""A twin that keeps its state is stopped and started again: addresses, tokens, volumes, and who may have the state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from live import LiveTwin
from seatrial.twin.home import Home, TwinError
from seatrial.twin.kubelet.process.addresses import BLOCKS, AddressBlock, block_of, claim_block
from seatrial.twin.spawn import spawn

pytestmark = pytest.mark.xdist_group("kept")

CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
      containers:
        - {name: web, image: "python:3.12", command: [python3, -m, http.server, "8080"],
           volumeMounts: [{name: data, mountPath: /data}]}
"""


@pytest.fixture
def home(seatrial_home: Path) -> Iterator[Home]:
    made = Home("kept")
    yield made
    made.stop()


def start(home: Home, state: Path) -> LiveTwin:
    return LiveTwin(home, spawn(home, ["--state", str(state)]).running)


def start_far_off(home: Home, state: Path) -> LiveTwin:
    """Start a twin in a block that other tests' twins, which take the first free one, do not come near."""
    near = [claim_block()]
    while near[-1].index < BLOCKS - 6:
        near.append(claim_block())
    try:
        return start(home, state)
    finally:
        for claimed in near:
            claimed.release()


def addresses(twin: LiveTwin) -> dict[str, str]:
    """The cluster IPs of the Services in `default`, by name."""
    found = json.loads(twin.kubectl("get", "services", "-o", "json"))
    return {item["metadata"]["name"]: item["spec"]["clusterIP"] for item in found["items"]}


def block(twin: LiveTwin) -> int:
    found = block_of(addresses(twin)["kubernetes"])
    assert found is not None
    return found


def test_addresses_and_tokens_outlive_a_restart_and_a_block_that_is_taken(home: Home, tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    twin = start_far_off(home, state)
    twin.kubectl("apply", "-f", "-", stdin=CLAIM)
    twin.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    token = twin.kubectl("create", "token", "default").strip()
    first, of_first = addresses(twin), block(twin)

    with pytest.raises(TwinError, match=rf"is kept by twin 'kept' \(pid {twin.running.pid}\)"):
        spawn(Home("second"), ["--simulate", "--state", str(state)])
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes.pop("state.db.claims") == 0o700
    assert set(modes.values()) == {0o600}, modes
    home.stop()
    assert {path.name for path in tmp_path.iterdir()} == {"state.db", "state.db.claims"}

    twin = start(home, state)
    assert addresses(twin) == first, "the same block was free"
    twin.kubectl("config", "set-credentials", "pod", f"--token={token}")
    me = twin.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", "--user", "pod")
    assert me == "system:serviceaccount:default:default"
    home.stop()

    taken = claim_block(of_first)
    assert taken.index == of_first
    try:
        twin = start_far_off(home, state)
        moved = addresses(twin)
        of_second = block(twin)
        assert of_second != of_first
        network = ip_network(AddressBlock(of_second, taken.claim).service_cidr)
        assert all(ip_address(address) in network for address in moved.values())
        assert f"default/web: {first['web']} is now {moved['web']}" in home.log.read_text()
        twin.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
        twin.kubectl("wait", "--for=jsonpath={.endpoints[0].conditions.ready}=true", "endpointslice", "-l",
                     "kubernetes.io/service-name=web", "--timeout=30s")  # fmt: skip
        slices = json.loads(twin.kubectl("get", "endpointslice", "-l", "kubernetes.io/service-name=web", "-o", "json"))
        pods = ip_network(AddressBlock(of_second, taken.claim).pod_cidr)
        served = [address for item in slices["items"] for each in item["endpoints"] for address in each["addresses"]]
        assert served and all(ip_address(address) in pods for address in served)
        home.stop()
    finally:
        taken.release()
    twin = start(home, state)
    assert addresses(twin) == moved, "where the Services are now is where they stay"


def test_a_file_of_another_kind_is_told_as_such(home: Home, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be taken for one at first sight" * 20)
    with pytest.raises(TwinError, match=r"notes\.txt is no state of a twin: file is not a database"):
        start(home, tmp_path / "notes.txt")
    assert list(tmp_path.iterdir()) == [tmp_path / "notes.txt"]
