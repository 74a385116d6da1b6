"""The scheduler places pods as the recorded one did, and says the same of those that fit nowhere."""

import pytest

from fidelity import scheduling


@pytest.mark.parametrize("scenario", scheduling.scenarios())
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pods_go_where_the_recorded_scheduler_put_them(scenario, seed):
    assert scheduling.differences(scenario, seed) == []
