"""Plain examples of what property tests found, and of what nobody had thought of: each was wrong once."""

import pytest
from drawn import world_of
from landscape import of, workloads

from network_policies import Peer, permitted
from seatrial.app import AppFileErrors


def test_a_worker_without_a_port_shows_its_metrics_at_one_that_its_container_names():
    _, objects = world_of(
        "services: {worker: {image: x/worker, metrics: {port: 9464}}}\nplatform: {monitoring: prometheus-operator}"
    )
    (endpoint,) = of(objects, "PodMonitor")["worker"]["spec"]["podMetricsEndpoints"]
    (worker,) = [one for one in workloads(objects) if one.name == "worker"]
    assert worker.ports == {endpoint["port"]: 9464}


def test_in_the_mesh_a_certificates_challenge_is_answered_by_a_pod_that_its_proxy_lets_start():
    _, objects = world_of(
        "services: {web: {image: x/web, port: 80, expose: a.example.com}}\nplatform: {mesh: istio, issuer: letsencrypt}"
    )
    (solver,) = [one for one in workloads(objects) if one.kind == "Solver"]
    assert permitted(objects, solver.peer, Peer("istio-system", {"app": "istiod"}), 15012)
    assert permitted(objects, Peer("ingress-nginx"), solver.peer, 8089)
    assert of(objects, "PeerAuthentication")["allow-acme-solver"]["spec"]["portLevelMtls"] == {"8089": {"mode": "PERMISSIVE"}}


def test_backups_to_google_get_their_token_from_the_metadata_server():
    _, objects = world_of(
        "services: {api: {image: x/api, calls: [db]}}\n"
        "stores: {db: {postgres: 16, storage: 1Gi, backup: 'gs://acme', identity: shop@acme.iam.gserviceaccount.com}}\n"
        "platform: {postgres: cloudnative-pg}"
    )
    (instance,) = [one for one in workloads(objects) if one.kind == "Cluster"]
    assert permitted(objects, instance.peer, Peer(address="169.254.169.254"), 80)


def test_in_dev_a_store_of_ours_is_called_without_tls_though_anothers_is_called_with_it():
    text = (
        "services: {api: {image: x/api, calls: [db, cache]}}\n"
        "stores: {db: {postgres: 16, storage: 1Gi, tls: true}, cache: {redis: 7, tls: true}}\n"
        "environments: {production: {stores: {db: {host: db.example.com}, cache: {host: redis.example.com}}}}"
    )
    for environment, tls in (("dev", False), ("production", True)):
        _, objects = world_of(text, environment)
        (api,) = [one for one in workloads(objects) if one.name == "api"]
        given = {entry["name"]: entry.get("value", "") for entry in api.spec["containers"][0]["env"]}
        assert given["DB_URL"].endswith("?sslmode=require") == tls
        assert given["CACHE_URL"].startswith("rediss://") == tls


def test_a_job_may_take_at_least_the_second_in_which_it_starts():
    _, objects = world_of('services: {api: {image: x/api, jobs: {tidy: {schedule: "@daily", run: x, timeout: 500ms}}}}')
    assert of(objects, "CronJob")["api-tidy"]["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        "services: {a: {image: x/a, nodes: {pool: a/b}}}",
        "services: {a: {image: x/a, nodes: {'a/b/c': x}}}",
        "services: {a: {image: x/a, nodes: {pool: " + "x" * 64 + "}}}",
        "services: {a: {image: x/a, port: 80, expose: {host: a.example.com, path: //x}}}",
        "services: {a: {image: x/a, port: 80, expose: {host: a.example.com, path: /a/../b}}}",
        "services: {a: {image: x/a, port: 80, expose: {host: a.example.com, path: /a%2Fb}}}",
    ],
)
def test_what_the_api_server_would_refuse_is_refused_in_the_file(wrong):
    with pytest.raises(AppFileErrors):
        world_of(wrong)


def test_what_an_alert_tells_to_look_at_is_there_whatever_rolls_the_service():
    _, objects = world_of(
        "services: {web: {image: x/web, port: 80, metrics: /metrics, slo: 99.9, canary: [20]}}\n"
        "platform: {rollouts: argo-rollouts, monitoring: prometheus-operator}"
    )
    groups = of(objects, "PrometheusRule")["web"]["spec"]["groups"]
    told = [rule["annotations"]["runbook"] for group in groups for rule in group["rules"] if "alert" in rule]
    assert not any("deploy/" in words for words in told), "a Rollout is no Deployment"
    chosen = [words.split(" -l ")[1].split()[0].rstrip(";") for words in told if " logs -l " in words]
    assert chosen
    (web,) = [one for one in workloads(objects) if one.kind == "Rollout"]
    assert all(dict(pair.split("=") for pair in words.split(",")).items() <= web.labels.items() for words in chosen)
