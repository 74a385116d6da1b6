"""Addresses for pods and Services out of 127.0.0.0/8, which is all loopback on Linux: no interface to make, no right to have.

Each twin on the machine claims a block of 4,096 pod addresses in 127.97.0.0/16; the same block of 127.96.0.0/16 is for its
Services, and of 127.98.0.0/16 for what pods bind to their own 127.0.0.1.  The claim is a listening socket on the block's
first address: it ends with the processes that hold it, however they end.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

BLOCKS = 16
CLAIM_PORT = 9697
QUARANTINE = 5.0  # seconds an address is not given again, so that whoever still talks to it does not reach a stranger

POD_NET, SERVICE_NET, LOOPBACK_NET = "127.97", "127.96", "127.98"


class AddressError(Exception):
    """There is no address, or no block of addresses, left; the message says what to do."""


@dataclass(frozen=True, slots=True)
class AddressBlock:
    """One twin's addresses. `claim` is the socket that holds them."""

    index: int
    claim: socket.socket

    @property
    def pod_cidr(self) -> str:
        return self._cidr(POD_NET)

    @property
    def service_cidr(self) -> str:
        return self._cidr(SERVICE_NET)

    @property
    def loopback_cidr(self) -> str:
        return self._cidr(LOOPBACK_NET)

    def _cidr(self, net: str) -> str:
        return f"{net}.{self.index * 256 // BLOCKS}.0/20"

    def release(self) -> None:
        self.claim.close()


def block_of(address: str) -> int | None:
    """The number of the block that the address of a Service lies in; None for one of no block."""
    net, third = address.rsplit(".", 2)[:2] if address.count(".") == 3 else ("", "")
    return int(third) * BLOCKS // 256 if net == SERVICE_NET and third.isdigit() else None


def claim_block(preferred: int | None = None) -> AddressBlock:
    """Take the preferred block if no other twin on this machine has it, else the first one that is free. Raises AddressError."""
    for index in sorted(range(BLOCKS), key=lambda index: index != preferred):
        claim = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            claim.bind((f"{POD_NET}.{index * 256 // BLOCKS}.0", CLAIM_PORT))
            claim.listen(1)
        except OSError:
            claim.close()
        else:
            return AddressBlock(index, claim)
    raise AddressError(f"{BLOCKS} twins run here, and there are addresses for no more: stop one with `seatrial twin stop`.")


class Addresses:
    """Gives out the pod addresses of a block. `now` tells the time in seconds."""

    def __init__(self, block: AddressBlock, now: Callable[[], float]) -> None:
        self._net, self._now = IPv4Network(block.pod_cidr), now
        self._next, self._taken = 2, set[str]()  # .0 holds the claim, .1 is the node's
        self._resting: deque[tuple[float, str]] = deque()

    def take(self) -> str:
        """An address that nobody has or had a moment ago. Raises AddressError."""
        if self._next < self._net.num_addresses - 1:
            address = str(self._net[self._next])
            self._next += 1
        elif self._resting and self._resting[0][0] <= self._now():
            address = self._resting.popleft()[1]
        else:
            raise AddressError(f"all {len(self._taken)} pod addresses of {self._net} are taken")
        self._taken.add(address)
        return address

    def give_back(self, address: str) -> None:
        if address in self._taken:
            self._taken.remove(address)
            self._resting.append((self._now() + QUARANTINE, address))


def loopback_of(address: str) -> str:
    """What stands for 127.0.0.1 in the pod of this address."""
    return str(IPv4Address(address) + (1 << 16))
