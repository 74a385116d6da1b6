"""Names of hosts that mean Services: `api`, `api.shop.svc.cluster.local`, and the addresses inside of URLs and texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from seatrial.world.patterns import pattern

#: So much of a text is searched for addresses.
LONGEST = 65536

_URL = pattern(r"[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/@\s\"']*@)?([a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)*)(?::(\d{1,5}))?(?![\w$(])")
_HOST = pattern(r"([a-z](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9-]+)*)(?::(\d{1,5}))?")
#: What a variable is called that holds an address and nothing else.
_ADDRESS = pattern(
    r"(HOST|HOSTNAME|ADDR|ADDRESS|SERVER|ENDPOINT|URL|URI|SERVICE|UPSTREAM|BACKEND|BROKER|NODE|PEER)S?$", re.IGNORECASE
)


class Host(NamedTuple):
    """A Service by its host. `sure`: it cannot mean anything else (`….svc`); else it does where there is such a Service."""

    name: str
    namespace: str  # "" for that of whoever says it
    sure: bool
    port: int | None = None


def host(text: str, port: int | None = None) -> Host | None:
    """The Service that a host name may mean, or None for an address outside of the cluster. Also
    `<pod>.<service>.<namespace>.svc`.
    """
    labels = text.rstrip(".").split(".")
    if "svc" in labels[2:4]:
        at = labels.index("svc", 2)
        return Host(labels[at - 2], labels[at - 1], True, port)
    if len(labels) == 1 and not labels[0].isdigit() and labels[0] != "localhost":
        return Host(labels[0], "", False, port)
    if len(labels) == 2:
        return Host(labels[0], labels[1], False, port)
    return None


def addresses(text: str, called: str) -> Iterator[tuple[Host, bool]]:
    """The hosts in a text, and whether each stood in a URL. `called` is the name of the variable that holds the text."""
    text = text[:LONGEST]
    bare = [_HOST.fullmatch(part.strip()) for part in text.split(",")]
    if all(bare):
        for one in bare:
            if one is not None and (one[2] or _ADDRESS.search(called)):
                found = host(one[1], int(one[2]) if one[2] else None)
                if found is not None:
                    yield found, False
        return
    if "://" in text:
        for url in _URL.finditer(text):
            found = host(url[1].lower(), int(url[2]) if url[2] else None)
            if found is not None:
                yield found, True
