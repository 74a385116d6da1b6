from __future__ import annotations

import pytest
from fake_cluster import Cluster

from seatrial.twin.controllers import all_controllers


@pytest.fixture
def cluster() -> Cluster:
    """All controllers over an empty cluster of one node."""
    return Cluster(all_controllers)
