"""The API server accepts whatever any valid app renders to, strictly, in the order it is given; and the pods that come of it,
which the namespace's pod security, limit range and quota must let in."""

import admitted
from hypothesis import HealthCheck, Phase, given, settings

import apps
from seatrial.app import environments, resolve
from seatrial.render import render, values
from seatrial.twin.errors import ApiError
from seatrial.world.objects import dig


@settings(
    max_examples=10, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(apps.apps())
def test_the_api_server_accepts_every_built_in_object_of_any_app_and_its_pods(app):
    for environment in environments(app):
        resolved = resolve(app, environment)
        objects = render(resolved, secrets=values.complete(resolved))
        registry = admitted.registry()
        for obj in objects:
            if admitted.RESOURCES.of_kind(obj["apiVersion"], obj["kind"]):
                accepted(registry, obj)
        for obj in objects:
            template = dig(obj, "spec.template") or dig(obj, "spec.jobTemplate.spec.template")
            if template and "containers" in template.get("spec", {}):
                name = f"{obj['metadata']['name']}-{obj['kind'].lower()}"[:63].rstrip("-")
                metadata = {"name": name, "namespace": resolved.namespace, **template["metadata"]}
                accepted(registry, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_of(obj, template)})


def pod_of(obj, template):
    """The pod that a controller makes: the claims of a StatefulSet are volumes of it."""
    claims = [claim["metadata"]["name"] for claim in dig(obj, "spec.volumeClaimTemplates", [])]
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": f"{name}-x-0"}} for name in claims]
    return {**template["spec"], "volumes": [*volumes, *template["spec"].get("volumes", ())]}


def accepted(registry, obj):
    try:
        admitted.send(registry, obj)
    except ApiError as error:
        raise AssertionError(f"{obj['kind']} {obj['metadata']['name']}: {error.message}") from None
