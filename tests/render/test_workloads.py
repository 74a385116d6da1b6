"""What a service becomes: a Deployment that loses no request, with the production answer to all that was left out."""

import pytest


def test_the_shop_in_production_has_every_object_of_its_services_and_stores(shop):
    world = shop("production")
    found = {kind: sorted(world.names(kind)) for kind in {obj["kind"] for obj in world.objects}}
    (migration,) = found.pop("Job")
    assert migration.startswith("api-migrate-")
    assert found == {
        "Namespace": ["shop"],
        "ResourceQuota": ["shop"],
        "LimitRange": ["shop"],
        "NetworkPolicy": ["api", "api-jobs", "cache", "db", "default-deny", "web"],
        "ServiceAccount": ["api", "cache", "db", "web"],
        "ExternalSecret": ["api", "db"],
        "ConfigMap": ["api"],
        "Service": ["api", "cache", "cache-pods", "db", "db-pods", "web"],
        "StatefulSet": ["cache", "db"],
        "Deployment": ["api", "web"],
        "HorizontalPodAutoscaler": ["api", "web"],
        "PodDisruptionBudget": ["api", "web"],
        "CronJob": ["api-nightly-report"],
        "Ingress": ["web"],
        "ServiceMonitor": ["api"],
        "PrometheusRule": ["api", "cache", "db", "web"],
    }


def test_in_dev_there_is_one_small_pod_of_each_and_nothing_a_bare_cluster_does_not_know(shop):
    world = shop("dev")
    assert {world["Deployment", name]["spec"]["replicas"] for name in ("web", "api")} == {1}
    assert not {"HorizontalPodAutoscaler", "PodDisruptionBudget", "ServiceMonitor", "ExternalSecret"} & {
        obj["kind"] for obj in world.objects
    }
    assert world.container("Deployment", "api")["resources"]["requests"] == {"cpu": "100m", "memory": "128Mi"}
    assert {obj["metadata"].get("namespace", "shop-dev") for obj in world.objects} == {"shop-dev"}


def test_a_rolling_update_takes_no_pod_away_before_another_is_ready(shop):
    strategy = shop("production")["Deployment", "api"]["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}}


def test_a_pod_goes_on_answering_before_it_ends_and_its_grace_covers_both(of):
    pod = of("  web: {image: a/web, port: 80, drain: 7s, grace: 45s}").pod("Deployment", "web")
    assert pod["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": 7}}}
    assert pod["terminationGracePeriodSeconds"] == 52


def test_a_service_nobody_can_call_has_neither_service_nor_probes_nor_pause(of):
    world = of("  worker: {image: a/worker}")
    container = world.container("Deployment", "worker")
    assert not {"ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"} & container.keys()
    assert world.get("Service", "worker") is None
    assert world.pod("Deployment", "worker")["terminationGracePeriodSeconds"] == 30


def test_the_three_probes_ask_what_health_says(shop):
    container = shop("production").container("Deployment", "api")
    asked = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert asked == {
        "startupProbe": {"path": "/health", "port": "http"},
        "livenessProbe": {"path": "/health", "port": "http"},
        "readinessProbe": {"path": "/ready", "port": "http"},
    }
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] == 60


def test_without_health_the_port_is_tried(of):
    container = of("  web: {image: a/web, port: 80}").container("Deployment", "web")
    assert container["readinessProbe"]["tcpSocket"] == {"port": "http"}


def test_a_start_that_takes_long_gets_a_deadline_to_match(of):
    spec = of("  web: {image: a/web, port: 80, health: {live: /x, startup: 10m}}")["Deployment", "web"]["spec"]
    assert spec["progressDeadlineSeconds"] == 1200


@pytest.mark.parametrize("workload", [("Deployment", "web"), ("StatefulSet", "db"), ("CronJob", "api-nightly-report")])
def test_every_pod_keeps_the_restricted_pod_security_standard(shop, workload):
    pod = shop("production").pod(*workload)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in (*pod["containers"], *pod.get("initContainers", ())):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_what_must_be_written_can_be_written_and_nothing_else(of):
    pod = of("  web: {image: a/nginx, port: 80, writable: [/data/up, /data_up]}").pod("Deployment", "web")
    assert {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == {
        "/tmp": "tmp",
        "/var/cache/nginx": "var-cache-nginx",
        "/var/run": "var-run",
        "/data/up": "data-up",
        "/data_up": "data-up-2",
    }
    assert all(volume["emptyDir"] == {"sizeLimit": "1Gi"} for volume in pod["volumes"])


def test_the_image_is_the_files_with_the_apps_version_unless_it_has_a_tag_or_is_given(of):
    services = "  a: {image: x/a}\n  b: {image: 'r:5000/x/b'}\n  c: {image: 'x/c:7'}\n  d: {image: x/d}"
    world = of(services, images={"d": "localhost/d:src-1"})
    assert [world.container("Deployment", name)["image"] for name in "abcd"] == [
        "x/a:1",
        "r:5000/x/b:1",
        "x/c:7",
        "localhost/d:src-1",
    ]


def test_run_is_the_containers_command_only_if_nothing_is_built(of):
    world = of("  a: {image: x/a, run: serve --all}\n  b: {image: x/b, run: serve, build: b}")
    assert world.container("Deployment", "a")["command"] == ["serve", "--all"]
    assert "command" not in world.container("Deployment", "b")


def test_a_call_gives_a_variable_and_a_password_stands_before_the_url_that_uses_it(shop):
    variables = shop("production").variables("Deployment", "api")
    assert variables["DB_PASSWORD"] == {"secretKeyRef": {"name": "db", "key": "password"}}
    assert variables["DB_URL"] == "postgresql://shop:$(DB_PASSWORD)@db:5432/shop"
    assert variables["CACHE_URL"] == "redis://cache:6379"
    assert variables["PORT"] == "3000"
    assert variables["POD_IP"] == {"fieldRef": {"fieldPath": "status.podIP"}}
    assert variables["PAYMENTS_KEY"] == {"secretKeyRef": {"name": "api", "key": "PAYMENTS_KEY"}}
    assert list(variables).index("DB_PASSWORD") < list(variables).index("DB_URL")
    assert shop("production").variables("Deployment", "web")["API_URL"] == "http://api:3000"


def test_a_url_that_has_a_name_is_a_variable_too(of):
    world = of("  order-api: {image: x/a, calls: [{geo: 'https://geo.example/v2'}, 'https://other.example']}")
    assert world.variables("Deployment", "order-api") == {
        "POD_IP": {"fieldRef": {"fieldPath": "status.podIP"}},
        "GEO_URL": "https://geo.example/v2",
    }


@pytest.mark.parametrize(
    ("runtime", "variable", "value"),
    [
        ("jvm", "JAVA_TOOL_OPTIONS", "-XX:MaxRAMPercentage=75.0 -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError -Duser.home=/tmp"),
        ("node", "NODE_OPTIONS", "--max-old-space-size=384"),
        ("go", "GOMEMLIMIT", "384MiB"),
    ],
)
def test_a_heap_follows_the_memory_limit(of, runtime, variable, value):
    world = of(f"  a: {{image: x/a, runtime: {runtime}, size: medium}}")
    assert world.variables("Deployment", "a")[variable] == value


def test_what_config_says_of_a_runtime_is_left_to_it(of):
    world = of("  a: {image: x/a, runtime: jvm, config: {JAVA_TOOL_OPTIONS: -Xmx200m}}")
    assert "JAVA_TOOL_OPTIONS" not in world.variables("Deployment", "a")


def test_pods_are_spread_where_there_is_a_choice(shop):
    constraints = shop("production").pod("Deployment", "api")["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in constraints] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    assert {one["whenUnsatisfiable"] for one in constraints} == {"ScheduleAnyway"}
    assert "topologySpreadConstraints" not in shop("dev").pod("Deployment", "api")


def test_an_autoscaler_owns_the_number_of_replicas(shop):
    world = shop("production")
    assert "replicas" not in world["Deployment", "web"]["spec"]
    spec = world["HorizontalPodAutoscaler", "web"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 10)
    assert {m["resource"]["name"]: m["resource"]["target"]["averageUtilization"] for m in spec["metrics"]} == {
        "cpu": 70,
        "memory": 80,
    }


def test_a_range_of_one_number_needs_no_autoscaler(of):
    world = of("  a: {image: x/a, scale: {min: 3, max: 3}}")
    assert world["Deployment", "a"]["spec"]["replicas"] == 3
    assert world.get("HorizontalPodAutoscaler", "a") is None


def test_a_budget_never_blocks_a_drain(of):
    world = of(
        "  one: {image: x/a, replicas: 1}\n  two: {image: x/a, replicas: 2}\n  moved: {image: x/a, scale: {min: 1, max: 9}}"
    )
    assert world.names("PodDisruptionBudget") == ["two"]
    assert world["PodDisruptionBudget", "two"]["spec"]["maxUnavailable"] == 1


def test_pods_roll_when_their_config_or_a_secret_they_read_changes(of):
    services = "  api: {image: x/a, calls: [db], config: {A: '%s'}, secrets: [KEY]}"
    stores = "stores: {db: {postgres: 16, storage: 1Gi}}"

    def sums(config="1", key="1", password="1"):
        secrets = {"api": {"KEY": key}, "db": {"password": password}}
        world = of(services % config, rest=stores, secrets=secrets)
        return world["Deployment", "api"]["spec"]["template"]["metadata"]["annotations"]

    assert sums() == sums()
    assert len({str(sums()), str(sums(config="2")), str(sums(key="2")), str(sums(password="2"))}) == 4


def test_the_version_of_the_app_stands_on_workloads_and_not_on_pods(of):
    """So that a release rolls only what it changes: an image with a tag of its own stays as it is."""
    deployment = of("  web: {image: 'x/web:5', port: 80}")["Deployment", "web"]
    assert deployment["metadata"]["labels"]["app.kubernetes.io/version"] == "1"
    assert "app.kubernetes.io/version" not in deployment["spec"]["template"]["metadata"]["labels"]
