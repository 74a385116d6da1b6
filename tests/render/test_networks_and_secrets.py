"""What may reach what, where secret values come from, and how large a namespace is."""

import pytest

from seatrial.app import AppFileErrors, load, loads, resolve
from seatrial.render import missing, needed, render, values
from seatrial.world import quantity

EVERYWHERE = "0.0.0.0/0"


def ports(rule):
    return [(port["protocol"], port["port"]) for port in rule["ports"]]


def test_everything_is_denied_that_is_not_declared(shop):
    spec = shop("production")["NetworkPolicy", "default-deny"]["spec"]
    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_a_call_is_open_at_both_ends_and_so_is_dns(shop):
    world = shop("production")
    dns, db, cache = world["NetworkPolicy", "api"]["spec"]["egress"]
    assert ports(dns) == [("UDP", 53), ("TCP", 53)]
    assert (ports(db), ports(cache)) == ([("TCP", 5432)], [("TCP", 6379)])
    (admitted,) = world["NetworkPolicy", "db"]["spec"]["ingress"]
    assert ports(admitted) == [("TCP", 5432)]
    callers = [peer["podSelector"]["matchLabels"] for peer in admitted["from"]]
    assert [(labels["app.kubernetes.io/name"], labels["app.kubernetes.io/component"]) for labels in callers] == [
        ("api", "service"),
        ("api", "job"),
        ("api", "migration"),
    ]
    assert "egress" not in world["NetworkPolicy", "db"]["spec"]


def test_the_jobs_of_a_service_may_call_and_not_be_called(shop):
    spec = shop("production")["NetworkPolicy", "api-jobs"]["spec"]
    assert "ingress" not in spec
    assert [ports(rule) for rule in spec["egress"]] == [[("UDP", 53), ("TCP", 53)], [("TCP", 5432)], [("TCP", 6379)]]


def test_what_the_world_may_reach_admits_the_ingress_controller_and_what_has_metrics_the_monitoring(shop):
    def namespaces(name):
        rules = shop("production")["NetworkPolicy", name]["spec"]["ingress"]
        peers = [peer for rule in rules for peer in rule["from"]]
        return [p["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for p in peers if "namespaceSelector" in p]

    assert namespaces("web") == ["ingress-nginx"]
    assert namespaces("api") == ["monitoring"]


def test_a_url_opens_its_port_to_public_addresses_only(of):
    world = of("  a: {image: x/a, calls: ['https://x.example', {b: 'http://y.example:8000'}]}")
    _, x, y = world["NetworkPolicy", "a"]["spec"]["egress"]
    assert (ports(x), ports(y)) == ([("TCP", 443)], [("TCP", 8000)])
    block = x["to"][0]["ipBlock"]
    assert block["cidr"] == EVERYWHERE
    assert "10.0.0.0/8" in block["except"]


def test_a_managed_store_may_have_a_private_address(of):
    world = of("  a: {image: x/a, calls: [db]}", rest="stores: {db: {postgres: 16, host: db.example.com}}")
    _, db = world["NetworkPolicy", "a"]["spec"]["egress"]
    assert db == {"to": [{"ipBlock": {"cidr": EVERYWHERE}}], "ports": [{"protocol": "TCP", "port": 5432}]}


def test_an_exposed_service_has_an_ingress_and_a_certificate_where_somebody_issues_one(of):
    services = "  a: {image: x/a, port: 80, expose: {host: a.example.com, path: /api}}"
    plain = of(services)["Ingress", "a"]
    assert plain["spec"]["ingressClassName"] == "nginx"
    assert "tls" not in plain["spec"]
    secured = of(services, rest="platform: {ingress: traefik, issuer: letsencrypt}")["Ingress", "a"]
    assert secured["metadata"]["annotations"] == {"cert-manager.io/cluster-issuer": "letsencrypt"}
    assert secured["spec"]["tls"] == [{"hosts": ["a.example.com"], "secretName": "a-tls"}]
    (rule,) = secured["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (rule["host"], path["path"], path["backend"]["service"]) == (
        "a.example.com",
        "/api",
        {"name": "a", "port": {"name": "http"}},
    )
    assert of(services, rest="platform: {ingress: none}").names("Ingress") == []


def test_a_metrics_port_of_its_own_has_a_name_everywhere(of):
    world = of("  a: {image: x/a, port: 80, metrics: {port: 9464}}", rest="platform: {monitoring: prometheus-operator}")
    assert world["Service", "a"]["spec"]["ports"][1] == {"name": "metrics", "port": 9464, "targetPort": "metrics"}
    assert world.container("Deployment", "a")["ports"][1] == {"name": "metrics", "containerPort": 9464}
    (endpoint,) = world["ServiceMonitor", "a"]["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("metrics", "/metrics")


# -- secrets -------------------------------------------------------------------------------------------------------------

SECRETIVE = """\
app: shop
version: "1"
services: {api: {image: x/api, calls: [db], secrets: [KEY, OTHER]}, web: {image: x/web, secrets: [KEY]}}
stores: {db: {postgres: 16, storage: 1Gi}, cache: {redis: 7}}
environments:
  production: {}
  eso: {platform: {secrets: external-secrets, secretStore: vault}}
  theirs: {platform: {secrets: existing}}
"""
NEEDED = {"api": ["KEY", "OTHER"], "web": ["KEY"], "db": ["password"]}


def secrets_in(environment, **given):
    return [
        (obj["kind"], obj["metadata"]["name"])
        for obj in render(loads(SECRETIVE), environment, secrets=given)
        if "Secret" in obj["kind"]
    ]


def test_it_is_known_which_secret_values_are_needed_and_which_are_missing():
    app = resolve(loads(SECRETIVE), "production")
    assert needed(app) == NEEDED
    assert missing(app) == NEEDED
    assert missing(app, {"api": {"KEY": "x"}, "db": {"password": "y"}}) == {"api": ["OTHER"], "web": ["KEY"]}
    assert missing(resolve(loads(SECRETIVE), "eso")) == {}


def test_a_secret_is_rendered_when_all_its_values_are_given():
    assert secrets_in("production") == []
    assert secrets_in("production", api={"KEY": "x"}, web={"KEY": "x"}) == [("Secret", "web")]


def test_external_secrets_are_fetched_by_app_environment_and_service():
    objects = render(loads(SECRETIVE), "eso")
    found = {obj["metadata"]["name"]: obj["spec"] for obj in objects if obj["kind"] == "ExternalSecret"}
    assert found.keys() == {"api", "web", "db"}
    assert found["api"]["secretStoreRef"] == {"name": "vault", "kind": "ClusterSecretStore"}
    assert found["db"]["data"] == [{"secretKey": "password", "remoteRef": {"key": "shop/eso/db", "property": "password"}}]


def test_secrets_that_somebody_else_makes_are_only_referred_to():
    assert secrets_in("theirs") == []


def test_no_secret_value_is_anywhere_but_in_its_secret(shop):
    secrets = {"api": {"PAYMENTS_KEY": "s3cr3t-payments"}, "db": {"password": "s3cr3t-password"}}
    world = shop("dev", secrets=secrets)
    holders = {obj["kind"] for obj in world.objects if "s3cr3t" in repr(obj)}
    assert holders == {"Secret"}


@pytest.fixture
def secretive(tmp_path):
    (tmp_path / "seatrial.yaml").write_text(SECRETIVE)
    return resolve(load(tmp_path), "production")


def test_values_come_from_the_files_beside_the_app_file_and_the_yaml_file_wins(secretive):
    (secretive.folder / ".env.production").write_text("# ours\nKEY='from env'\nexport OTHER=o\nDB_PASSWORD=p-w\n\n")
    (secretive.folder / "secrets.production.yaml").write_text("web: {KEY: 0012}\n")
    assert values.read(secretive) == {"api": {"KEY": "from env", "OTHER": "o"}, "web": {"KEY": "0012"}, "db": {"password": "p-w"}}


def test_mistakes_in_those_files_are_told_with_their_place(secretive):
    (secretive.folder / ".env.production").write_text("KEZ=1\nnonsense\nDB_PASSWORD=a/b@c\n")
    (secretive.folder / "secrets.production.yaml").write_text("apii: {KEY: x}\napi:\n  KEYY: x\n  OTHER: [x]\n")
    with pytest.raises(AppFileErrors) as caught:
        values.read(secretive)
    told = [f"{p.file.rsplit('/', 1)[-1]}:{p.line}:{p.column} {p.message}" for p in caught.value.problems]
    assert told == [
        ".env.production:1:1 no service has a secret `KEZ`",
        ".env.production:2:1 this is not `NAME=value`",
        ".env.production:3:13 the password of `db` is part of a URL, which cannot carry it as it is",
        "secrets.production.yaml:1:1 `apii` has no secrets",
        "secrets.production.yaml:3:3 `api` has no secret `KEYY`",
        "secrets.production.yaml:4:3 `OTHER` takes a text",
    ]


def test_what_nobody_gives_is_made_up_and_what_was_made_up_is_kept(secretive):
    first = values.complete(secretive, {"api": {"KEY": "given"}})
    assert first["api"]["KEY"] == "given"
    assert {name: list(keys) for name, keys in first.items()} == NEEDED
    assert len(first["db"]["password"]) == 32
    assert values.complete(secretive, first) == first
    assert values.complete(secretive)["db"] != first["db"]


# -- the namespace -------------------------------------------------------------------------------------------------------


def peak(world):
    """What all pods ask for while every service is at its largest and is rolled: old pods and new ones."""
    total = {"requests.cpu": 0, "requests.memory": 0, "limits.memory": 0, "pods": 0}

    def count(pod, number):
        total["pods"] += number
        for container in pod["containers"]:
            for key in ("requests.cpu", "requests.memory", "limits.memory"):
                kind, resource = key.split(".")
                total[key] += number * quantity.parse(container["resources"][kind][resource])

    for deployment in world.of("Deployment"):
        scaler = world.get("HorizontalPodAutoscaler", deployment["metadata"]["name"])
        most = scaler["spec"]["maxReplicas"] if scaler else deployment["spec"]["replicas"]
        count(deployment["spec"]["template"]["spec"], 2 * most)
    for kind in ("StatefulSet", "Job", "CronJob"):
        for name in world.names(kind):
            count(world.pod(kind, name), 1)
    return total


@pytest.mark.parametrize("environment", ["dev", "staging", "production"])
def test_the_quota_has_room_for_every_service_at_its_largest_while_it_is_rolled(shop, environment):
    world = shop(environment)
    hard = world.of("ResourceQuota")[0]["spec"]["hard"]
    for key, needs in peak(world).items():
        assert needs <= quantity.parse(hard[key]) <= 2 * needs, key
    assert "limits.cpu" not in hard, "nothing rendered has a CPU limit, and a quota of them would refuse every pod"


def test_the_namespace_enforces_the_restricted_standard(shop):
    labels = shop("production")["Namespace", "shop"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_what_somebody_runs_by_hand_gets_resources_too(shop):
    (limit,) = shop("production")["LimitRange", "shop"]["spec"]["limits"]
    assert limit["default"] == {"memory": "256Mi"}
    assert limit["defaultRequest"] == {"cpu": "100m", "memory": "128Mi"}


QUEUE = """
stores: {jobs: {redis: 7}, cache: {redis: 7}}
platform: {autoscaling: keda, PLATFORM}
"""
WORKER = "  worker: {image: a/worker, calls: [jobs], scale: {min: 1, max: 9, on: [{list: todo, store: jobs, target: 5}]}}"
KEDA = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}}


def test_keda_may_ask_the_redis_whose_lists_it_measures_and_no_other(of):
    world = of(WORKER, rest=QUEUE.replace("PLATFORM", "ingress: none"))
    (rule,) = world["NetworkPolicy", "jobs"]["spec"]["ingress"]
    assert KEDA in rule["from"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 6379}]
    assert "ingress" not in world["NetworkPolicy", "cache"]["spec"]


def test_in_the_mesh_that_redis_answers_keda_which_is_outside(of):
    world = of(WORKER, rest=QUEUE.replace("PLATFORM", "mesh: istio"))
    assert world["PeerAuthentication", "jobs"]["spec"]["portLevelMtls"] == {"6379": {"mode": "PERMISSIVE"}}
    assert world.names("PeerAuthentication") == ["default", "jobs"]


def test_without_keda_only_callers_reach_the_redis(of):
    world = of("  worker: {image: a/worker, calls: [jobs]}", rest=QUEUE.replace("PLATFORM", "mesh: none"))
    assert KEDA not in world["NetworkPolicy", "jobs"]["spec"]["ingress"][0]["from"]


def room(world):
    hard = world.of("ResourceQuota")[0]["spec"]["hard"]
    return {key: quantity.parse(hard[key]) for key in ("pods", "requests.cpu", "requests.memory", "limits.memory")}


def test_in_the_mesh_the_quota_has_room_for_a_proxy_beside_each_pod(of):
    service = "  api: {image: a/api, port: 80, replicas: 3}"
    without, with_it = room(of(service)), room(of(service, rest="platform: {mesh: istio}"))
    added = {key: with_it[key] - without[key] for key in with_it}
    assert added["pods"] == 0
    assert added["requests.cpu"] == 6 * quantity.parse("100m")
    assert added["requests.memory"] == 6 * quantity.parse("128Mi")
    assert added["limits.memory"] == 6 * quantity.parse("1Gi")


def test_the_quota_has_room_for_what_cloudnativepg_makes_which_has_no_proxy(of):
    service, store = "  api: {image: a/api, port: 80}", "{mesh: istio, postgres: cloudnative-pg}"
    stores = "stores: {db: {postgres: 16, storage: 1Gi, instances: 4, size: large}}"
    without = room(of(service, rest="platform: {mesh: istio}"))
    with_it = room(of(service, rest=f"platform: {store}\n{stores}"))
    assert with_it["pods"] - without["pods"] == 5
    large = of(service, rest=f"platform: {store}\n{stores}")["Cluster", "db"]["spec"]["resources"]
    assert with_it["limits.memory"] - without["limits.memory"] == 5 * quantity.parse(large["limits"]["memory"])


def test_while_a_canary_is_tried_there_is_room_for_the_one_before_that_is_still_ending(of):
    service = "  api: {image: a/api, port: 80, metrics: /m, replicas: 3, canary: [50], expose: a.example.com}"
    world = of(service, rest="platform: {rollouts: argo-rollouts, monitoring: prometheus-operator}")
    assert room(world)["pods"] == 9
