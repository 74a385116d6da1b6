"""Ways to write an address that are accepted but not right (apimachinery, pkg/util/validation/ip.go)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator


def ip(text: str, at: str) -> Iterator[str]:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield f'{at}: non-standard IP address "{text}" is invalid: use "{address.ipv4_mapped}"'
    elif str(address) != text:
        yield f'{at}: IPv6 address "{text}" should be in RFC 5952 canonical format ("{address}")'


def cidr(text: str, at: str) -> Iterator[str]:
    try:
        written = ipaddress.ip_interface(text)
    except ValueError:
        return
    network = written.network
    if written.ip != network.network_address:
        alone = f"{written.ip}/{network.max_prefixlen}"
        yield f'{at}: CIDR value "{text}" is ambiguous in this context (should be "{network}" or "{alone}"?)'
    elif network.version == 6 and str(network) != text:
        yield f'{at}: IPv6 CIDR value "{text}" should be in RFC 5952 canonical format ("{network}")'
