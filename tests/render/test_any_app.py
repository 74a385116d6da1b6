"""Any valid app renders to objects that agree with one another: selectors select, references resolve, ports exist all the way
from a route to a container, one autoscaler owns a workload's replicas, and budgets permit a drain."""

from drawn import ANY, worlds
from hypothesis import given
from landscape import of, template_of, workloads

from seatrial.render import render
from seatrial.render.delivery import routers
from seatrial.render.gateway import class_of
from seatrial.render.scope import Scope
from seatrial.world.objects import dig, ref_of
from seatrial.world.selectors import matches, matches_labels
from seatrial.world.world import World

SERVING = ("Deployment", "Rollout")
CLUSTER_WIDE = {"IngressClass", "GatewayClass", "StorageClass", "ClusterIssuer", "ClusterSecretStore"}


def pods_of(objects):
    return {one.key: one for one in workloads(objects)}


def chosen(objects, selector):
    return [key for key, one in pods_of(objects).items() if matches(selector, one.labels)]


@ANY
@given(worlds())
def test_selectors_select_exactly_the_pods_they_are_for(found):
    for app, objects in found:
        for kind in (*SERVING, "StatefulSet"):
            for name, obj in of(objects, kind).items():
                assert chosen(objects, obj["spec"]["selector"]) == [(kind, name)]
        for name, budget in of(objects, "PodDisruptionBudget").items():
            assert chosen(objects, budget["spec"]["selector"]) in ([("Deployment", name)], [("Rollout", name)])
        for name, rule in of(objects, "PeerAuthentication").items():
            if name != "default":
                assert len(chosen(objects, rule["spec"]["selector"])) == 1
        for name, policy in of(objects, "NetworkPolicy").items():
            if name == "allow-gateway" and class_of(Scope(app)) == "eg":
                continue  # whose pods are where their controller is
            assert chosen(objects, policy["spec"]["podSelector"]), f"{name} is for nobody"
        check_monitors(objects)


def check_monitors(objects):
    """A monitor selects the pods of one workload, by Services that have the port, or by pods whose containers have it."""
    for monitor in of(objects, "ServiceMonitor").values():
        services = [s for s in of(objects, "Service").values() if matches(monitor["spec"]["selector"], s["metadata"]["labels"])]
        assert len(services) == 1, "each pod is read once"
        named = {port["name"] for port in services[0]["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= named
    for monitor in of(objects, "PodMonitor").values():
        (key,) = chosen(objects, monitor["spec"]["selector"])
        ports = pods_of(objects)[key].ports
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            number = endpoint.get("targetPort", endpoint.get("portNumber"))
            proxy = number == 15090  # Istio's own
            assert proxy or endpoint.get("port") in ports or number in ports.values(), f"{endpoint} of {key}"


@ANY
@given(worlds())
def test_every_reference_resolves(found):
    for app, objects in found:
        graph = World(objects).graph
        for reference in graph:
            if reference.optional or reference.target.kind in CLUSTER_WIDE or is_given(app, reference):
                continue
            assert graph.is_there(reference.target), f"{reference.source} {reference.path} -> {reference.target}"
            if reference.key and reference.target.kind in ("ConfigMap", "Secret"):
                keys = graph.keys(reference.target)
                assert keys is None or reference.key in keys, f"{reference.source} {reference.path} -> {reference.key}"
            if reference.port is not None and graph.ports(reference.target):
                assert graph.port(reference.target, reference.port), f"{reference.source} {reference.path} -> {reference.port}"


def is_given(app, reference):
    """What the app file says is there already: secrets that somebody else makes, a gateway, certificates beside Istio's."""
    platform, target = app.platform, reference.target
    if target.kind == "Secret" and platform.secrets == "existing" and reference.relation in ("env", "credentials", "auth"):
        return True
    if target.kind == "Secret" and reference.relation == "tls":
        return target.name.endswith("-tls")
    return target.kind == "Gateway" and bool(platform.gateway)


@ANY
@given(worlds())
def test_pods_have_what_they_mount_and_are_asked_at_ports_they_have(found):
    for _, objects in found:
        for one in workloads(objects):
            for container in (*one.spec.get("containers", ()), *one.spec.get("initContainers", ())):
                check_container(one, container)
        for name, kept in of(objects, "SecretProviderClass").items():
            check_mounted(objects, name, kept)


def check_container(one, container):
    claims = {claim["metadata"]["name"] for claim in dig(one.obj, "spec.volumeClaimTemplates", [])}
    volumes = [volume["name"] for volume in one.spec.get("volumes", ())]
    mounts = container.get("volumeMounts", ())
    assert len(set(volumes)) == len(volumes)
    assert {mount["name"] for mount in mounts} <= {*volumes, *claims}
    assert len({mount["mountPath"] for mount in mounts}) == len(mounts)
    ports = {port["name"] for port in container.get("ports", ())}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container.get(probe, {})
        assert (asked.get("httpGet") or asked.get("tcpSocket") or {"port": "none"})["port"] in ports | {"none"}
    names = [entry["name"] for entry in container.get("env", ())]
    assert len(set(names)) == len(names)
    for position, entry in enumerate(container.get("env", ())):
        if "_PASSWORD)@" in entry.get("value", ""):
            assert entry["value"].split("$(")[1].split(")")[0] in names[:position]
    pause = dig(container, "lifecycle.preStop.sleep.seconds", 0)
    assert pause < one.spec.get("terminationGracePeriodSeconds", 30)


def check_mounted(objects, name, kept):
    """The CSI driver makes a Secret only while a pod has it mounted: every pod that reads it must."""
    for secret in (made["secretName"] for made in kept["spec"]["secretObjects"]):
        for one in workloads(objects):
            mounted = {dig(volume, "csi.volumeAttributes.secretProviderClass") for volume in one.spec.get("volumes", ())}
            for container in one.spec.get("containers", ()):
                read = {dig(entry, "valueFrom.secretKeyRef.name") for entry in container.get("env", ())}
                assert secret not in read or name in mounted, f"{one.key} reads {secret} and does not mount it"


@ANY
@given(worlds())
def test_a_port_is_the_same_from_the_route_to_the_container(found):
    for app, objects in found:
        pods, services = pods_of(objects), of(objects, "Service")
        for name, service in services.items():
            if service["spec"].get("type") == "ExternalName":
                continue
            behind = [one for one in pods.values() if matches_labels(service["spec"]["selector"], one.labels)]
            assert len(behind) == 1, name
            for port in service["spec"]["ports"]:
                target = port["targetPort"]
                assert target in behind[0].ports
                assert behind[0].ports[target] == port["port"]
        for name, service in app.services.items():
            if service.port:
                reached = [one["port"] for one in services[name]["spec"]["ports"]]
                assert service.port in reached
        for stateful in of(objects, "StatefulSet").values():
            assert services[stateful["spec"]["serviceName"]]["spec"]["clusterIP"] == "None"
        check_routes(app, objects)


def check_routes(app, objects):
    """Weights begin whole at the stable version; a header is led before the default route, which is always there."""
    for kind, rules in (("HTTPRoute", "rules"), ("VirtualService", "http")):
        for route in of(objects, kind).values():
            for rule in route["spec"][rules]:
                backends = rule.get("backendRefs") or rule.get("route") or []
                weights = [one["weight"] for one in backends if "weight" in one]
                assert not weights or (len(weights) == len(backends) and sum(weights) == 100)
    for route in of(objects, "VirtualService").values():
        names = [rule["name"] for rule in route["spec"]["http"]]
        assert len(set(names)) == len(names)
        for position, title in enumerate(names):
            if title.endswith("-header"):
                assert title.removesuffix("-header") in names[position + 1 :]
    for name, rollout in of(objects, "Rollout").items():
        check_canary(app, objects, name, rollout["spec"]["strategy"]["canary"])


def check_canary(app, objects, name, canary):
    """What a Rollout names for sharing requests out is there, with the routes it sets; so is what judges it."""
    template = of(objects, "AnalysisTemplate")[name]
    asked = {one["name"] for one in template["spec"]["args"]}
    for step in canary["steps"]:
        assert {one["name"] for one in dig(step, "analysis.args", [])} in (set(), asked)
    routing = canary.get("trafficRouting", {})
    assert bool(routing) == bool(routers(Scope(app), name))
    virtual = dig(routing, "istio.virtualServices") or [one for one in [dig(routing, "istio.virtualService")] if one]
    for one in virtual:
        there = {rule["name"] for rule in of(objects, "VirtualService")[one["name"]]["spec"]["http"]}
        assert set(one["routes"]) <= there
    led = [step for step in canary["steps"] if "setHeaderRoute" in step]
    managed = {one["name"] for one in routing.get("managedRoutes", ())}
    assert {step["setHeaderRoute"]["name"] for step in led} == managed
    header = app.services[name].canary.header
    if header:
        looking = [obj for obj in objects if obj["kind"] in ("Rollout", "VirtualService")]
        assert header.lower() in str(looking).lower(), "nothing looks at the header"


@ANY
@given(worlds())
def test_one_autoscaler_owns_replicas_and_budgets_permit_a_drain(found):
    for app, objects in found:
        serving = of(objects, *SERVING)
        targets = [dig(obj, "spec.scaleTargetRef") for obj in of(objects, "HorizontalPodAutoscaler").values()]
        targets += [dig(obj, "spec.scaleTargetRef") for obj in of(objects, "ScaledObject").values()]
        names = [target["name"] for target in targets]
        assert len(set(names)) == len(names), "two autoscalers want one workload"
        for target in targets:
            assert (target["apiVersion"], target["kind"]) == (
                serving[target["name"]]["apiVersion"],
                serving[target["name"]]["kind"],
            )
        assert {name for name, obj in serving.items() if "replicas" not in obj["spec"]} == set(names)
        for obj in of(objects, "VerticalPodAutoscaler").values():
            assert obj["spec"]["updatePolicy"]["updateMode"] == "Off"
        for scaler in of(objects, "HorizontalPodAutoscaler").values():
            assert scaler["spec"]["metrics"]
        for scaled in of(objects, "ScaledObject").values():
            kinds = {trigger["type"] for trigger in scaled["spec"]["triggers"]}
            assert kinds - {"cron"}, "between two times of day nothing would scale it"
        least = minimum(objects)
        for name, budget in of(objects, "PodDisruptionBudget").items():
            assert budget["spec"]["maxUnavailable"] >= 1
            assert least[name] > 1, "a budget for one pod means nothing"
        for name in app.services:
            assert (name in of(objects, "PodDisruptionBudget")) == (least[name] > 1), name
        for cluster in of(objects, "Cluster").values():
            assert cluster["spec"]["enablePDB"] == (cluster["spec"]["instances"] > 1)


def minimum(objects):
    """The least replicas of each workload that serves."""
    found = {name: obj["spec"].get("replicas") for name, obj in of(objects, *SERVING).items()}
    for name, obj in of(objects, "HorizontalPodAutoscaler", "ScaledObject").items():
        spec = obj["spec"]
        low, high = (spec["minReplicas"], spec["maxReplicas"]) if "minReplicas" in spec else (None, None)
        low, high = (low, high) if low else (spec["minReplicaCount"], spec["maxReplicaCount"])
        assert low < high
        found[name] = low
    return found


@ANY
@given(worlds())
def test_objects_have_names_labels_and_no_noise(found):
    for app, objects in found:
        assert len({ref_of(obj) for obj in objects}) == len(objects), "two objects have one name"
        for obj in objects:
            assert list(obj)[:3] == ["apiVersion", "kind", "metadata"]
            assert len(obj["metadata"]["name"]) <= (52 if obj["kind"] == "CronJob" else 63)
            assert obj["kind"] == "Namespace" or obj["metadata"]["namespace"] == app.namespace
            assert obj["metadata"]["labels"]["app.kubernetes.io/part-of"] == "shop"
            assert all(len(value) <= 63 for value in obj["metadata"]["labels"].values())
            noises = list(noise(obj))
            assert not noises, f"{obj['kind']} {obj['metadata']['name']}: {noises}"
            if obj["kind"] in (*SERVING, "StatefulSet", "Job", "CronJob"):
                check_words(obj, app)


def check_words(obj, app):
    """What everything that runs keeps to: the restricted standard, its own account, limits of memory."""
    spec = template_of(obj)["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    for container in (*spec["containers"], *spec.get("initContainers", ())):
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert dig(container, "resources.limits.memory")
        assert dig(container, "resources.requests.cpu")
    part = template_of(obj)["metadata"]["labels"]["app.kubernetes.io/name"]
    allowed = part in app.services and bool(app.services[part].permissions)
    assert spec["automountServiceAccountToken"] == allowed


#: Empty, and meaning something by it: an emptyDir, a selector of all pods, no arguments, what a collector takes as it is.
MEANT = ("emptyDir", "podSelector")


def noise(part, key=""):
    """Nulls, and empty maps and lists that say nothing."""
    if part is None or (part in ({}, []) and key not in MEANT):
        yield key
    elif isinstance(part, dict):
        for name, value in part.items():
            yield from noise(value, name)
    elif isinstance(part, list):
        for value in part:
            yield from noise(value, key)


@ANY
@given(worlds())
def test_the_same_app_renders_to_the_same_objects_in_the_same_order(found):
    for app, objects in found:
        kept = {name: obj["stringData"] for name, obj in of(objects, "Secret").items()}
        again = render(app, secrets=kept)
        assert again == objects
        assert repr(again) == repr(objects), "keys in another order"
