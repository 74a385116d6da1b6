"""With SOPS no secret value is written readable; the real `sops` opens what is written; the same values stay the same bytes."""

import json
import subprocess

import pyrage
import pytest
import yaml
from click.testing import CliRunner

from seatrial.cli import seatrial
from seatrial.world import sops

PLAIN = "hunter2-is-no-password"


@pytest.fixture
def key():
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def app(tmp_path, monkeypatch, key):
    """An app with a secret, encrypted for a key that is here."""
    monkeypatch.setenv("SOPS_AGE_KEY", str(key))
    folder = tmp_path / "app"
    folder.mkdir()
    platform = f"{{secrets: sops, age: [{key.to_public()}]}}"
    head = f"app: x\nenvironments: {{dev: {{platform: {platform}}}, qa: {{}}}}\n"
    (folder / "seatrial.yaml").write_text(head + "services: {a: {image: x/a:1, secrets: [KEY]}}\n")
    (folder / "secrets.dev.yaml").write_text(f"a: {{KEY: {PLAIN}}}\n")
    return folder


def without_keys(monkeypatch, tmp_path):
    monkeypatch.delenv("SOPS_AGE_KEY")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))


def rendered(app, *arguments):
    done = CliRunner().invoke(seatrial, ["render", str(app), *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert PLAIN not in done.output
    return done


def opened(text):
    command = [sops.binary(), "-d", "--input-type", "yaml", "--output-type", "json", "/dev/stdin"]
    done = subprocess.run(command, input=text, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


FORMS = [
    ("yaml", "*-secret-a.sops.yaml", lambda found: found["stringData"]),
    ("kustomize", "overlays/dev/secrets/*.sops.yaml", lambda found: found["stringData"]),
    ("helm", "secrets-dev.sops.yaml", lambda found: found["services"]["a"]["secrets"]),
]


@pytest.mark.parametrize(("form", "pattern", "secrets_of"), FORMS, ids=[form[0] for form in FORMS])
def test_files_hold_no_value_and_sops_opens_them_and_they_stay(app, tmp_path, monkeypatch, form, pattern, secrets_of):
    out = tmp_path / "out"
    rendered(app, "-o", form, "--out", str(out))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert not [path for path, content in before.items() if PLAIN.encode() in content]
    (path,) = out.glob(pattern)
    assert secrets_of(opened(path.read_text())) == {"KEY": PLAIN}

    rendered(app, "-o", form, "--out", str(out))
    assert {path: path.read_bytes() for path in before} == before

    (app / "secrets.dev.yaml").write_text("a: {KEY: another}\n")
    rendered(app, "-o", form, "--out", str(out))
    assert secrets_of(opened(path.read_text())) == {"KEY": "another"}

    kept = path.read_bytes()
    without_keys(monkeypatch, tmp_path)
    (app / "secrets.dev.yaml").write_text(f"a: {{KEY: {PLAIN}}}\n")
    assert "is left as it is" in rendered(app, "-o", form, "--out", str(out)).stderr
    assert path.read_bytes() == kept
    (app / "secrets.dev.yaml").unlink()
    rendered(app, "-o", form, "--out", str(out))
    assert path.read_bytes() == kept


def test_what_is_printed_is_encrypted(app):
    (secret,) = [obj for obj in yaml.safe_load_all(rendered(app).stdout) if obj["kind"] == "Secret"]
    assert opened(yaml.safe_dump(secret))["stringData"] == {"KEY": PLAIN}


def test_a_changed_value_is_found_out(app):
    (secret,) = [obj for obj in yaml.safe_load_all(rendered(app).stdout) if obj["kind"] == "Secret"]
    secret["stringData"]["KEY"] = ""
    with pytest.raises(AssertionError, match="MAC"):
        opened(yaml.safe_dump(secret))


def test_values_are_read_from_an_encrypted_file_beside_the_app_file(app, key, tmp_path, monkeypatch):
    command = [sops.binary(), "-e", "--age", str(key.to_public()), str(app / "secrets.dev.yaml")]
    done = subprocess.run(command, text=True, capture_output=True, timeout=60)
    (app / "secrets.dev.sops.yaml").write_text(done.stdout)
    (app / "secrets.dev.yaml").unlink()
    (secret,) = [obj for obj in yaml.safe_load_all(rendered(app).stdout) if obj["kind"] == "Secret"]
    assert opened(yaml.safe_dump(secret))["stringData"] == {"KEY": PLAIN}
    without_keys(monkeypatch, tmp_path)
    assert "none of those keys was found here" in rendered(app).stderr
