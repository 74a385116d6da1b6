"""The recorded objects of a real server: the twin completes them as it did, and refuses them in its words."""

from pathlib import Path

import pytest

from fidelity import objects


@pytest.fixture
def post(reference):
    return objects.over_http(Path(reference.running.kubeconfig))


def test_recorded_objects_are_completed_as_the_server_completed_them(post):
    assert [str(entry) for entry in objects.recorded("defaults") if not objects.completed_alike(entry, post)] == []


def test_recorded_mistakes_are_refused_in_the_servers_words(post):
    assert [str(entry) for entry in objects.recorded("invalid") if not objects.refused_alike(entry, post)] == []
