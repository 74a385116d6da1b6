"""Which Ingress rule a request belongs to: hosts and paths, as pure data.

Follows the API's description of path types (networking.k8s.io/v1, HTTPIngressPath) and the order that its best-known
controller uses: the most specific host first, then the longest path, Exact before Prefix, the oldest Ingress on a tie.
Every Ingress is served, whatever its class says: here there is one controller, and it stands for all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from seatrial.world.objects import Obj, name_of, namespace_of


@dataclass(frozen=True, slots=True)
class Rule:
    """One path of one host, and the Service port behind it. `host` "" is any host; `port` is a number or a name."""

    ingress: str
    namespace: str
    service: str
    port: int | str
    host: str = ""
    path: str = "/"
    exact: bool = False
    created: str = ""

    def matches(self, path: str) -> bool:
        if self.exact:
            return path == self.path
        prefix = self.path.rstrip("/")
        return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")

    @property
    def rank(self) -> tuple[int, bool, str, str, str]:
        return -len(self.path), not self.exact, self.created, self.namespace, self.ingress


class Match(NamedTuple):
    """What a host name led to: `rule` None where the host is known and the path is not; `host` as the Ingress writes it."""

    host: str | None
    rule: Rule | None


class Routes:
    """The rules of all Ingresses, ready to be asked."""

    def __init__(self, ingresses: Iterable[Obj] = ()) -> None:
        self._by_host: dict[str, list[Rule]] = {}
        self._defaults: list[Rule] = []
        for ingress in ingresses:
            for rule in rules_of(ingress):
                self._by_host.setdefault(rule.host, []).append(rule)
            self._defaults += default_of(ingress)
        for rules in self._by_host.values():
            rules.sort(key=lambda rule: rule.rank)
        self._defaults.sort(key=lambda rule: rule.rank)

    @property
    def hosts(self) -> list[str]:
        """The host names that are served, wildcards as they are written."""
        return sorted(host for host in self._by_host if host)

    def find(self, host: str, path: str) -> Match:
        """The rule for a request; see `known_host` for what counts as a host of ours."""
        known = self.known_host(host)
        for rule in self._by_host.get(known, ()) if known is not None else ():
            if rule.matches(path):
                return Match(known, rule)
        return Match(known, self._defaults[0] if self._defaults else None)

    def known_host(self, host: str) -> str | None:
        """The served host that a request's host stands for.

        Itself, its wildcard, or, for the convenience of a machine whose names nobody resolves: `shop.localhost` for the one
        host that begins with `shop`, then the rules for any host, then the only host there is.
        """
        if host in self._by_host:
            return host
        first, _, rest = host.partition(".")
        if rest and f"*.{rest}" in self._by_host:
            return f"*.{rest}"
        if rest == "localhost":
            alike = [known for known in self.hosts if known.partition(".")[0] == first]
            if len(alike) == 1:
                return alike[0]
        if "" in self._by_host:
            return ""
        return self.hosts[0] if len(self.hosts) == 1 else None


def local_names(hosts: list[str]) -> dict[str, str]:
    """Host -> the name under which a browser on this machine reaches it: localhost for a single one, else `<first>.localhost`.

    A host whose first label another shares has only its own name, which somebody has to resolve.
    """
    if len(hosts) == 1:
        return {hosts[0]: "localhost"}
    first = [host.partition(".")[0] for host in hosts]
    return {
        host: f"{label}.localhost" if first.count(label) == 1 and label != "*" else host
        for host, label in zip(hosts, first, strict=True)
    }


def rules_of(ingress: Obj) -> Iterable[Rule]:
    for entry in (ingress.get("spec") or {}).get("rules") or ():
        for path in (entry.get("http") or {}).get("paths") or ():
            yield from _rule(ingress, path["backend"], entry.get("host") or "", path.get("path") or "/", path.get("pathType"))


def default_of(ingress: Obj) -> list[Rule]:
    backend = (ingress.get("spec") or {}).get("defaultBackend")
    return list(_rule(ingress, backend, "", "/", "Prefix")) if backend else []


def _rule(ingress: Obj, backend: Obj, host: str, path: str, kind: str | None) -> Iterable[Rule]:
    service = backend.get("service")
    if not service:
        return  # a resource backend: storage buckets and the like, which are not here
    port = service.get("port") or {}
    yield Rule(
        ingress=name_of(ingress),
        namespace=namespace_of(ingress),
        service=service["name"],
        port=port.get("name") or port.get("number") or 0,
        host=host.lower(),
        path=path,
        exact=kind == "Exact",
        created=ingress["metadata"].get("creationTimestamp", ""),
    )


_DOTS = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")


def clean_path(target: str) -> str | None:
    """The path of a request's target, decoded and without `.` and `..`, as rules are matched; None when it leaves the root.

    Without this `/public/%2e%2e/admin` would be sent where `/public` goes.
    """
    path = unquote(target.partition("?")[0])
    if not _DOTS.search(path):
        return path or "/"
    kept: list[str] = []
    parts = path.split("/")[1:]
    for part in parts:
        if part == "..":
            if not kept:
                return None
            kept.pop()
        elif part != ".":
            kept.append(part)
    end = "/" if parts[-1] in (".", "..") and kept else ""
    return "/" + "/".join(kept) + end
