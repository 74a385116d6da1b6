"""A chart of a registry (`oci://…`), fetched by both Helms from one that stands on this machine."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

import tools
from seatrial.cli import seatrial
from seatrial.cluster import helm

CHART = Path(__file__).parent.parent / "release" / "data" / "backend"


#: A cluster that is never asked.
KUBECONFIG = """\
{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
 clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}], users: [{name: u, user: {token: t}}]}
"""


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Registry(ThreadingHTTPServer):
    """The four requests with which a chart is fetched (OCI distribution specification, pull); `secret` charts want a log-in."""

    def __init__(self, archive: bytes, tag: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        config = json.dumps({"name": "backend", "version": tag, "apiVersion": "v2"}).encode()
        layers = [("application/vnd.cncf.helm.chart.content.v1.tar+gzip", archive)]
        described = [{"mediaType": kind, "digest": _digest(data), "size": len(data)} for kind, data in layers]
        head = {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": _digest(config), "size": len(config)}
        self.manifest = json.dumps({"schemaVersion": 2, "config": head, "layers": described}).encode()
        self.blobs = {_digest(config): config, **{_digest(data): data for _, data in layers}}
        self.tag = tag

    @property
    def charts(self) -> str:
        return f"oci://127.0.0.1:{self.server_address[1]}/charts"


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        name, _, what = self.path.removeprefix("/v2/").partition("/backend/")
        if self.path.startswith("/v2/secret/"):
            self._say(401, b'{"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}')
        elif name != "charts":
            self._say(404, b"{}")
        elif what.startswith("tags/list"):
            self._say(200, json.dumps({"name": "charts/backend", "tags": [self.server.tag]}).encode())
        elif what in (f"manifests/{self.server.tag}", f"manifests/{_digest(self.server.manifest)}"):
            self._say(200, self.server.manifest, "application/vnd.oci.image.manifest.v1+json")
        elif what.removeprefix("blobs/") in self.server.blobs:
            self._say(200, self.server.blobs[what.removeprefix("blobs/")])
        else:
            self._say(404, b"{}")

    def _say(self, code: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Content-Digest", _digest(body))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture(scope="module")
def registry(tmp_path_factory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("charts")
    subprocess.run([tools.helm(), "package", str(CHART), "-d", str(folder)], check=True, capture_output=True)
    (archive,) = folder.glob("*.tgz")
    found = Registry(archive.read_bytes(), archive.stem.partition("-")[2])
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


@pytest.fixture(params=["binary", "sdk"])
def client(request, monkeypatch, tmp_path) -> helm.Helm:
    monkeypatch.setattr(helm, "binary", lambda: tools.helm() if request.param == "binary" else None)
    for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    return helm.Helm()


def test_the_latest_chart_is_fetched_and_can_be_read(registry, client, tmp_path):
    found = asyncio.run(client.pull(f"{registry.charts}/backend", tmp_path, plain_http=True))
    with tarfile.open(found) as archive:
        assert "backend/Chart.yaml" in archive.getnames()


def test_a_version_that_is_not_there_is_helm_s_own_error(registry, client, tmp_path):
    with pytest.raises(helm.HelmError, match=r"9\.9\.9"):
        asyncio.run(client.pull(f"{registry.charts}/backend", tmp_path, "9.9.9", plain_http=True))


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["{charts}/backend"], "it speaks HTTP without TLS: say --plain-http"),
        (["{secret}/backend", "--plain-http"], "log in first: helm registry login HOST"),
    ],
)
def test_the_command_line_says_what_to_do(registry, client, tmp_path, options, hint):
    words = [one.format(charts=registry.charts, secret=registry.charts.replace("/charts", "/secret")) for one in options]
    place = ["-n", "shop", "--release-name", "backend", "--kubeconfig", str(tmp_path / "kubeconfig"), "--dry-run"]
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    done = CliRunner().invoke(seatrial, ["release", *place, "--chart-path", *words])
    assert done.exit_code == 2, done.output
    assert "fetching oci://" in done.output
    assert hint in done.output
