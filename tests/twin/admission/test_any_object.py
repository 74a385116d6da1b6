"""What holds for every object: completing it twice changes nothing, and checking it never fails."""

from __future__ import annotations

from admitted import RESOURCES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import any_objects
from seatrial.twin.admission.warnings import TABLE as WARNERS
from seatrial.world import schema
from seatrial.world.admission.defaulting import TABLE, default
from seatrial.world.admission.validation import TABLE as RULES
from seatrial.world.admission.validation import validate
from seatrial.world.objects import Obj, clone

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
KNOWN = sorted({*TABLE, *RULES} & {kind for kind in {*TABLE, *RULES} if schema.shape_of(*kind) is not None})
ANY = st.sampled_from(KNOWN).flatmap(lambda kind: any_objects.objects(*kind, depth=6))


def _completed_of(resource: str) -> st.SearchStrategy[Obj]:
    """Completed objects of a resource; some of them would be refused."""
    served = RESOURCES.stored(resource)
    return any_objects.objects(served.api_version, served.kind, depth=6).map(_completed)


def _completed(obj: Obj) -> Obj:
    default(obj)
    return obj


@QUICK
@given(ANY)
def test_completing_an_object_twice_changes_nothing(obj: Obj) -> None:
    default(obj)
    once = clone(obj)
    default(obj)
    assert obj == once


@QUICK
@given(ANY)
def test_a_completed_object_is_in_the_servers_form(obj: Obj) -> None:
    default(obj)
    again = clone(schema.normalise(obj))
    default(again)
    assert schema.normalise(again) == schema.normalise(obj)


@QUICK
@given(st.sampled_from(KNOWN).flatmap(lambda kind: st.tuples(*[any_objects.objects(*kind, depth=6)] * 2)))
def test_whatever_is_checked_there_is_an_answer(pair: tuple[Obj, Obj]) -> None:
    for obj in pair:
        default(obj)
    validate(pair[0])
    validate(pair[0], pair[1])
    validate(pair[0], pair[1], "status")
    assert validate(pair[0], clone(pair[0])) == validate(pair[0], pair[0])


@QUICK
@given(st.sampled_from(sorted(WARNERS)).flatmap(lambda resource: st.tuples(st.just(resource), *[_completed_of(resource)] * 2)))
def test_warnings_are_lines_of_text(case: tuple[str, Obj, Obj]) -> None:
    resource, new, old = case
    for warner in (WARNERS[resource](new, None), WARNERS[resource](new, old)):
        assert all(isinstance(words, str) and words and "\n" not in words for words in warner)
