"""kubectl and Helm sessions recorded on a real Kubernetes, replayed on the twin."""

import pytest

from fidelity.replay import replay, sessions

#: The least share of compared steps that must match. What differs and why stands in docs/fidelity.md.
LEAST = 0.9


@pytest.mark.parametrize("session", sessions())
def test_a_recorded_session_goes_the_same_way_on_the_twin(session, reference):
    replayed = replay(session, reference.environment)
    assert replayed.share >= LEAST, str(replayed)
