"""What pods may reach outside of the app, and what others that stand in its namespace may: exactly that."""

import pytest

PUBLIC = "0.0.0.0/0"


def egress(world, name="a"):
    """The rules of a policy besides DNS."""
    return world["NetworkPolicy", name]["spec"].get("egress", [])[1:]


def told(rule):
    """A rule in short: namespaces, blocks and pods, then ports."""
    peers = []
    for peer in rule.get("to", rule.get("from", ())):
        block, space, pods = (peer.get(key) for key in ("ipBlock", "namespaceSelector", "podSelector"))
        peers.append(block["cidr"] if block else space["matchLabels"]["kubernetes.io/metadata.name"] if space else pods)
    ports = [f"{port['port']}-{port['endPort']}" if "endPort" in port else port["port"] for port in rule["ports"]]
    return peers, ports


@pytest.mark.parametrize(
    ("url", "peers", "ports"),
    [
        ("https://api.stripe.com", [PUBLIC], [443]),
        ("https://geo.example/v2", [PUBLIC], [443]),
        ("http://payments.billing.svc:8080", ["billing"], [8080]),
        ("http://payments.billing.svc.cluster.local", ["billing"], [80, "1024-65535"]),
        ("https://payments.billing.svc", ["billing"], [443, "1024-65535"]),
        ("http://payments.billing:8080", ["billing", PUBLIC], [8080]),
        ("http://payments:9000", [{}], [9000]),
        ("http://10.1.2.3:9000", ["10.1.2.3/32"], [9000]),
    ],
)
def test_a_url_opens_the_namespace_or_the_addresses_that_it_leads_to(of, url, peers, ports):
    (rule,) = egress(of(f"  a: {{image: x/a, calls: ['{url}']}}"))
    assert told(rule) == (peers, ports)


def test_what_sends_traces_reaches_the_collector_that_is_there_and_others_do_not(of):
    services = "  a: {image: x/a, port: 80}\n  b: {image: x/b, port: 80, tracing: false}"
    world = of(services, rest="platform: {telemetry: opentelemetry, otlp: 'http://otel.observability:4318'}")
    assert [told(rule) for rule in egress(world)] == [(["observability", PUBLIC], [4318])]
    assert "egress" not in world["NetworkPolicy", "b"]["spec"]


@pytest.mark.parametrize(
    ("identity", "peers", "ports"),
    [
        ("arn:aws:iam::123456789012:role/a", [PUBLIC], [443]),
        ("a@acme.iam.gserviceaccount.com", ["169.254.169.254/32", "169.254.169.252/32"], [80, 988]),
        ("00000000-1111-2222-3333-444444444444", [PUBLIC], [443]),
    ],
)
def test_who_is_somebody_at_a_cloud_reaches_what_hands_out_identities(of, identity, peers, ports):
    world = of(f"  a: {{image: x/a, port: 80, migrate: up, identity: '{identity}'}}")
    for policy in ("a", "a-jobs"):
        assert [told(rule) for rule in egress(world, policy)] == [(peers, ports)]
    if identity.startswith("arn"):
        assert "169.254.0.0/16" in egress(world)[0]["to"][0]["ipBlock"]["except"], "the node's own identity is not theirs"


# -- what stands in the namespace ----------------------------------------------------------------------------------------

EXPOSED = "  a: {image: x/a, port: 8080, expose: a.example.com}\n  b: {image: x/b, port: 80}"


@pytest.mark.parametrize(
    ("platform", "public", "told_by"),
    [
        ("mesh: istio", [80, 15021], (["istio-system"], [15012])),
        ("gatewayClass: nginx", [80], (["nginx-gateway"], [8443])),
        ("gatewayClass: nginx, issuer: letsencrypt", [80, 443], (["nginx-gateway"], [8443])),
    ],
)
def test_the_pods_of_the_apps_own_gateway_take_the_world_in_and_reach_what_is_exposed(of, platform, public, told_by):
    world = of(EXPOSED, rest=f"platform: {{ingress: gateway, {platform}}}")
    spec = world["NetworkPolicy", "allow-gateway"]["spec"]
    assert spec["podSelector"]["matchLabels"] == {"gateway.networking.k8s.io/gateway-name": "shop"}
    assert spec["ingress"] == [{"ports": [{"protocol": "TCP", "port": port} for port in public]}]
    _, control, service, *_ = spec["egress"]
    assert told(control) == told_by
    assert service["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "a"
    admitted = world["NetworkPolicy", "a"]["spec"]["ingress"][0]["from"]
    assert {"podSelector": spec["podSelector"]} in admitted


def test_a_gateway_of_somebody_else_needs_no_policy_here(of):
    world = of(EXPOSED, rest="platform: {ingress: gateway, gateway: infra/public, issuer: letsencrypt}")
    assert world.names("NetworkPolicy") == ["default-deny", "a", "b"]


@pytest.mark.parametrize("ingress", ["nginx", "traefik", "gateway"])
def test_the_pod_that_proves_a_host_is_ours_is_asked_where_requests_come_in(of, ingress):
    world = of(EXPOSED, rest=f"platform: {{ingress: {ingress}, issuer: letsencrypt}}")
    spec = world["NetworkPolicy", "allow-acme-solver"]["spec"]
    assert spec["podSelector"]["matchLabels"] == {"acme.cert-manager.io/http01-solver": "true"}
    assert spec["ingress"][0]["ports"] == [{"protocol": "TCP", "port": 8089}]
    assert spec["ingress"][0]["from"] == world["NetworkPolicy", "a"]["spec"]["ingress"][0]["from"]
    assert "egress" not in spec
    without = of(EXPOSED, rest=f"platform: {{ingress: {ingress}}}")
    assert without.get("NetworkPolicy", "allow-acme-solver") is None
    room = [int(one["ResourceQuota", "shop"]["spec"]["hard"]["pods"]) for one in (world, without)]
    assert room[0] - room[1] == 1


def test_a_gateway_has_a_certificate_for_each_host(of):
    services = EXPOSED + "\n  c: {image: x/c, port: 80, expose: {host: a.example.com, path: /c}}"
    world = of(services, rest="platform: {ingress: gateway, issuer: letsencrypt, monitoring: prometheus-operator}")
    assert world.names("Certificate") == ["a-tls"]
    spec = world["Certificate", "a-tls"]["spec"]
    assert (spec["dnsNames"], spec["issuerRef"]["name"]) == (["a.example.com"], "letsencrypt")
    secrets = [
        ref["name"]
        for listener in world["Gateway", "shop"]["spec"]["listeners"]
        for ref in listener.get("tls", {}).get("certificateRefs", ())
    ]
    assert secrets == [spec["secretName"]]
    assert "annotations" not in world["Gateway", "shop"]["metadata"], "a second Certificate would be made of it"
    for service in ("a", "c"):
        assert 'name="a-tls"' in repr(world["PrometheusRule", service])


def test_the_certificates_of_istios_gateway_lie_beside_it_under_names_of_the_app(of):
    services = EXPOSED + "\n  c: {image: x/c, port: 80, expose: {host: a.example.com, path: /c}}"
    platform = "platform: {ingress: istio, mesh: istio, issuer: letsencrypt, monitoring: prometheus-operator%s}"
    world = of(services, rest=platform % "")
    certificate = world["Certificate", "shop-production-a-tls"]
    assert certificate["metadata"]["namespace"] == "istio-system"
    credentials = [
        server["tls"].get("credentialName") for server in world["Gateway", "shop"]["spec"]["servers"] if "tls" in server
    ]
    assert credentials == [None, certificate["spec"]["secretName"]]
    expiry = next(rule for rule in alerts(world, "c") if rule["alert"] == "CertificateExpires")["expr"]
    assert 'namespace="istio-system",name="shop-production-a-tls"' in expiry
    theirs = of(services, rest=platform % ", gateway: edge/public")
    assert theirs.names("Certificate") == []
    assert "CertificateExpires" not in [rule["alert"] for rule in alerts(theirs, "a")], "whoever owns the Gateway sees to it"


def alerts(world, name):
    return [rule for group in world["PrometheusRule", name]["spec"]["groups"] for rule in group["rules"] if "alert" in rule]


def test_one_service_of_a_host_that_wants_a_certificate_is_enough(of):
    services = "  a: {image: x/a, port: 80, expose: {host: a.example.com, tls: false}}"
    services += "\n  c: {image: x/c, port: 80, expose: {host: a.example.com, path: /c}}"
    assert of(services, rest="platform: {ingress: gateway, issuer: letsencrypt}").names("Certificate") == ["a-tls"]
