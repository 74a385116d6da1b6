"""ClusterRoles that gather the rules of others follow them as they come, change and go."""

from __future__ import annotations

from fake_cluster import Cluster

ROLES = "clusterroles.rbac.authorization.k8s.io"
HEAD = "apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole"
GATHERS = f"{{{HEAD}, metadata: {{name: all}}, aggregationRule: {{clusterRoleSelectors: [{{matchLabels: {{part: 'yes'}}}}]}}}}"


def part(name: str, verb: str) -> str:
    rules = f"[{{apiGroups: [''], resources: [pods], verbs: [{verb}]}}]"
    return f"{{{HEAD}, metadata: {{name: {name}, labels: {{part: 'yes'}}}}, rules: {rules}}}"


def verbs(cluster: Cluster) -> list[str]:
    cluster.run(1)
    role = cluster.registry.get(ROLES, "", "all")
    return [verb for rule in role.get("rules") or () for verb in rule["verbs"]]


def test_an_aggregated_role_follows_its_parts(cluster: Cluster) -> None:
    cluster.apply(part("b", "list"))
    cluster.apply(GATHERS)
    assert verbs(cluster) == ["list"]
    cluster.apply(part("a", "get"))
    cluster.apply(part("c", "get"))
    assert verbs(cluster) == ["get", "list"], "by name, and each rule once"
    cluster.registry.delete(ROLES, "", "a")
    cluster.registry.delete(ROLES, "", "c")
    assert verbs(cluster) == ["list"]
    version = cluster.registry.get(ROLES, "", "all")["metadata"]["resourceVersion"]
    cluster.run(60)
    assert cluster.registry.get(ROLES, "", "all")["metadata"]["resourceVersion"] == version
