"""Ephemeral containers: started in a pod that runs, once, and nobody's business but the one who asked for them."""

import pytest
from quay import Quay, container

from seatrial.twin.errors import ApiError
from seatrial.world.objects import clone


@pytest.fixture
def quay():
    return Quay()


def debug(quay, *command, name="debugger", pod="p", **more):
    """Add an ephemeral container as `kubectl debug` does."""
    obj = clone(quay.get(pod))
    added = {**container(name, *command, **more), "terminationMessagePolicy": "File"}
    obj["spec"].setdefault("ephemeralContainers", []).append(added)
    quay.registry.update("pods", obj, subresource="ephemeralcontainers")


def statuses(quay, pod="p"):
    return {each["name"]: each for each in quay.status(pod).get("ephemeralContainerStatuses", ())}


def test_an_ephemeral_container_runs_beside_the_others(quay):
    quay.pod()
    quay.run(2)
    debug(quay, "sleep", "60")
    quay.run(4)
    status = statuses(quay)["debugger"]
    assert list(status["state"]) == ["running"]
    assert (status["ready"], status["restartCount"], "started" in status) == (False, 0, False)
    path = [e["involvedObject"].get("fieldPath") for e in quay.registry.list("events", "default") if e["reason"] == "Started"]
    assert path == ["spec.containers{c}", "spec.ephemeralContainers{debugger}"]


def test_the_pod_is_as_ready_as_it_was(quay):
    quay.pod()
    quay.run(2)
    debug(quay, "sh", "-c", "exit 3")
    quay.run(20)
    assert statuses(quay)["debugger"]["state"]["terminated"]["exitCode"] == 3
    assert (quay.conditions()["Ready"], quay.status()["phase"]) == ("True", "Running")
    assert quay.container()["ready"]


def test_it_is_never_restarted(quay):
    quay.pod(restartPolicy="Always")
    quay.run(2)
    debug(quay, "sh", "-c", "exit 1")
    quay.run(700)
    status = statuses(quay)["debugger"]
    assert (status["restartCount"], status["lastState"]) == (0, {})
    assert len(quay.events("BackOff")) == 0


def test_it_starts_while_an_init_container_still_runs(quay):
    quay.pod("p", container(), initContainers=[container("init", "sleep", "600")])
    quay.run(2)
    debug(quay, "sleep", "60")
    quay.run(4)
    assert list(statuses(quay)["debugger"]["state"]) == ["running"]
    assert quay.status()["phase"] == "Pending"


def test_it_does_not_keep_a_pod_from_its_end_and_ends_with_it(quay):
    quay.pod("p", container("c", "sleep", "10"), restartPolicy="Never", terminationGracePeriodSeconds=5)
    quay.run(2)
    debug(quay)
    quay.run(30)
    assert quay.status()["phase"] == "Succeeded"
    assert list(statuses(quay)["debugger"]["state"]) == ["terminated"]


def test_commands_run_in_it(quay):
    quay.pod()
    quay.run(2)
    debug(quay, "sleep", "600")
    quay.run(4)
    assert quay.kubelet.container_id("default", "p", "debugger") == statuses(quay)["debugger"]["containerID"]


def test_an_image_that_cannot_be_pulled_keeps_only_itself_waiting(quay):
    quay.pod()
    quay.run(2)
    debug(quay, image="registry.invalid/tools:1")
    quay.run(60)
    assert statuses(quay)["debugger"]["state"]["waiting"]["reason"] in ("ErrImagePull", "ImagePullBackOff")
    assert quay.conditions()["Ready"] == "True"


def test_only_the_ephemeral_containers_change_and_those_there_stay(quay):
    quay.pod()
    quay.run(2)
    debug(quay, "sleep", "600")
    obj = clone(quay.get())
    obj["spec"]["containers"][0]["image"] = "other:2"
    obj["spec"]["ephemeralContainers"].append({**container("second"), "terminationMessagePolicy": "File"})
    quay.registry.update("pods", obj, subresource="ephemeralcontainers")
    assert quay.get()["spec"]["containers"][0]["image"] == "app:1"
    for change, said in (([], "removed"), ([{**obj["spec"]["ephemeralContainers"][0], "image": "x"}], "changed")):
        obj = clone(quay.get())
        obj["spec"]["ephemeralContainers"][:1] = change
        with pytest.raises(ApiError, match=f'existing ephemeral containers "debugger" may not be {said}'):
            quay.registry.update("pods", obj, subresource="ephemeralcontainers")
