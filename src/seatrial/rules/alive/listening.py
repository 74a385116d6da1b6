"""Where a process listens, as its own log says at the start: on another port than it is asked at, or for itself alone.

Logs tell it in many words and the cluster in none; what is asked, and by whom, is for `probes`, `crash` and `waiting`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from seatrial.rules.alive.pods import Container
from seatrial.rules.finding import Fact
from seatrial.world.objects import Obj, dig, ref_of
from seatrial.world.world import LogKey, World

#: `Listening on`, `Running on`, `Tomcat started on`, `Serving HTTP on`: what follows says where.
_LISTENS = re.compile(
    r"\b(?:listen(?:ing|s)?|running|serving|start(?:ed|ing)|bound|ready|available)\b[^\n]{0,40}?\b(?:on|at|to)\b:?\s(?P<where>[^\n]{1,80})",
    re.IGNORECASE,
)
_HOST = r"(?P<host>localhost|\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]*\]|\*)"
#: `127.0.0.1:8080`, `http://localhost:5000`, `0.0.0.0 port 8000`, `:8080`, `port(s): 8081`.
_WHERE = re.compile(
    rf"^(?:\w+ ){{0,2}}['\"]?(?:[a-z+]+://)?{_HOST}?(?::| port )(?P<port>\d{{2,5}})\b"
    r"|^[^\n]{0,25}?\bports?(?:\(s\))?:? (?P<bare>\d{2,5})\b",
    re.IGNORECASE,
)
#: Addresses at which nobody but the pod itself is heard.
_ALONE = re.compile(r"localhost|127\.\d+\.\d+\.\d+|\[::1\]")


@dataclass(frozen=True, slots=True)
class Heard:
    """`asked` is the port that somebody asks, `where` says where the process listens instead; `fact` is the line of its log."""

    asked: int
    where: str
    fact: Fact
    fix: str


def elsewhere(world: World, container: Container, kind: str) -> Heard | None:
    """Where a container that refuses a probe listens instead; None where its log does not say, or says that it listens there."""
    heard = instead(world, container, _number(container, _port(container.spec.get(f"{kind}Probe") or {})))
    if heard is None or heard.fix:
        return heard
    fix = f"Let the probe ask port {heard.where}, and containerPort and the Service's targetPort say the same; "
    return replace(heard, fix=f"{fix}or let the process listen on {heard.asked}.")


def instead(world: World, container: Container, asked: int) -> Heard | None:
    """Where a container listens that refuses who asks a port; with what mends it where that is the process's own to mend."""
    alone: Heard | None = None
    others: dict[int, Fact] = {}
    for host, port, fact in _told(world, container) if asked else ():
        if port != asked:
            if not _ALONE.fullmatch(host):
                others[port] = fact
        elif _ALONE.fullmatch(host):
            fix = f"Let the process listen on all addresses (0.0.0.0:{port}): at {host} it hears nobody outside its pod."
            alone = Heard(asked, f"{host} only", fact, fix)
        else:
            return None
    if alone is not None or not others:
        return alone
    return Heard(asked, ", ".join(map(str, others)), next(iter(others.values())), "")


def _told(world: World, container: Container) -> Iterable[tuple[str, int, Fact]]:
    """(host, port, line) of what the logs of its runs say; no host where it is that of the pod itself."""
    pod = ref_of(container.pod)
    own = {"", str(dig(container.pod, "status.podIP", ""))}
    for previous in (False, True):
        for line in world.logs.get(LogKey(pod, container.name, previous), ()):
            said = _LISTENS.search(line)
            if said and (found := _WHERE.search(said["where"])):
                source = f"{'previous ' if previous else ''}log of container {container.name} of {pod}"
                host = found["host"] or ""
                yield "" if host in own else host, int(found["port"] or found["bare"]), Fact(line.strip(), source)


def _port(probe: Obj) -> int | str | None:
    found: int | str | None = dig(probe, "httpGet.port") or dig(probe, "tcpSocket.port") or dig(probe, "grpc.port")
    return found


def _number(container: Container, port: int | str | None) -> int:
    """The number of a port that may be a name; 0 where there is none."""
    if isinstance(port, str) and not port.isdecimal():
        ports = container.spec.get("ports") or ()
        return next((int(each["containerPort"]) for each in ports if each.get("name") == port), 0)
    return int(port or 0)
