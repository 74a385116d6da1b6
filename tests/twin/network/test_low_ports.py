"""Ports that are reserved for root: served elsewhere, and found there."""

import pytest

from seatrial.twin.network import low_ports


class Reserving:
    """A socket of a user to whom the ports below 1024 are forbidden."""

    def __init__(self, first=1024):
        self.first, self.bound = first, None

    def bind(self, where):
        if where[1] < self.first:
            raise PermissionError(13, "Permission denied")
        self.bound = where


@pytest.fixture(autouse=True)
def _forgotten():
    yield
    low_ports.forget("127.96.255.1")


def test_a_reserved_port_is_served_elsewhere_and_found_there():
    sock = Reserving()
    low_ports.bind(sock, "127.96.255.1", 80)
    assert sock.bound == ("127.96.255.1", 20080)
    assert low_ports.actual("127.96.255.1", 80) == 20080
    assert low_ports.actual("127.96.255.2", 80) == 80


def test_a_port_that_can_be_had_is_served_where_it_was_asked_for():
    low_ports.bind(Reserving(), "127.96.255.1", 80)
    low_ports.bind(Reserving(first=0), "127.96.255.1", 80)
    assert low_ports.actual("127.96.255.1", 80) == 80


def test_addresses_that_are_not_the_twins_are_refused_as_ever():
    with pytest.raises(PermissionError):
        low_ports.bind(Reserving(), "127.0.0.1", 80)
    with pytest.raises(PermissionError):
        low_ports.bind(Reserving(first=9000), "127.96.255.1", 8080)


def test_followers_hear_of_ports_that_were_moved_before_and_after():
    heard = []
    low_ports.bind(Reserving(), "127.96.255.1", 80)
    leave = low_ports.follow(lambda *moved: heard.append(moved) if moved[0] == "127.96.255.1" else None)
    low_ports.bind(Reserving(), "127.96.255.1", 443)
    low_ports.bind(Reserving(first=0), "127.96.255.1", 80)
    leave()
    low_ports.bind(Reserving(), "127.96.255.1", 81)
    assert heard == [("127.96.255.1", 80, 20080), ("127.96.255.1", 443, 20443), ("127.96.255.1", 80, 80)]
