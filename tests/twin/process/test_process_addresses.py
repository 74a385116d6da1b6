"""Blocks of addresses: one for each twin on the machine, held as long as somebody lives who needs it."""

import socket

import pytest

from seatrial.twin.kubelet.process import addresses
from seatrial.twin.kubelet.process.addresses import AddressBlock, AddressError, Addresses, block_of, claim_block, loopback_of


@pytest.fixture
def block(monkeypatch):
    with socket.socket() as free:  # a port of the test's own, so that it meets none of the twins that run here
        free.bind(("127.97.0.1", 0))
        monkeypatch.setattr(addresses, "CLAIM_PORT", free.getsockname()[1])
    claimed = claim_block()
    yield claimed
    claimed.release()


def test_two_twins_have_different_blocks_and_one_that_ends_gives_its_back(block):
    other = claim_block()
    assert other.pod_cidr != block.pod_cidr
    other.release()
    again = claim_block()
    assert again.index == other.index
    again.release()


def test_a_block_is_had_again_where_it_is_free(block):
    wanted = claim_block(9)
    assert wanted.index == 9
    assert [block_of(address) for address in ("127.96.147.5", "127.96.0.1", "10.96.0.1", "None")] == [9, 0, None, None]
    other = claim_block(9)
    assert other.index not in (9, block.index)
    wanted.release()
    other.release()


def test_a_block_has_the_same_place_in_each_network():
    block = AddressBlock(2, None)
    assert (block.pod_cidr, block.service_cidr, block.loopback_cidr) == ("127.97.32.0/20", "127.96.32.0/20", "127.98.32.0/20")
    assert loopback_of("127.97.32.7") == "127.98.32.7"


def test_there_is_an_end_to_blocks_and_it_is_said_what_to_do(monkeypatch, block):
    monkeypatch.setattr(addresses, "BLOCKS", 0)
    with pytest.raises(AddressError, match="seatrial twin stop"):
        claim_block()


def test_an_address_rests_before_somebody_else_gets_it():
    now = [0.0]
    pool = Addresses(AddressBlock(0, None), lambda: now[0])
    first = pool.take()
    assert first == "127.97.0.2"
    taken = [pool.take() for _ in range(4095 - 3)]
    assert len({first, *taken}) == 4093
    with pytest.raises(AddressError):
        pool.take()
    pool.give_back(first)
    with pytest.raises(AddressError):
        pool.take()
    now[0] = addresses.QUARANTINE
    assert pool.take() == first


def test_what_was_never_taken_cannot_be_given_back():
    pool = Addresses(AddressBlock(0, None), lambda: 0.0)
    pool.give_back("127.97.0.9")
    assert pool.take() == "127.97.0.2"
