"""Any valid app: the namespace has room for everything in it at its largest, and its limit range admits every container."""

from math import ceil

from drawn import ANY, worlds
from hypothesis import given
from landscape import of, workloads

from seatrial.world import quantity
from seatrial.world.objects import dig

#: What Istio's chart asks for a proxy (global.proxy.resources).
PROXY = {"requests.cpu": "100m", "requests.memory": "128Mi", "limits.memory": "1Gi"}
KEYS = (*PROXY, "pods")


def at_most(objects, one):
    """How many pods of a workload there can be at once: those of all its versions while it is rolled at its largest scale."""
    spec = one.obj.get("spec", {})
    if one.kind == "Cluster":
        return spec["instances"] + 1  # and the Job that makes or joins an instance
    if one.kind in ("Deployment", "Rollout", "OpenTelemetryCollector"):
        scalers = [*of(objects, "HorizontalPodAutoscaler").values(), *of(objects, "ScaledObject").values()]
        most = next(
            (
                scaler["spec"].get("maxReplicas") or scaler["spec"]["maxReplicaCount"]
                for scaler in scalers
                if scaler["spec"]["scaleTargetRef"]["name"] == one.name
            ),
            spec.get("replicas", 1),
        )
        routed = bool(dig(spec, "strategy.canary.trafficRouting"))
        return (3 if routed else 2) * most  # a version that ends counts until its last pod is gone
    if one.kind == "Gateway":
        return 1 + ceil(0.25)
    return 1


def asked(one, key):
    """What one pod counts in a quota: the sum of its containers, or its largest init container."""
    kind, _, resource = key.partition(".")

    def of_container(container):
        return quantity.parse(dig(container, f"resources.{kind}.{resource}", "0"))

    if one.kind in ("Cluster", "OpenTelemetryCollector"):
        return quantity.parse(one.obj["spec"]["resources"][kind][resource])
    if one.kind in ("Gateway", "Solver"):
        return 0  # as large as whoever makes them says
    main = sum(of_container(container) for container in one.spec["containers"])
    return max([main, *(of_container(container) for container in one.spec.get("initContainers", ()))])


@ANY
@given(worlds())
def test_the_quota_has_room_for_every_rollout_at_the_largest_scale_with_proxies_and_canaries(found):
    for app, objects in found:
        hard = next(iter(of(objects, "ResourceQuota").values()))["spec"]["hard"]
        meshed = app.platform.mesh == "istio"
        peak = dict.fromkeys(KEYS, 0)
        for one in workloads(objects):
            number = at_most(objects, one)
            peak["pods"] += number
            proxied = meshed and one.labels.get("sidecar.istio.io/inject") != "false" and one.kind not in ("Gateway", "Solver")
            for key, proxy in PROXY.items():
                peak[key] += number * (asked(one, key) + (quantity.parse(proxy) if proxied else 0))
        for key, needs in peak.items():
            assert needs <= quantity.parse(hard[key]), f"{key}: {needs} and room for {hard[key]}"
        claims = [claim for obj in of(objects, "StatefulSet").values() for claim in dig(obj, "spec.volumeClaimTemplates", [])]
        kept = [quantity.parse(dig(claim, "spec.resources.requests.storage")) for claim in claims]
        for cluster in of(objects, "Cluster").values():
            kept += [quantity.parse(cluster["spec"]["storage"]["size"])] * cluster["spec"]["instances"]
        assert sum(kept) <= quantity.parse(hard.get("requests.storage", "0"))
        assert len(kept) <= quantity.parse(hard.get("persistentvolumeclaims", "0"))
        assert "limits.cpu" not in hard, "what has no CPU limit would be refused"


@ANY
@given(worlds())
def test_the_limit_range_admits_every_container(found):
    for _, objects in found:
        (limits,) = (entry for obj in of(objects, "LimitRange").values() for entry in obj["spec"]["limits"])
        assert limits["type"] == "Container"
        for one in workloads(objects):
            for container in (*one.spec.get("containers", ()), *one.spec.get("initContainers", ())):
                requests, bounds = container["resources"]["requests"], container["resources"]["limits"]
                for resource in ("cpu", "memory"):
                    low, high = (quantity.parse(limits.get(edge, {}).get(resource, edge_)) for edge, edge_ in EDGES)
                    asks = quantity.parse(requests[resource])
                    most = quantity.parse(bounds.get(resource) or limits["default"].get(resource) or "1000000Ti")
                    assert low <= asks <= most, f"{one.key} {resource}"
                    assert resource not in bounds or most <= high


EDGES = (("min", "0"), ("max", "1000000Ti"))
