# ruff: noqa: E501 - rows of tables
"""No secret is seen, however it is written."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.release.redact import MASK, Redactor

SECRETS = [f"s3cr3t/{number}+{'x' * (number % 7)}&'\"é" for number in range(45)] + [
    "pw1", "postgres://shop:h%40rd-to-guess@db:5432/shop", "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\nqq8AB12345aZ\n-----END KEY-----\n",
    json.dumps({"auths": {"ghcr.io": {"auth": "dXNlcjpodW50ZXIyaHVudGVyMg=="}}}), "hunter2hunter2",
]  # fmt: skip


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


WAYS = {
    "plain": lambda secret: f"the value is {secret}.",
    "base64": lambda secret: f"data: {b64(secret)}",
    "base64 of base64": lambda secret: f"data: {b64(b64(secret))}",
    "inside base64": lambda secret: b64(f"user:{secret}:more"),
    "URL": lambda secret: f"GET http://host/?token={quote(secret, safe='')}&x=1",
    "JSON": lambda secret: json.dumps({"password": secret}),
    "JSON in JSON": lambda secret: json.dumps({"body": json.dumps({"password": secret})}),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_secret_is_masked_in_every_way_of_writing(way: str) -> None:
    redactor = Redactor(SECRETS)
    for secret in SECRETS:
        if way == "inside base64" and len(secret) < 8:
            continue  # too short to be known again there
        shown = redactor.text(WAYS[way](secret))
        assert MASK in shown
        for form in (secret.strip(), b64(secret), b64(b64(secret)), quote(secret, safe=""), json.dumps(secret)[1:-1]):
            assert form not in shown


def test_the_parts_of_a_secret_are_secret_too() -> None:
    redactor = Redactor(SECRETS)
    for part in ("h@rd-to-guess", "MIIEvQIBADANBgkqhkiG", "dXNlcjpodW50ZXIyaHVudGVyMg=="):
        assert part not in redactor.text(f"login with {part} failed")


def test_a_secret_broken_over_the_lines_of_a_log_is_masked_in_each() -> None:
    lines = Redactor(["hunter2hunter2"]).lines()
    shown = [line for part in ("login with hunter2", "hunter2 failed", "well") for line in lines.feed(part)] + lines.flush()
    assert shown == [f"login with {MASK}", f"{MASK} failed", "well"]


def test_what_only_looks_like_one_stays() -> None:
    redactor = Redactor(["pw1", "true", "a"])
    assert redactor.text("web-pw12 is ready: true, a 1/1") == "web-pw12 is ready: true, a 1/1"


def test_a_preview_shows_a_change_and_no_value() -> None:
    redactor = Redactor()
    assert redactor.preview("one") != redactor.preview("two")
    assert redactor.preview("one").startswith("sha256:")


@given(st.text(min_size=6, max_size=30).filter(lambda text: len(text.strip()) >= 6), st.text(max_size=20), st.text(max_size=20))
def test_no_surroundings_hide_a_secret(secret: str, before: str, after: str) -> None:
    assert secret not in Redactor([secret]).text(f"{before}{secret}{after}") or secret in (MASK * 20) or secret in before + after


LONG = "".join(f"{number:x}Zq" for number in range(40, 90))


@pytest.mark.parametrize("width", [1, 3, 5, 16, 76])
def test_a_secret_that_is_wrapped_at_any_width_is_masked_in_every_line(width: int) -> None:
    lines = Redactor([LONG]).lines()
    wrapped = [LONG[at : at + width] for at in range(0, len(LONG), width)]
    shown = [line for part in ("before", *wrapped, "after") for line in lines.feed(part)] + lines.flush()
    assert (shown[0], shown[-1]) == ("before", "after")
    # what is shown before anybody can know it for a beginning is not enough to be one
    assert len("".join(shown[1:-1]).replace(MASK, "")) < 4


def test_base64_that_is_wrapped_is_masked_too() -> None:
    lines = Redactor([LONG]).lines()
    encoded = b64(LONG)
    shown = [line for at in range(0, len(encoded), 19) for line in lines.feed(encoded[at : at + 19])] + lines.flush()
    assert set(shown) == {MASK}


def test_a_line_that_only_might_begin_a_secret_comes_as_it_is_with_the_next() -> None:
    lines = Redactor(["hunter2hunter2"]).lines()
    assert lines.feed("the hunt") == []
    assert lines.feed("was long") == ["the hunt", "was long"]


def test_a_value_that_is_learned_later_is_masked_in_what_was_clean_before() -> None:
    redactor = Redactor(["another-one"])
    assert redactor.text("hunter2hunter2") == "hunter2hunter2"
    redactor.add(["hunter2hunter2"])
    assert redactor.text("hunter2hunter2") == MASK
