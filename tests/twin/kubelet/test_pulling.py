"""Images: who pulls, in which order, and what is said when it cannot be done."""

import pytest
from quay import Quay, container, running

from seatrial.twin.kubelet.images import render_seconds, valid_reference
from seatrial.world.images import pull_policy


@pytest.fixture
def quay():
    return Quay()


def test_an_image_that_is_there_is_not_pulled(quay):
    quay.pod()
    quay.run(1)
    assert quay.events("Pulling") == []


def test_an_image_that_is_missing_is_pulled_once_for_a_node(quay):
    quay.pod("first", does={"c": "pull_seconds=4"})
    quay.run(10)
    quay.pod("second", does={"c": "pull_seconds=4"})
    quay.run(11)
    assert quay.events("Pulling", "Pulled", name="first") == [
        'Pulling: Pulling image "app:1"',
        'Pulled: Successfully pulled image "app:1" in 4s (4s including waiting). Image size: 50000000 bytes.',
    ]
    assert quay.first(running(), "first") == 4.5
    assert quay.first(running(), "second") == 10.5
    assert quay.container(name="first")["imageID"].startswith("app@sha256:")


def test_images_are_pulled_one_at_a_time(quay):
    quay.pod("a", container(image="big:1"), does={"c": "pull_seconds=10"})
    quay.pod("b", container(image="small:1"), does={"c": "pull_seconds=1"})
    quay.run(20)
    assert quay.first(running(), "b") == 11.5
    assert "(11s including waiting)" in quay.events("Pulled", name="b")[0]


def test_always_means_always(quay):
    quay.pod("p", container(imagePullPolicy="Always"))
    quay.run(1)
    assert quay.events("Pulling") == ['Pulling: Pulling image "app:1"']


def test_never_means_never(quay):
    quay.pod("p", container(imagePullPolicy="Never"), does={"c": "pull_seconds=1"})
    quay.run(1)
    message = 'Container image "app:1" is not present with pull policy of Never'
    assert quay.state() == {"waiting": {"reason": "ErrImageNeverPull", "message": message}}
    assert quay.events("ErrImageNeverPull", "Failed")[:2] == [
        f"ErrImageNeverPull: {message} (x2)",
        "Failed: Error: ErrImageNeverPull (x2)",
    ]


def test_a_pull_that_fails_is_tried_again_after_ten_seconds_doubling(quay):
    quay.pod(does={"c": "pull_seconds=1,pull_error=not found"})
    quay.run(0.9)
    assert quay.state() == {"waiting": {"reason": "ContainerCreating"}}
    quay.run(1.1)
    assert quay.state() == {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
    quay.run(12)
    said = 'Back-off pulling image "app:1": ErrImagePull: not found'
    assert quay.state() == {"waiting": {"reason": "ImagePullBackOff", "message": said}}
    quay.run(100)
    pulls = next(e for e in quay.registry.list("events", "default") if e["reason"] == "Pulling")
    assert pulls["count"] == 4  # at 0, 11, 32, 73
    assert quay.status()["phase"] == "Pending"
    said = quay.events("Failed", "BackOff")
    assert 'Failed: Failed to pull image "app:1": not found (x4)' in said
    assert any(each.startswith('BackOff: Back-off pulling image "app:1"') for each in said)
    assert any(each.startswith("Failed: Error: ErrImagePull") for each in said)
    assert any(each.startswith("Failed: Error: ImagePullBackOff") for each in said)


def test_an_image_in_a_registry_that_cannot_exist_is_not_found(quay):
    quay.pod("p", container(image="registry.invalid/shop/web:1"))
    quay.run(2)
    assert "dial tcp: lookup registry.invalid: no such host" in quay.state()["waiting"]["message"]


def test_an_image_name_that_is_none_is_refused(quay):
    quay.pod("p", container(image="Not An Image"))
    quay.run(1)
    assert quay.state()["waiting"]["reason"] == "InvalidImageName"


@pytest.mark.parametrize(
    "image", ["nginx", "nginx:1.29", "ghcr.io/acme/shop-web:1", "localhost:5000/a/b_c:x", "a@sha256:" + "0" * 64]
)
def test_what_can_be_an_image(image):
    assert valid_reference(image)


@pytest.mark.parametrize("image", ["", "Nginx", "a b", "nginx:", "/a", "a//b"])
def test_what_cannot_be_an_image(image):
    assert not valid_reference(image)


@pytest.mark.parametrize(
    ("image", "policy"),
    [("a", "Always"), ("a:latest", "Always"), ("a:1", "IfNotPresent"), ("r:5000/a", "Always"), ("a@sha256:00", "IfNotPresent")],
)
def test_the_pull_policy_follows_from_the_tag(image, policy):
    assert pull_policy(image) == policy


@pytest.mark.parametrize(("seconds", "text"), [(0.05, "50ms"), (4, "4s"), (1.2345, "1.234s"), (62.5, "1m2.5s")])
def test_durations_are_written_as_go_writes_them(seconds, text):
    assert render_seconds(seconds) == text


@pytest.mark.parametrize(
    ("image", "answer"),
    [
        ("yourcompany/api:1", 'docker.io/yourcompany/api:1": pull access denied, repository does not exist'),
        ("nginx:does-not-exist", "docker.io/library/nginx:does-not-exist: not found"),
    ],
)
def test_an_image_whose_name_says_that_nobody_has_it_is_refused_as_a_registry_would(quay, image, answer):
    quay.pod("p", container(image=image))
    quay.run(2)
    assert quay.state()["waiting"]["reason"] == "ErrImagePull"
    assert answer in quay.state()["waiting"]["message"]
