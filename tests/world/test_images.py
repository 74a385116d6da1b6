"""Names of images that cannot be meant."""

import pytest

from seatrial.world.images import doubt, is_slip


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("yourcompany/api:1.2", "`yourcompany` is a placeholder"),
        ("your-registry.example.com/api:1", "`your-registry` is a placeholder"),
        ("ghcr.io/your-org/api@sha256:" + "0" * 64, "`your-org` is a placeholder"),
        ("nginx:does-not-exist", "its own name says so"),
        ("registry.example/nonexistent:1", "its own name says so"),
        ("ngnix:1.27", "no official image is called `ngnix`; `nginx` is"),
        ("docker.io/library/busybox", ""),
        ("yourls:1", ""),
        ("shop-web", ""),
        ("node:22", ""),
        ("acme/ngnix", ""),
        ("ghcr.io/acme/api:1.4.0", ""),
    ],
)
def test_a_name_that_nobody_can_have_meant_is_doubted(image, why):
    assert doubt(image) == why


@pytest.mark.parametrize(
    ("word", "slip"), [("ngnix", True), ("ngix", True), ("nginxx", True), ("nginx", False), ("nginx2", False), ("mginx", False)]
)
def test_a_slip_of_the_hand_leaves_out_doubles_or_swaps(word, slip):
    assert is_slip(word, "nginx") is slip
