"""What pods may reach outside of the app: URLs, a collector of traces, and where a cloud hands out identities.

Policies know addresses and labels, no names.  A URL outside of the cluster opens its port to all public addresses; one inside,
`http://payments.billing.svc:8080` or `http://payments:8080`, opens it to the pods of that namespace.  A policy sees the port of
the pods, not that of the Service before them: from a port below 1024 a Service usually leads to one above.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from seatrial.app.model import ServiceKeys
from seatrial.render.identity import AWS, AZURE, GOOGLE, annotations_of
from seatrial.render.peers import EVERYWHERE, namespace, tcp
from seatrial.render.scope import Scope
from seatrial.render.tracing import traced
from seatrial.world.objects import Obj

#: Addresses that are not public, and so never those of a URL outside.
PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"]
#: What a node tells about itself, and the identities that it hands out.
LINK_LOCAL = "169.254.0.0/16"
#: Google's metadata server, as pods reach it by the dataplane of today and by that of before.
GOOGLE_METADATA = ("169.254.169.254/32", "169.254.169.252/32")
#: Last labels of host names that are outside of any cluster. Of others, `name.namespace` may be inside.
OUTSIDE = frozenset({"com", "org", "net", "io", "dev", "app", "ai", "cloud", "example", "test", "localhost"})


def outside(port: int) -> Obj:
    """A port of all public addresses."""
    return {"to": [_public()], "ports": tcp(port)}


def _public() -> Obj:
    return {"ipBlock": {**EVERYWHERE["ipBlock"], "except": PRIVATE}}


def to_url(url: str) -> Obj:
    """The rule that lets requests to a URL out."""
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), parts.port or (443 if parts.scheme == "https" else 80)
    address = _address(host)
    if address:
        return {"to": [{"ipBlock": {"cidr": address}}], "ports": tcp(port)}
    labels = host.split(".")
    if len(labels) == 1:
        return {"to": [{"podSelector": {}}], "ports": _pod_ports(port)}
    if labels[2:3] == ["svc"]:
        return {"to": [namespace(labels[1])], "ports": _pod_ports(port)}
    if len(labels) == 2 and parts.scheme == "http" and labels[1] not in OUTSIDE:  # it may be either
        return {"to": [namespace(labels[1]), _public()], "ports": _pod_ports(port)}
    return outside(port)


def _address(host: str) -> str:
    """An address as a block of one, "" for a name."""
    try:
        address = ip_address(host)
    except ValueError:
        return ""
    return f"{address}/{address.max_prefixlen}"


def _pod_ports(port: int) -> list[Obj]:
    """The ports of pods to which a Service with this port may lead."""
    return tcp(port) if port >= 1024 else [*tcp(port), {"protocol": "TCP", "port": 1024, "endPort": 65535}]


def identities(scope: Scope, identity: str | None) -> list[Obj]:
    """Where whoever has an identity at a cloud gets the token of it: AWS' STS may have a private address in the VPC."""
    known = annotations_of(scope, identity)
    if AWS in known:
        return [{"to": [{"ipBlock": {**EVERYWHERE["ipBlock"], "except": [LINK_LOCAL]}}], "ports": tcp(443)}]
    if GOOGLE in known:
        return [{"to": [{"ipBlock": {"cidr": cidr}} for cidr in GOOGLE_METADATA], "ports": tcp(80, 988)}]
    return [outside(443)] if AZURE in known else []


def collectors(scope: Scope, service: ServiceKeys) -> list[Obj]:
    """The collector that is there already; the way to one of our own is opened beside it."""
    return [to_url(scope.app.platform.otlp)] if scope.app.platform.otlp and traced(scope, service) else []
