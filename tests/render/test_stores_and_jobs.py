"""Stores, migrations and jobs: what runs beside the services, and in which order."""

import pytest

POSTGRES = "stores: {db: {postgres: %s, storage: 20Gi}}"
API = "  api: {image: x/api, port: 80, calls: [db], migrate: migrate up, config: {B: '2', A: '1'}}"


def test_a_postgres_keeps_its_data_in_a_claim_below_the_mount(shop):
    world = shop("production")
    container = world.container("StatefulSet", "db")
    assert container["image"] == "docker.io/library/postgres:16"
    variables = world.variables("StatefulSet", "db")
    assert variables["PGDATA"] == "/var/lib/postgresql/data/pgdata"
    assert (variables["POSTGRES_USER"], variables["POSTGRES_DB"]) == ("shop", "shop")
    assert variables["POSTGRES_PASSWORD"] == {"secretKeyRef": {"name": "db", "key": "password"}}
    (claim,) = world["StatefulSet", "db"]["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"
    assert {"name": "data", "mountPath": "/var/lib/postgresql/data"} in container["volumeMounts"]


def test_a_postgres_since_18_has_its_data_where_its_image_has_it(of):
    world = of(API, rest=POSTGRES % 18)
    assert world.variables("StatefulSet", "db")["PGDATA"] == "/var/lib/postgresql/18/docker"
    assert {"name": "data", "mountPath": "/var/lib/postgresql"} in world.container("StatefulSet", "db")["volumeMounts"]


def test_a_store_is_ready_when_its_address_answers_and_not_only_its_socket(shop):
    world = shop("production")
    for store, asks in (("db", 'pg_isready --quiet --host "$POD_IP"'), ("cache", 'redis-cli -h "$POD_IP" ping')):
        container = world.container("StatefulSet", store)
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert asks in container[probe]["exec"]["command"][-1]


def test_a_redis_without_storage_forgets_and_with_storage_does_not(of):
    rest = "stores: {a: {redis: 7, size: medium}, b: {redis: 7, size: medium, storage: 1Gi}}"
    world = of("  x: {image: x/x}", rest=rest)
    forgets, keeps = (" ".join(world.container("StatefulSet", name)["args"]) for name in ("a", "b"))
    assert "--appendonly no" in forgets
    assert "allkeys-lru" in forgets
    assert "--appendonly yes" in keeps
    assert "noeviction" in keeps
    assert world.variables("StatefulSet", "a")["MAXMEMORY"] == "384mb"
    assert "volumeClaimTemplates" not in world["StatefulSet", "a"]["spec"]


def test_a_store_is_called_by_one_service_and_its_pods_are_named_by_another(shop):
    world = shop("production")
    assert world["Service", "db"]["spec"]["type"] == "ClusterIP"
    assert world["Service", "db-pods"]["spec"]["clusterIP"] == "None"
    assert world["StatefulSet", "db"]["spec"]["serviceName"] == "db-pods"


def test_a_store_that_somebody_else_runs_is_only_a_name(of):
    world = of(API, rest="stores: {db: {postgres: 16, host: db.example.com}}")
    assert world["Service", "db"]["spec"] == {"type": "ExternalName", "externalName": "db.example.com"}
    assert world.names("StatefulSet") == []
    (migration,) = world.of("Job")
    assert "initContainers" not in migration["spec"]["template"]["spec"]


def test_a_migration_waits_for_the_store_and_brings_its_own_variables(of):
    (job,) = of(API, rest=POSTGRES % 16).of("Job")
    pod = job["spec"]["template"]["spec"]
    (wait,) = pod["initContainers"]
    assert wait["command"][-1].startswith("until pg_isready --quiet --host db ")
    (main,) = pod["containers"]
    assert main["command"] == ["migrate", "up"]
    assert "envFrom" not in main
    assert [entry["name"] for entry in main["env"]][-2:] == ["A", "B"]


def test_a_migration_has_a_new_name_when_anything_it_is_made_of_changes(of):
    def name(services=API, **options):
        (job,) = of(services, rest=POSTGRES % 16, **options).of("Job")
        return job["metadata"]["name"]

    others = [name(API.replace("migrate up", "migrate on")), name(API.replace("'1'", "'9'")), name(images={"api": "x/api:9"})]
    assert name() == name()
    assert len({name(), *others}) == 4
    assert len(name()) <= 63


def test_a_deployment_says_which_migration_it_needs(of):
    world = of(API, rest=POSTGRES % 16)
    (job,) = world.names("Job")
    assert world["Deployment", "api"]["metadata"]["annotations"]["seatrial.dev/migration"] == job


def test_a_job_runs_the_services_image_with_its_variables_and_never_twice_at_once(shop):
    world = shop("production")
    spec = world["CronJob", "api-nightly-report"]["spec"]
    assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == ("0 3 * * *", "Etc/UTC", "Forbid")
    container = world.container("CronJob", "api-nightly-report")
    assert container["command"] == ["python", "-m", "shop_api.report"]
    assert container["envFrom"] == [{"configMapRef": {"name": "api"}}]
    assert world.variables("CronJob", "api-nightly-report").keys() == world.variables("Deployment", "api").keys()


def test_the_pods_of_jobs_are_not_the_services(shop):
    world = shop("production")
    selector = world["Service", "api"]["spec"]["selector"]
    for kind, name in (("CronJob", "api-nightly-report"), ("Job", world.names("Job")[0])):
        spec = world[kind, name]["spec"]
        labels = (spec["jobTemplate"]["spec"] if kind == "CronJob" else spec)["template"]["metadata"]["labels"]
        assert not selector.items() <= labels.items()


MIGRATED = "  api: {image: a/api, port: 80, expose: a.example.com, calls: [db], migrate: up, scale: {min: 1, max: 3, cpu: 50}}"
BY_GITOPS = "stores: {db: {postgres: 16, storage: 1Gi}}\nplatform: {gitops: %s}"


def wave(obj):
    return int(obj["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", 0))


def test_argo_cd_runs_a_migration_after_what_it_needs_and_before_what_needs_it(of):
    world = of(MIGRATED, rest=BY_GITOPS % "argocd")
    (job,) = world.of("Job")
    said = job["metadata"]["annotations"]
    assert said["argocd.argoproj.io/hook"] == "Sync", "a PreSync hook would wait for its ServiceAccount for ever"
    assert said["argocd.argoproj.io/hook-delete-policy"] == "BeforeHookCreation"
    before = {obj["kind"] for obj in world.objects if wave(obj) < wave(job)}
    after = {obj["kind"] for obj in world.objects if wave(obj) > wave(job)}
    assert before >= {"ServiceAccount", "Secret", "StatefulSet", "Service", "NetworkPolicy", "ResourceQuota"}
    assert after == {"Deployment", "HorizontalPodAutoscaler", "Ingress"}


def test_a_hook_of_argo_cd_is_never_pruned_and_goes_by_itself(of):
    (job,) = of(MIGRATED, rest=BY_GITOPS % "argocd").of("Job")
    assert job["spec"]["ttlSecondsAfterFinished"] == 86400


@pytest.mark.parametrize("gitops", ["flux", "none"])
def test_others_than_argo_cd_apply_an_ordinary_job(of, gitops):
    world = of(MIGRATED, rest=BY_GITOPS % gitops)
    assert not any("argocd" in key for obj in world.objects for key in obj["metadata"].get("annotations", {}))


def test_without_a_migration_nothing_has_to_wait(of):
    world = of("  api: {image: a/api, port: 80}", rest="platform: {gitops: argocd}")
    assert {wave(obj) for obj in world.objects} == {0}
