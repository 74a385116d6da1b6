"""kubectl and Helm sessions recorded on a real Kubernetes, replayed on the twin."""

import pytest

from fidelity.replay import replay, sessions

#: The least share of compared steps that must match; docs/fidelity.md has the figures, what differs and why. One early crash that
#: a busy machine shows as a moment of readiness costs the Helm session four steps at once.
LEAST = 0.8


@pytest.mark.parametrize("session", sessions())
def test_a_recorded_session_goes_the_same_way_on_the_twin(session, reference):
    replayed = replay(session, reference.environment)
    assert replayed.share >= LEAST, str(replayed)
