"""Any valid app: every custom resource is what its operator's schema says it is."""

import crds
from drawn import ANY, worlds
from hypothesis import given, settings

from seatrial.world.objects import group_of

#: Groups with a schema for every kind that is rendered.
CUSTOM = {
    "argoproj.io",
    "autoscaling.k8s.io",
    "external-secrets.io",
    "gateway.networking.k8s.io",
    "keda.sh",
    "monitoring.coreos.com",
    "networking.istio.io",
    "opentelemetry.io",
    "postgresql.cnpg.io",
    "secrets-store.csi.x-k8s.io",
    "security.istio.io",
}


@crds.needed
@settings(ANY, max_examples=10)
@given(worlds())
def test_every_custom_resource_is_what_its_operator_expects(found):
    for _, objects in found:
        for obj in objects:
            assert crds.check(obj) == (group_of(obj) in CUSTOM), f"no schema for {obj['apiVersion']} {obj['kind']}"
