from __future__ import annotations

from collections.abc import Sequence

from fake_cluster import Cluster

from seatrial.twin.context import Context
from seatrial.twin.controllers import Controller, all_controllers
from seatrial.twin.store import Key


class Counted:
    """A controller that adds up how many objects its looks go through."""

    def __init__(self, inner: Controller, total: list[int]) -> None:
        self._inner, self._total = inner, total
        self.name, self.watches = inner.name, inner.watches
        self.pace = getattr(inner, "pace", 0.02)

    @property
    def weight(self) -> int:
        return getattr(self._inner, "weight", 0)

    def reconcile(self, key: Key) -> float | None:
        again = self._inner.reconcile(key)
        self._total[0] += 1 + self.weight
        return again


def work(replicas: int) -> int:
    """The objects that all looks of a rolling update go through, with pods that become ready one after another."""
    total = [0]

    def make(context: Context) -> Sequence[Controller]:
        return [Counted(controller, total) for controller in all_controllers(context)]

    cluster = Cluster(make, events=False)
    cluster.kubelet.stagger = 0.01
    cluster.apply("{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}")
    cluster.apply(
        f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: c, image: v1}}]}}
"""
    )
    cluster.until(lambda: cluster.status("deployments.apps", "web").get("availableReplicas") == replicas)
    total[0] = 0
    template = cluster.get("deployments.apps", "web")["spec"]["template"]
    changed = {**template, "metadata": {**template["metadata"], "annotations": {"version": "2"}}}
    cluster.change("deployments.apps", "web", spec__template=changed)
    cluster.run(0.1)
    cluster.until(lambda: cluster.condition("deployments.apps", "web", "Progressing") == "True NewReplicaSetAvailable")
    return total[0]


def test_the_work_of_a_rolling_update_is_in_proportion_to_its_pods() -> None:
    assert work(300) < 3 * 1.5 * work(100)
