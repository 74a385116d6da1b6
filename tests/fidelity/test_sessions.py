"""kubectl and Helm sessions recorded on a real Kubernetes, replayed on the twin."""

import pytest

from fidelity.replay import replay, sessions

#: The least share of compared steps that must match: what docs/fidelity.md says differs, and one step more for a busy machine.
LEAST = {"01-deployments": 0.96, "05-services-discovery": 0.87, "07-nodes-disruption-rbac": 0.94, "02-failures": 0.94}
OTHERS = 0.95


@pytest.mark.parametrize("session", sessions())
def test_a_recorded_session_goes_the_same_way_on_the_twin(session, reference):
    replayed = replay(session, reference.environment)
    assert replayed.share >= LEAST.get(session, OTHERS), str(replayed)
