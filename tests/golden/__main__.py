"""What the examples become, written anew below tests/golden: `python -m tests.golden`, or `make golden`.

The examples' app files decide everything but the values of secrets, which are made up from their names.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from seatrial.app import environments, load, resolve
from seatrial.package import manifests
from seatrial.package.files import write
from seatrial.package.helm import chart
from seatrial.package.kustomize import kustomize
from seatrial.render import render, values

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"


def examples() -> list[str]:
    return sorted(path.parent.name for path in EXAMPLES.glob("*/seatrial.yaml"))


def files(example: str) -> dict[str, str]:
    """Everything an example becomes: `yaml/ENV.yaml`, `helm/…` and `kustomize/…`."""
    app = load(EXAMPLES / example)
    worlds = {}
    for environment in environments(app):
        resolved = resolve(app, environment)
        made = {name: {key: f"made-up-{key}" for key in keys} for name, keys in values.needed(resolved).items()}
        worlds[environment] = render(resolved, secrets=made)
    found = {f"yaml/{environment}.yaml": manifests.stream(world) for environment, world in worlds.items()}
    found |= {f"helm/{path}": text for path, text in chart(app.app, worlds).items()}
    tree = kustomize(worlds)
    return found | {f"kustomize/{path}": text for path, text in tree.items() if "/secrets/" not in path}


def main() -> None:
    for example in examples():
        shutil.rmtree(HERE / example, ignore_errors=True)
        write(files(example), HERE / example)


if __name__ == "__main__":
    main()
