"""Secret values that nobody gave: made up for the developer's machine, asked for by name everywhere else."""

from seatrial.app import load
from seatrial.up.plan import read, secrets_for

FILE = """\
app: shop
version: "1"
services:
  api: {image: acme/api, secrets: [KEY, TOKEN]}
environments: {production: {}}
"""


def test_what_was_made_up_is_known_by_its_name(tmp_path) -> None:
    (tmp_path / "seatrial.yaml").write_text(FILE)
    (tmp_path / "secrets.production.yaml").write_text("api: {KEY: given}\n")
    assert load(tmp_path).app == "shop"
    found, made_up = secrets_for(read(tmp_path, "production"), [])
    assert found["api"]["KEY"] == "given"
    assert made_up == {("api", "TOKEN"): found["api"]["TOKEN"]}


def test_what_is_live_is_not_made_up_again(tmp_path) -> None:
    (tmp_path / "seatrial.yaml").write_text(FILE)
    live = {"kind": "Secret", "type": "Opaque", "metadata": {"name": "api"}, "data": {"KEY": "YQ==", "TOKEN": "Yg=="}}
    assert secrets_for(read(tmp_path, "production"), [live]) == ({"api": {"KEY": "a", "TOKEN": "b"}}, {})
