"""Rendering a large app, beside `helm template` of the chart that holds the same objects, in one run.

200 services that call one another, with configuration, autoscaling and metrics, on a platform with the usual operators. It is
rendered after import, five times; Helm templates the chart three times. Figures are the best of each: what the machine can do.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import tools
from seatrial.app import loads
from seatrial.package.files import write
from seatrial.package.helm import chart
from seatrial.package.manifests import stream
from seatrial.render import render

SERVICES = 200
SERVICE = """\
  service-{number}:
    image: ghcr.io/acme/service-{number}
    port: 8080
    health: {{live: /live, ready: /ready}}
    expose: service-{number}.example.com
    metrics: /metrics
    calls: [{calls}]
    config: {{LOG_LEVEL: info, NUMBER: "{number}"}}
    secrets: [TOKEN]
    jobs: {{tidy: {{schedule: "0 3 * * *", run: tidy}}}}
    migrate: migrate up
    size: medium
    scale: {{min: 2, max: 8, cpu: 70%}}
"""
PLATFORM = "platform: {ingress: nginx, secrets: external-secrets, autoscaling: hpa, monitoring: prometheus-operator}\n"


def app_file() -> str:
    """An app file of 200 services, each of which calls the two before it."""
    found = []
    for number in range(SERVICES):
        calls = ", ".join(f"service-{other}" for other in (number - 1, number - 2) if other >= 0)
        found.append(SERVICE.format(number=number, calls=calls))
    return f'app: fleet\nversion: "1"\nservices:\n{"".join(found)}environments: {{production: {{}}}}\n{PLATFORM}'


def best(times: int, action: Callable[[], object]) -> float:
    """The shortest of some runs, in seconds."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return min(taken)


def main() -> int:
    app = loads(app_file())
    objects = render(app, "production")
    rendered = best(5, lambda: render(app, "production"))
    printed = best(3, lambda: stream(objects))
    with tempfile.TemporaryDirectory() as folder:
        write(chart("fleet", {"production": objects}), folder)
        command = [tools.helm(), "template", "fleet", folder, "-n", "fleet-production"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        helm = best(3, lambda: subprocess.run(command, capture_output=True, check=True))
    same = done.stdout.count("\nkind: ")
    print(f"{SERVICES} services, {len(objects)} objects ({same} in the chart)")
    print(f"seatrial: objects        {rendered:6.2f} s")
    print(f"seatrial: and their YAML {rendered + printed:6.2f} s")
    print(f"helm template            {helm:6.2f} s   {helm / (rendered + printed):.1f} times as long")
    return 0 if rendered < 1 and rendered + printed < helm else 1


if __name__ == "__main__":
    sys.exit(main())
