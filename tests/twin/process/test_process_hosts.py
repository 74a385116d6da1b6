"""/etc/hosts says what the cluster's DNS would: pure text from Services and endpoint slices."""

from seatrial.twin.kubelet.process.hosts import pod_hosts, service_hosts


def service(name, namespace="shop", ip="127.96.0.10", **spec):
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIP": ip, "clusterIPs": [ip], **spec}}


def endpoint_slice(service_name, *endpoints, namespace="shop"):
    labels = {"kubernetes.io/service-name": service_name}
    return {
        "metadata": {"name": "x", "namespace": namespace, "labels": labels},
        "addressType": "IPv4",
        "endpoints": list(endpoints),
    }


def resolve(text, name):
    """The addresses that a file of hosts has for a name, in order."""
    return [line.split()[0] for line in text.splitlines() if name in line.split()[1:]]


def test_a_service_has_its_short_name_in_its_own_namespace_alone():
    services = [service("api"), service("api", "billing", "127.96.0.11")]
    text = service_hosts(services, [], "shop")
    for name in ("api", "api.shop", "api.shop.svc", "api.shop.svc.cluster.local"):
        assert resolve(text, name) == ["127.96.0.10"]
    assert resolve(text, "api.billing.svc") == ["127.96.0.11"]
    assert resolve(service_hosts(services, [], "billing"), "api") == ["127.96.0.11"]


def test_the_own_namespace_comes_first():
    text = service_hosts([service("a", "aaa"), service("z")], [], "shop")
    assert text.splitlines()[0].split("\t")[1].startswith("z ")


def test_a_headless_service_has_its_ready_endpoints_and_a_name_for_each():
    ready = {"addresses": ["127.97.0.2"], "hostname": "db-0", "conditions": {"ready": True}}
    starting = {"addresses": ["127.97.0.3"], "hostname": "db-1", "conditions": {"ready": False}}
    slices = [endpoint_slice("db", starting, ready)]
    text = service_hosts([service("db", ip="None")], slices, "shop")
    assert resolve(text, "db") == ["127.97.0.2"]
    assert resolve(text, "db-0.db") == resolve(text, "db-0.db.shop.svc.cluster.local") == ["127.97.0.2"]
    assert resolve(text, "db-1.db") == []
    early = service_hosts([service("db", ip="None", publishNotReadyAddresses=True)], slices, "shop")
    assert resolve(early, "db-1.db") == ["127.97.0.3"]
    assert resolve(early, "db") == ["127.97.0.2", "127.97.0.3"]


def test_an_external_name_that_is_a_service_of_the_cluster_resolves_to_it():
    services = [service("db", "data"), service("database", ip="", type="ExternalName", externalName="db.data.svc.cluster.local")]
    assert resolve(service_hosts(services, [], "shop"), "database") == ["127.96.0.10"]
    loop = [service("a", ip="", type="ExternalName", externalName="a.shop.svc.cluster.local")]
    outside = [service("b", ip="", type="ExternalName", externalName="db.example.com")]
    assert service_hosts(loop + outside, [], "shop") == ""


def test_a_pod_knows_itself_and_its_aliases():
    pod = {
        "metadata": {"name": "db-0", "namespace": "shop"},
        "spec": {"subdomain": "db", "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["legacy", "old.example.com"]}]},
    }
    text = pod_hosts(pod, "127.97.0.2", "db-0")
    assert resolve(text, "localhost") == ["127.0.0.1", "::1"]
    assert resolve(text, "db-0") == resolve(text, "db-0.db.shop.svc.cluster.local") == ["127.97.0.2"]
    assert resolve(text, "old.example.com") == ["10.0.0.1"]
    assert text.startswith("# Kubernetes-managed hosts file.\n")
