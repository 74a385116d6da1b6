"""Secrets files that cannot be decrypted and values that the chart's schema refuses are findings, with their places."""

from __future__ import annotations

import asyncio
import datetime
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyrage
import pytest
import yaml

from seatrial.cluster.api import Served
from seatrial.cluster.helm import Helm, HelmError
from seatrial.package.sops import encrypt
from seatrial.release import plan
from seatrial.release.findings import found
from seatrial.release.redact import Redactor
from seatrial.release.schema import violations
from seatrial.release.sources import Source, SourceError, layered, opened_layers
from seatrial.world import sops

SAID = """values don't meet the specifications of the schema(s) in the following chart(s):
backend:
- at '': missing property 'name'
- at '/replicas': got string, want integer
- at '/hosts/0': got number, want string
- at '': additional properties 'repliacs' not allowed
db:
- at '/port': got string, want integer
"""
SAID_BY_HELM_3 = """values don't meet the specifications of the schema(s) in the following chart(s):
backend:
- (root): name is required
- image.tag: Does not match pattern '^v'
"""


def test_each_violation_is_a_finding_with_its_path_and_line(tmp_path: Path) -> None:
    first, second = tmp_path / "values.yaml", tmp_path / "production.yaml"
    first.write_text("replicas: 3\nrepliacs: 4\nhosts:\n  - 1\n")
    second.write_text("# ours\nreplicas: three\ndb:\n  port: x\n")
    seen = violations(SAID, Path("backend-1.2.0.tgz"), [first, second])
    assert [(one.title, *(fact.source for fact in one.evidence)) for one in seen] == [
        ("the values: missing property 'name'",),
        ("value replicas: got string, want integer", f"{second}:2"),
        ("value hosts.0: got number, want string", f"{first}:4"),
        ("value repliacs: additional properties 'repliacs' not allowed", f"{first}:2"),
        ("value db.port: got string, want integer", f"{second}:4"),
    ]


def test_the_words_of_helm_3_are_understood_too() -> None:
    titles = [one.title for one in violations(SAID_BY_HELM_3, Path("backend"))]
    assert titles == ["the values: name is required", "value image.tag: Does not match pattern '^v'"]


def test_what_helm_says_of_other_things_is_no_such_finding() -> None:
    assert violations("Error: template: x.yaml:3: nil pointer", Path("backend")) == ()


def encrypted(path: Path, key: pyrage.x25519.Identity, **values: str) -> Path:
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    path.write_text(yaml.safe_dump(encrypt(values, [str(key.to_public())], now, regex=".*"), sort_keys=False))
    return path


def test_a_file_that_cannot_be_decrypted_is_a_finding_and_the_others_are_read(tmp_path: Path, monkeypatch) -> None:
    mine, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    monkeypatch.setenv("SOPS_AGE_KEY", str(mine))
    monkeypatch.setenv("HOME", str(tmp_path))
    files = [encrypted(tmp_path / "a.yaml", mine, a="one"), encrypted(tmp_path / "b.yaml", other, b="two")]
    values, secrets, problems = opened_layers((), files)
    assert (values, secrets) == ({"a": "one"}, ("one",))
    (problem,) = problems
    assert problem.rule == "secrets-unreadable"
    assert str(other.to_public()) in problem.evidence[0].text
    with pytest.raises(SourceError, match="none of those keys was found here") as caught:
        layered((), files)
    assert caught.value.findings == problems


class Refusing(Helm):
    """A Helm that says what Helm says of values against the schema."""

    def __init__(self) -> None:
        pass

    async def render(self, *_: object, **__: object) -> str:
        raise HelmError(SAID)


def planned(source: Source) -> SourceError:
    with pytest.raises(SourceError) as caught:
        asyncio.run(plan.of_source(None, Served("v1.36.2", {}), Refusing(), source, [], Redactor()))  # type: ignore[arg-type]
    return caught.value


def test_both_end_the_plan_as_what_a_preflight_looks_for(tmp_path: Path) -> None:
    problem = found("secrets-unreadable", "secrets.yaml cannot be decrypted")
    broken = Source("backend", "backend", "shop", tmp_path / "backend-1.0.0.tgz", {}, problems=(problem,))
    assert planned(broken).findings == (problem,)
    readable = Source("backend", "backend", "shop", tmp_path / "backend-1.0.0.tgz", {})
    assert {one.rule for one in planned(readable).findings} == {"values-schema"}


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Makes an empty keyring of GPG's the present one; its agents end with the test."""
    homes: list[str] = []

    def use() -> None:
        homes.append(tempfile.mkdtemp(prefix="gpg-"))  # short: it holds a socket
        monkeypatch.setenv("GNUPGHOME", homes[-1])

    yield use
    for home in homes:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


def said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.skipif(not shutil.which("gpg"), reason="there is no gpg here")
def test_a_file_for_a_gpg_key_is_opened_by_gpgs_keyring_and_not_without_it(tmp_path: Path, keyring: Callable[[], None]) -> None:
    keyring()
    said("gpg", "--batch", "--passphrase", "", "--quick-generate-key", "ship@example.com", "default", "default", "never")
    listed = said("gpg", "--batch", "--with-colons", "--list-keys")
    mark = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))
    plain, path = tmp_path / "plain.yaml", tmp_path / "secrets.yaml"
    plain.write_text("password: of-the-harbour\n")
    path.write_text(said(str(sops.binary()), "--encrypt", "--pgp", mark, str(plain)))
    assert layered((), [path])[0] == {"password": "of-the-harbour"}
    keyring()
    with pytest.raises(SourceError, match=f"GPG {mark}"):
        layered((), [path])
