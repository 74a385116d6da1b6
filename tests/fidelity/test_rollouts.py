"""Workloads move on the twin as they moved on the recorded Kubernetes, in virtual time."""

import pytest

from fidelity import rollouts


@pytest.mark.parametrize("scenario", rollouts.scenarios())
def test_a_recorded_rollout_goes_the_same_way_on_the_twin(scenario):
    assert rollouts.differences(scenario) == []
