"""`make fidelity`: how like the recorded Kubernetes the twin is, in figures, with everything that differs.

`python tests/fidelity/report.py [PART…]` prints some parts only: `objects`, `rollouts`, `scheduling`, or sessions by their names.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

import tools
from fidelity import objects, rollouts, scheduling
from fidelity.reference import furnish
from fidelity.replay import replay, sessions
from seatrial.twin.home import Home
from seatrial.twin.spawn import spawn

OFFLINE = {"rollouts": (rollouts.scenarios, rollouts.differences), "scheduling": (scheduling.scenarios, scheduling.differences)}


class Figure(NamedTuple):
    what: str
    matched: int
    compared: int

    def __str__(self) -> str:
        return f"{self.what:<28} {self.matched:>3} of {self.compared:>3}  {self.matched / self.compared:6.1%}"


@contextmanager
def twin() -> Iterator[dict[str, str]]:
    """The environment in which kubectl and Helm speak to a twin that is like the recorded cluster."""
    with tempfile.TemporaryDirectory(prefix="seatrial-fidelity-") as folder:
        os.environ["SEATRIAL_HOME"] = folder
        tools.install()
        home = Home("fidelity")
        running = spawn(home, lifeline=True).running
        environment = {**os.environ, "KUBECONFIG": running.kubeconfig, "PATH": f"{tools.TOOLS}{os.pathsep}{os.environ['PATH']}"}
        try:
            furnish(environment)
            yield environment
        finally:
            home.stop()


def of_sessions(wanted: Iterable[str], environment: dict[str, str]) -> Iterator[Figure]:
    figures = []
    for session in wanted:
        replayed = replay(session, environment)
        if replayed.differences:
            print(replayed, flush=True)
        figures.append(Figure(session, replayed.matched, replayed.compared))
        yield figures[-1]
    if len(figures) > 1:
        yield Figure("sessions together", sum(f.matched for f in figures), sum(f.compared for f in figures))


def of_objects(environment: dict[str, str]) -> Iterator[Figure]:
    post = objects.over_http(Path(environment["KUBECONFIG"]))
    for name, alike in (("defaults", objects.completed_alike), ("invalid", objects.refused_alike)):
        entries = objects.recorded(name)
        different = [entry for entry in entries if not alike(entry, post)]
        for entry in different:
            print(f"{name}: {entry}")
        yield Figure(name, len(entries) - len(different), len(entries))


def of_scenarios(what: str, names: Iterable[str], differences: Callable[[str], list[str]]) -> Figure:
    found = {name: differences(name) for name in names}
    for name, words in found.items():
        for line in words:
            print(f"{what} {name}: {line}")
    return Figure(what, sum(not words for words in found.values()), len(found))


def figures(parts: set[str]) -> Iterator[Figure]:
    for what, (scenarios, differences) in OFFLINE.items():
        if what in parts:
            yield of_scenarios(what, scenarios(), differences)
    wanted = [session for session in sessions() if session in parts]
    if not wanted and "objects" not in parts:
        return
    with twin() as environment:
        if "objects" in parts:
            yield from of_objects(environment)
        yield from of_sessions(wanted, environment)


def main() -> None:
    everything = {*OFFLINE, "objects", *sessions()}
    parts = set(sys.argv[1:]) or everything
    if unknown := parts - everything:
        sys.exit(f"{', '.join(sorted(unknown))}: not one of {', '.join(sorted(everything))}")
    printed = list(figures(parts))
    print()
    print(*printed, sep="\n")


if __name__ == "__main__":
    main()
