"""Any valid app: the network permits every declared call at both ends, what operators need, and nothing else."""

from urllib.parse import urlsplit

from drawn import ANY, worlds
from hypothesis import given
from landscape import of, workloads

from network_policies import NAME, Peer, permitted
from platforms import AZURE, GOOGLE, ROLE
from seatrial.render.gateway import class_of
from seatrial.render.scope import Scope
from seatrial.world.objects import dig
from seatrial.world.selectors import matches

DNS = Peer("kube-system", {"k8s-app": "kube-dns"})
NODE_DNS = Peer(address="169.254.20.10")
WORLD, PRIVATE = Peer(address="93.184.216.34"), Peer(address="10.9.8.7")
STRANGER = Peer("elsewhere-entirely", {"app": "stranger"})
STORE_PORTS = {"postgres": 5432, "redis": 6379}
INGRESSES = {"nginx": "ingress-nginx", "traefik": "traefik"}
GATEWAYS = {"nginx": ["nginx-gateway"], "eg": ["envoy-gateway-system"], "istio": ["istio-system", "istio-ingress"]}
PROXY = 15090
OTLP, COLLECTOR = (4317, 4318), "opentelemetry-collector"


def owners(app, one):
    """The service, store or helper that a pod belongs to."""
    return one.labels.get("cnpg.io/cluster") or one.part_of


def declared(app, caller, callee):
    """The ports at which one workload of an app may reach another."""
    own, other = owners(app, caller), owners(app, callee)
    found = set()
    if callee.kind == "Gateway":
        return found
    if callee.kind == "Solver":
        return {8089} if caller.kind == "Gateway" else found
    if caller.kind == "Gateway":
        service = app.services.get(other)
        return {service.port} if service and service.expose and callee.kind in ("Deployment", "Rollout") else found
    if callee.kind == "Cluster" and own == other:
        return {5432, 8000}
    if own in app.services and callee.kind not in ("Job", "CronJob"):
        called = {call.name for call in app.services[own].calls or ()}
        if other in called and other in app.services:
            found.add(app.services[other].port)
        elif other in called:
            found.add(STORE_PORTS["postgres" if app.stores[other].postgres else "redis"])
        if callee.component == COLLECTOR and app.services[own].tracing is not False:
            found |= set(OTLP)
    return found


@ANY
@given(worlds())
def test_inside_of_the_app_declared_calls_are_permitted_and_no_others(found):
    for app, objects in found:
        there = list(workloads(objects))
        policies = [obj for obj in objects if obj["kind"] == "NetworkPolicy"]
        for caller in there:
            for callee in there:
                wanted = declared(app, caller, callee)
                door = listening(objects) if callee.kind == "Gateway" else set()  # to everybody who may ask all addresses
                for port in {*callee.ports.values(), *wanted, 22} - door:
                    may = permitted(policies, caller.peer, callee.peer, port)
                    assert may == (port in wanted), f"{caller.key} -> {callee.key}:{port} {'is' if may else 'is not'} permitted"


@ANY
@given(worlds())
def test_whoever_calls_anything_can_ask_for_its_name(found):
    for app, objects in found:
        for one in workloads(objects):
            service = app.services.get(owners(app, one))
            calls = service and (service.calls or (app.platform.telemetry != "none" and service.tracing is not False))
            meshed = app.platform.mesh == "istio" and one.kind != "Cluster"
            if calls or meshed or one.kind in ("Cluster", "Gateway"):
                for server in (DNS, NODE_DNS):
                    for protocol in ("UDP", "TCP"):
                        assert permitted(objects, one.peer, server, 53, protocol), f"{one.key} may not ask {server}"
            if meshed:
                assert permitted(objects, one.peer, Peer("istio-system", {"app": "istiod"}), 15012), one.key


@ANY
@given(worlds())
def test_from_outside_only_controllers_come_in_and_only_where_they_must(found):
    for app, objects in found:
        there = list(workloads(objects))
        entered, read, measured = entries(app, objects), readings(app, objects), asked_by_keda(app, objects)
        callers = {namespace: Peer(namespace, {"app": "x"}) for namespace in callers_of(app)}
        for one in there:
            for namespace, caller in callers.items():
                wanted = set()
                wanted |= entered.get(one.key, set()) if namespace in entry_namespaces(app) else set()
                wanted |= read.get(one.key, set()) if namespace == (app.platform.monitoringNamespace or "monitoring") else set()
                wanted |= measured.get(one.key, set()) if namespace == "keda" else set()
                wanted |= {5432, 8000} if one.kind == "Cluster" and namespace == "cnpg-system" else set()
                wanted |= {8089} if one.kind == "Solver" and namespace in entry_namespaces(app) else set()
                wanted |= listening(objects) if one.kind == "Gateway" else set()
                for port in {*one.ports.values(), *wanted, 22}:
                    may = permitted(objects, caller, one.peer, port)
                    assert may == (port in wanted), f"{namespace} -> {one.key}:{port} {'is' if may else 'is not'} permitted"
            for port in {*one.ports.values(), 22}:
                wanted = one.kind == "Gateway" and port in listening(objects)
                assert permitted(objects, WORLD, one.peer, port) == wanted, f"the world -> {one.key}:{port}"


def listening(objects):
    """The ports of the app's own Gateway of the Gateway API."""
    (gateway,) = (obj for obj in of(objects, "Gateway").values() if obj["apiVersion"].startswith("gateway."))
    return {one["port"] for one in gateway["spec"]["listeners"]}


def callers_of(app):
    named = [
        *INGRESSES.values(),
        *(name for names in GATEWAYS.values() for name in names),
        "infra",
        "keda",
        "cnpg-system",
        STRANGER.namespace,
    ]
    return dict.fromkeys([*named, app.platform.monitoringNamespace or "monitoring"])


def entry_namespaces(app):
    """Where the controllers and gateways are from which the world's requests come."""
    platform = app.platform
    if platform.ingress in INGRESSES:
        return {INGRESSES[platform.ingress]}
    kind = "istio" if platform.ingress == "istio" else class_of(Scope(app))
    return {*(platform.gateway or "").split("/")[:1], *GATEWAYS[kind]}


def entries(app, objects):
    found = {}
    for one in workloads(objects):
        service = app.services.get(owners(app, one))
        serving = one.kind in ("Deployment", "Rollout")
        if service and serving and service.expose and app.platform.ingress != "none":
            found[one.key] = {service.port}
    return found


def readings(app, objects):
    """The ports at which Prometheus reads, by workload."""
    if app.platform.monitoring != "prometheus-operator":
        return {}
    found = {}
    for one in workloads(objects):
        service = app.services.get(owners(app, one))
        if service and one.kind in ("Deployment", "Rollout") and service.metrics:
            also = {further.port for further in service.metrics.also or ()}
            found[one.key] = {service.metrics.port or service.port} | also
        elif service and one.kind == "Rollout" and app.platform.mesh == "istio":
            found[one.key] = {PROXY}  # its canary is judged by what its proxies count
        elif one.kind == "Cluster":
            found[one.key] = {9187}
        elif one.component == COLLECTOR:
            found[one.key] = {8888, 8889}
    return found


def asked_by_keda(app, objects):
    stores = {
        trigger["metadata"]["address"].split(".")[0].split(":")[0]
        for scaled in of(objects, "ScaledObject").values()
        for trigger in scaled["spec"]["triggers"]
        if trigger["type"] == "redis"
    }
    return {one.key: {6379} for one in workloads(objects) if one.kind == "StatefulSet" and one.name in stores}


@ANY
@given(worlds())
def test_to_the_outside_only_what_is_called_is_open(found):
    for app, objects in found:
        for one in workloads(objects):
            service = app.services.get(owners(app, one))
            if one.kind == "Cluster":
                cloud(objects, one, app.stores[one.name].identity, set(), set())
                assert permitted(objects, one.peer, WORLD, 443), "backups go there"
            if service is None:
                continue
            urls = [urlsplit(call.url) for call in service.calls or () if call.url]
            public = {url.port or (443 if url.scheme == "https" else 80) for url in urls if url.hostname.endswith(".example")}
            inside(objects, one, {url.hostname: url.port for url in urls})
            if app.platform.otlp and app.platform.telemetry != "none" and service.tracing is not False:
                check_collector(app, objects, one, public)
            managed = {call.name for call in service.calls or () if call.name in app.stores and app.stores[call.name].host}
            private = {STORE_PORTS["postgres" if app.stores[name].postgres else "redis"] for name in managed}
            private |= {443, 6443} if service.permissions else set()
            named = {9000} if any(url.hostname == PRIVATE.address for url in urls) else set()
            cloud(objects, one, service.identity, public, private)
            for port in (22, 80, 443, 4318, 5432, 6379, 6443, 8000, 9000):
                assert permitted(objects, one.peer, WORLD, port) == (port in public | private), f"{one.key} -> the world:{port}"
                open_ = permitted(objects, one.peer, PRIVATE, port)
                assert open_ == (port in private | named), f"{one.key} -> a private address:{port}"
            assert not permitted(objects, one.peer, STRANGER, 80) or 80 in private


def inside(objects, one, urls):
    """A URL inside of the cluster opens the way to the pods of its namespace, and to no others."""
    called = "payments.billing.svc" in urls
    assert permitted(objects, one.peer, Peer("billing", {"app": "payments"}), 8080) == called, f"{one.key} -> billing"
    if "neighbour" in urls:
        policies = [obj for obj in objects if obj["metadata"]["name"] != "default-deny"]
        assert permitted(policies, one.peer, Peer(one.namespace, {"app": "neighbour"}), 8081), f"{one.key} -> its neighbour"


def cloud(objects, one, identity, public, private):
    """Where a workload with an identity gets its token: AWS' STS may be inside of the network, Azure's endpoint is not."""
    if identity == ROLE:
        private.add(443)
    elif identity == AZURE:
        public.add(443)
    elif identity == GOOGLE:
        for address in ("169.254.169.254", "169.254.169.252"):
            assert all(permitted(objects, one.peer, Peer(address=address), port) for port in (80, 988)), one.key


def check_collector(app, objects, one, public):
    """The collector that is there already is reached: by its Service's namespace, or as a URL of the world."""
    url = urlsplit(app.platform.otlp)
    if url.scheme == "http":
        namespace = url.hostname.split(".")[1]
        assert permitted(objects, one.peer, Peer(namespace, {"app": "collector"}), url.port), f"{one.key} -> {app.platform.otlp}"
    public.add(url.port or 443)  # two words may be a host of the world as well


@ANY
@given(worlds())
def test_in_the_mesh_what_comes_from_outside_of_it_is_let_through_at_its_port_alone(found):
    for app, objects in found:
        rules = of(objects, "PeerAuthentication")
        assert bool(rules) == (app.platform.mesh == "istio")
        if not rules:
            continue
        assert rules["default"]["spec"]["mtls"]["mode"] == "STRICT"
        read, measured = readings(app, objects), asked_by_keda(app, objects)
        for one in workloads(objects):
            if one.kind not in ("Deployment", "Rollout", "StatefulSet", "Solver") or one.component == COLLECTOR:
                continue
            rule = rules.get("allow-acme-solver" if one.kind == "Solver" else one.name, {})
            plain = {PROXY} & read.get(one.key, set())  # the proxy is asked itself, and not what it stands before
            plain |= {int(port) for port in dig(rule, "spec.portLevelMtls", {})}
            outside = app.platform.ingress in ("nginx", "traefik") or (
                app.platform.ingress == "gateway" and class_of(Scope(app)) != "istio"
            )
            wanted = read.get(one.key, set()) | measured.get(one.key, set())
            wanted |= entries(app, objects).get(one.key, set()) if outside else set()
            wanted |= {8089} if outside and one.kind == "Solver" else set()
            assert plain == wanted, one.key


def test_the_evaluator_reads_policies_as_kubernetes_does():
    deny = {"kind": "NetworkPolicy", "metadata": {"namespace": "a"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}
    one, other = Peer("a", {"app": "one"}), Peer("b", {"app": "other"})
    assert permitted([], one, other, 80)
    assert not permitted([deny], other, one, 80)
    assert permitted([deny], one, other, 80), "an end without a policy for a direction permits it"
    rule = {"from": [{"namespaceSelector": {"matchLabels": {NAME: "b"}}}], "ports": [{"port": "http"}]}
    opened = {**deny, "spec": {"podSelector": {}, "ingress": [rule]}}
    named = Peer("a", {}, ports={"http": 80})
    assert permitted([deny, opened], other, named, 80)
    assert not permitted([deny, opened], other, named, 81)
    assert not permitted([deny, opened], one, named, 80), "a peer of another namespace is none of the same labels here"


@ANY
@given(worlds())
def test_in_the_mesh_identities_are_admitted_as_addresses_are(found):
    for app, objects in found:
        policies = of(objects, "AuthorizationPolicy")
        if app.platform.mesh != "istio":
            assert not policies
            continue
        there = [one for one in workloads(objects) if one.kind not in ("Cluster", "Gateway", "Solver")]
        for callee in there:
            mine = [one for one in policies.values() if matches(one["spec"]["selector"], callee.labels)]
            if callee.kind in ("Job", "CronJob"):
                continue  # nobody calls those, and their NetworkPolicy says so
            for caller in there:
                wanted = declared(app, caller, callee)
                account = f"cluster.local/ns/{app.namespace}/sa/{caller.spec.get('serviceAccountName') or caller.name}"
                for port in {*callee.ports.values(), *wanted}:
                    may = all(admitted(policy, account, port) for policy in mine)
                    assert may == (port in wanted) or not mine, (
                        f"{caller.key} -> {callee.key}:{port} {'is' if may else 'is not'} admitted"
                    )
            assert mine or not callee.ports, f"{callee.key} admits everybody"


def admitted(policy, account, port):
    """Whether an AuthorizationPolicy admits an account of the mesh at a port."""
    for rule in policy["spec"].get("rules", ()):
        sources = [one["source"] for one in rule["from"]]
        ports = {at for one in rule["to"] for at in one["operation"]["ports"]}
        if str(port) in ports and any(account in source.get("principals", ()) for source in sources):
            return True
    return False
