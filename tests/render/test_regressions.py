"""Plain examples of what property tests found, and of what nobody had thought of: each was wrong once."""

from drawn import world_of
from landscape import of, workloads

from network_policies import Peer, permitted


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
