"""`make fidelity`: how like the recorded Kubernetes the twin is, in figures, with every step that differs."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import tools
from fidelity.replay import replay, sessions
from seatrial.twin.home import Home
from seatrial.twin.spawn import spawn


def main() -> None:
    wanted = sys.argv[1:] or sessions()
    with tempfile.TemporaryDirectory(prefix="seatrial-fidelity-") as folder:
        os.environ["SEATRIAL_HOME"] = folder
        tools.install()
        home = Home("fidelity")
        spawned = spawn(home, lifeline=True)
        path = f"{tools.TOOLS}{os.pathsep}{os.environ['PATH']}"
        environment = {"KUBECONFIG": spawned.running.kubeconfig, "PATH": path}
        try:
            results = []
            for session in wanted:
                results.append(replay(session, environment))
                print(results[-1], flush=True)
        finally:
            home.stop()
    matched, compared = sum(r.matched for r in results), sum(r.compared for r in results)
    print()
    for result in results:
        print(f"{result.session:<28} {result.matched:>3} of {result.compared:>3}  {result.share:6.1%}")
    print(f"{'sessions together':<28} {matched:>3} of {compared:>3}  {matched / compared:6.1%}")


if __name__ == "__main__":
    main()
