"""Any valid app renders to objects that agree with one another: selectors select, references resolve, ports exist, policies
let every declared call through at both ends and nothing else, and budgets permit a drain."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import apps
from seatrial.app import environments, resolve
from seatrial.render import render, values
from seatrial.world.objects import dig
from seatrial.world.selectors import matches, matches_labels

ANY = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@st.composite
def rendered(draw):
    """An app in one of its environments, and its objects."""
    app = draw(apps.apps())
    resolved = resolve(app, draw(st.sampled_from(environments(app))))
    return resolved, render(resolved, secrets=values.complete(resolved))


def templates(objects):
    """The pod template of each workload, with the object that holds it."""
    for obj in objects:
        if obj["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield obj, obj["spec"]["template"]
        elif obj["kind"] == "CronJob":
            yield obj, obj["spec"]["jobTemplate"]["spec"]["template"]


def of(objects, kind):
    return {obj["metadata"]["name"]: obj for obj in objects if obj["kind"] == kind}


def pods_of(objects):
    """The labels of the pods of each workload, and the ports their containers name."""
    found = {}
    for obj, template in templates(objects):
        ports = {port["name"]: port["containerPort"] for c in template["spec"]["containers"] for port in c.get("ports", ())}
        found[obj["kind"], obj["metadata"]["name"]] = (template["metadata"]["labels"], ports)
    return found


@ANY
@given(rendered())
def test_selectors_select_exactly_the_pods_they_are_for(world):
    _, objects = world
    pods = pods_of(objects)
    for kind in ("Deployment", "StatefulSet"):
        for name, obj in of(objects, kind).items():
            chosen = [key for key, (labels, _) in pods.items() if matches(obj["spec"]["selector"], labels)]
            assert chosen == [(kind, name)]
    for name, budget in of(objects, "PodDisruptionBudget").items():
        assert [key for key, (labels, _) in pods.items() if matches(budget["spec"]["selector"], labels)] == [("Deployment", name)]
    for monitor in of(objects, "ServiceMonitor").values():
        services = [s for s in of(objects, "Service").values() if matches(monitor["spec"]["selector"], s["metadata"]["labels"])]
        assert {port["name"] for service in services for port in service["spec"]["ports"]} >= {
            endpoint["port"] for endpoint in monitor["spec"]["endpoints"]
        }


@ANY
@given(rendered())
def test_services_reach_ports_that_exist_and_are_reached_by_what_names_them(world):
    _, objects = world
    pods, services = pods_of(objects), of(objects, "Service")
    for service in services.values():
        if service["spec"].get("type") == "ExternalName":
            continue
        chosen = [ports for labels, ports in pods.values() if matches_labels(service["spec"]["selector"], labels)]
        assert len(chosen) == 1
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= chosen[0].keys()
    for ingress in of(objects, "Ingress").values():
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                assert backend["port"]["name"] in {port["name"] for port in services[backend["name"]]["spec"]["ports"]}
    for stateful in of(objects, "StatefulSet").values():
        assert services[stateful["spec"]["serviceName"]]["spec"]["clusterIP"] == "None"
    for scaler in of(objects, "HorizontalPodAutoscaler").values():
        assert scaler["spec"]["scaleTargetRef"]["name"] in of(objects, "Deployment")
        assert scaler["spec"]["metrics"]


@ANY
@given(rendered())
def test_everything_a_pod_refers_to_is_there(world):
    app, objects = world
    secrets = {name: set(obj["stringData"]) for name, obj in of(objects, "Secret").items()}
    secrets |= {
        name: {entry["secretKey"] for entry in obj["spec"]["data"]} for name, obj in of(objects, "ExternalSecret").items()
    }
    for obj, template in templates(objects):
        spec = template["spec"]
        claims = {claim["metadata"]["name"] for claim in dig(obj, "spec.volumeClaimTemplates", [])}
        volumes = {volume["name"] for volume in spec.get("volumes", ())} | claims
        assert spec["serviceAccountName"] in of(objects, "ServiceAccount")
        for container in (*spec["containers"], *spec.get("initContainers", ())):
            mounts = container.get("volumeMounts", ())
            assert {mount["name"] for mount in mounts} <= volumes
            assert len({mount["mountPath"] for mount in mounts}) == len(mounts)
            ports = {port["name"] for port in container.get("ports", ())}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = container.get(probe, {})
                assert (asked.get("httpGet") or asked.get("tcpSocket") or {"port": "none"})["port"] in ports | {"none"}
            for source in container.get("envFrom", ()):
                assert source["configMapRef"]["name"] in of(objects, "ConfigMap")
            check_variables(container, secrets if app.platform.secrets != "existing" else None)


def check_variables(container, secrets):
    """Each variable is given once; a secret has the key; `$(NAME)` stands below the variable it names."""
    names = [entry["name"] for entry in container.get("env", ())]
    assert len(set(names)) == len(names)
    for position, entry in enumerate(container.get("env", ())):
        reference = dig(entry, "valueFrom.secretKeyRef")
        if reference and secrets is not None:
            assert reference["key"] in secrets[reference["name"]]
        if "_PASSWORD)@" in entry.get("value", ""):
            assert entry["value"].split("$(")[1].split(")")[0] in names[:position]


def allows(rules, direction, other, port):
    """Whether the rules of a policy let a pod with these labels through at this port."""
    return any(
        any(matches(peer.get("podSelector"), other) for peer in rule[direction] if "namespaceSelector" not in peer)
        and any(opened["port"] == port for opened in rule["ports"])
        for rule in rules
    )


@ANY
@given(rendered())
def test_policies_let_every_declared_call_through_at_both_ends_and_no_other(world):
    app, objects = world
    pods = pods_of(objects)
    policies = [obj["spec"] for obj in objects if obj["kind"] == "NetworkPolicy"]

    def through(caller, callee, port):
        out = [p for p in policies if matches(p["podSelector"], caller)]
        into = [p for p in policies if matches(p["podSelector"], callee)]
        return any(allows(p.get("egress", ()), "to", callee, port) for p in out) and any(
            allows(p.get("ingress", ()), "from", caller, port) for p in into
        )

    for (kind, name), (caller, _) in pods.items():
        owner = caller["app.kubernetes.io/name"]
        declared = {call.name for call in app.services[owner].calls or ()} if owner in app.services else set()
        for (other_kind, other), (callee, ports) in pods.items():
            target = callee["app.kubernetes.io/name"]
            serves = callee["app.kubernetes.io/component"] in ("service", "store")
            for port_name, port in ports.items():
                wanted = target in declared and serves and port_name != "metrics"
                assert through(caller, callee, port) == wanted, f"{kind} {name} -> {other_kind} {other}:{port}"
        if declared:
            dns = [rule for p in policies if matches(p["podSelector"], caller) for rule in p.get("egress", ())]
            assert any({"protocol": "UDP", "port": 53} in rule["ports"] for rule in dns), f"{name} may call but not ask for names"


@ANY
@given(rendered())
def test_budgets_permit_a_drain_and_autoscalers_alone_own_their_replicas(world):
    _, objects = world
    deployments, scalers = of(objects, "Deployment"), of(objects, "HorizontalPodAutoscaler")
    for name in of(objects, "PodDisruptionBudget"):
        least = scalers[name]["spec"]["minReplicas"] if name in scalers else deployments[name]["spec"]["replicas"]
        assert least > 1
    assert {name for name, obj in deployments.items() if "replicas" not in obj["spec"]} == scalers.keys()


@ANY
@given(rendered())
def test_objects_have_names_labels_and_no_noise(world):
    app, objects = world
    assert len({(obj["kind"], obj["metadata"]["name"]) for obj in objects}) == len(objects)
    for obj in objects:
        assert list(obj)[:3] == ["apiVersion", "kind", "metadata"]
        assert len(obj["metadata"]["name"]) <= (52 if obj["kind"] == "CronJob" else 63)
        assert obj["kind"] == "Namespace" or obj["metadata"]["namespace"] == app.namespace
        assert obj["metadata"]["labels"]["app.kubernetes.io/part-of"] == "shop"
        assert all(len(value) <= 63 for value in obj["metadata"]["labels"].values())
        assert not list(noise(obj)), obj


MEANT = ("emptyDir", "podSelector")  # empty, and meaning something by it


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
@given(rendered())
def test_the_same_app_renders_to_the_same_objects(world):
    app, objects = world
    secrets = {name: obj["stringData"] for name, obj in of(objects, "Secret").items()}
    assert render(app, secrets=secrets) == objects
