"""Plain examples of what property tests found, and of what nobody had thought of: each was wrong once."""

from drawn import world_of
from landscape import of, workloads


def test_a_worker_without_a_port_shows_its_metrics_at_one_that_its_container_names():
    _, objects = world_of(
        "services: {worker: {image: x/worker, metrics: {port: 9464}}}\nplatform: {monitoring: prometheus-operator}"
    )
    (endpoint,) = of(objects, "PodMonitor")["worker"]["spec"]["podMetricsEndpoints"]
    (worker,) = [one for one in workloads(objects) if one.name == "worker"]
    assert worker.ports == {endpoint["port"]: 9464}
