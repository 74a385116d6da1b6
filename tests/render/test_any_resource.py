"""Any valid app: every custom resource is what its operator's schema says it is."""

import crds
from drawn import ANY, worlds
from hypothesis import given, settings

from seatrial.world.objects import group_of

#: The groups of Kubernetes itself, and kinds that the collection of schemas lacks.
BUILT_IN = {"", "apps", "autoscaling", "batch", "networking.k8s.io", "policy", "rbac.authorization.k8s.io"}
WITHOUT = {"Instrumentation"}


@crds.needed
@settings(ANY, max_examples=10)
@given(worlds())
def test_every_custom_resource_is_what_its_operator_expects(found):
    for _, objects in found:
        for obj in objects:
            known = group_of(obj) in BUILT_IN or obj["kind"] in WITHOUT
            assert crds.check(obj) or known, f"no schema for {obj['apiVersion']} {obj['kind']}"
