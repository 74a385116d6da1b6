"""kubectl and Helm sessions recorded on a real Kubernetes, replayed on the twin."""

import pytest

from fidelity.replay import replay

#: The least share of compared steps that must match; `make fidelity` prints the figures as they are.
LEAST = {"01-deployments": 0.8, "05-services-discovery": 0.8, "06-jobs-stateful-daemons": 0.8, "08-helm": 0.8}


@pytest.mark.parametrize("session", LEAST)
def test_a_recorded_session_goes_the_same_way_on_the_twin(session, twin):
    replayed = replay(session, twin.environment)
    assert replayed.share >= LEAST[session], str(replayed)
