"""One twin like the recorded cluster for the recordings that are replayed over HTTP."""

import pytest

from fidelity.reference import furnish


@pytest.fixture(scope="session")
def reference(start_lasting_twin):
    twin = start_lasting_twin("reference")
    furnish(twin.environment)
    return twin
