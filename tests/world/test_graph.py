"""What names what: references, selectors, makers, pods and ports of a world."""

import pytest
import yaml

from seatrial.world.objects import Ref, clone
from seatrial.world.world import World

SHOP = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, tier: front}}
    spec:
      serviceAccountName: web
      volumes:
        - name: conf
          configMap: {name: web-conf, items: [{key: nginx.conf, path: nginx.conf}]}
        - name: extra
          secret: {secretName: extra, optional: true}
      containers:
        - name: nginx
          image: nginx
          ports: [{name: http, containerPort: 8080}]
          envFrom: [{configMapRef: {name: web-env}}]
          env:
            - {name: API_URL, value: "http://api:3000/v1"}
            - {name: TITLE, value: api}
            - {name: PASSWORD, valueFrom: {secretKeyRef: {name: web, key: password}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web-conf, namespace: shop}
data: {nginx.conf: "", other: ""}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  rules:
    - http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 8080}}}}
"""

WEB = Ref("apps", "Deployment", "shop", "web")
SERVICE = Ref("", "Service", "shop", "web")


def world(text: str, *more: str) -> World:
    return World(obj for part in (text, *more) for obj in yaml.safe_load_all(part) if obj)


def edges(of: World, ref: Ref) -> dict[str, str]:
    """path -> `relation target` of what an object names."""
    return {one.path: f"{one.relation} {one.target.kind} {one.target.name}" for one in of.graph.out(ref)}


def missing(of: World) -> set[str]:
    return {f"{one.target.kind} {one.target.name}" for one in of.graph.dangling() if not one.optional}


def test_each_place_where_a_pod_names_something_is_a_reference_with_its_path():
    found = edges(world(SHOP), WEB)
    pod = "spec.template.spec"
    assert found[f"{pod}.volumes[0].configMap.name"] == "volume ConfigMap web-conf"
    assert found[f"{pod}.volumes[1].secret.secretName"] == "volume Secret extra"
    assert found[f"{pod}.containers[0].envFrom[0].configMapRef.name"] == "envFrom ConfigMap web-env"
    assert found[f"{pod}.containers[0].env[2].valueFrom.secretKeyRef.name"] == "env Secret web"
    assert found[f"{pod}.serviceAccountName"] == "service-account ServiceAccount web"


def test_an_address_in_a_variable_is_a_call_and_a_plain_word_is_not():
    calls = [one for one in world(SHOP).graph.out(WEB) if one.relation == "call"]
    assert [(one.path, one.target.name, one.port) for one in calls] == [
        ("spec.template.spec.containers[0].env[0].value", "api", 3000)
    ]


def test_keys_optional_marks_and_ports_stand_in_the_reference():
    graph = world(SHOP).graph
    assert {one.key for one in graph.out(WEB) if one.target.name == "web-conf"} == {"", "nginx.conf"}
    assert [one.optional for one in graph.out(WEB) if one.target.name == "extra"] == [True]
    ingress = graph.out(Ref("networking.k8s.io", "Ingress", "shop", "web"))
    assert [one.port for one in ingress if one.relation == "backend"] == [8080]


def test_what_is_neither_here_nor_made_is_dangling():
    assert missing(world(SHOP)) == {"ConfigMap web-env", "Secret web", "ServiceAccount web"}


def test_the_pods_behind_an_ingress_are_found_through_its_service():
    graph = world(SHOP).graph
    assert [template.ref for template in graph.pods(Ref("networking.k8s.io", "Ingress", "shop", "web"))] == [WEB]
    assert [one.source.kind for one in graph.into(SERVICE)] == ["Ingress"]


def test_ports_are_found_by_name_and_number_where_they_are_declared():
    graph = world(SHOP).graph
    port = graph.port(SERVICE, "http")
    assert (port.number, port.target, port.path) == (80, "http", "spec.ports[0]")
    assert graph.port(SERVICE, "80") == port
    declared = graph.port(WEB, port.target)
    assert (declared.number, declared.container, declared.path) == (8080, "nginx", "spec.template.spec.containers[0].ports[0]")
    assert graph.port(WEB, 8081) is None


MADE = {
    "an ExternalSecret": (
        """
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: from-vault, namespace: shop}
spec:
  secretStoreRef: {name: vault, kind: ClusterSecretStore}
  target: {name: web}
  data: [{secretKey: password, remoteRef: {key: a}}, {secretKey: user, remoteRef: {key: a}}]
""",
        {"password", "user"},
    ),
    "an ExternalSecret that takes whole secrets": (
        """
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: web, namespace: shop}
spec: {dataFrom: [{extract: {key: a}}]}
""",
        None,
    ),
    "a template that renames the keys": (
        """
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: web, namespace: shop}
spec: {target: {template: {data: {url: "{{ .a }}"}}}, data: [{secretKey: a, remoteRef: {key: a}}]}
""",
        {"url"},
    ),
    "a SealedSecret": (
        """
apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata: {name: web, namespace: shop}
spec: {encryptedData: {password: AgB}}
""",
        {"password"},
    ),
    "a SecretProviderClass": (
        """
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: aws, namespace: shop}
spec: {secretObjects: [{secretName: web, type: Opaque, data: [{objectName: a, key: password}]}]}
""",
        {"password"},
    ),
    "a Certificate": (
        """
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: cert, namespace: shop}
spec: {secretName: web, issuerRef: {name: ca}}
""",
        {"tls.crt", "tls.key", "ca.crt"},
    ),
    "a resource that nobody knows": (
        """
apiVersion: example.com/v1
kind: Database
metadata: {name: x, namespace: shop}
spec: {connection: {secretName: web}}
""",
        None,
    ),
}


@pytest.mark.parametrize("what", MADE)
def test_a_secret_that_an_operator_makes_is_not_missing(what):
    manifest, keys = MADE[what]
    graph = world(SHOP, manifest).graph
    secret = Ref("", "Secret", "shop", "web")
    assert "Secret web" not in {str(one.target).partition(" in ")[0] for one in graph.dangling()}
    assert len(graph.makers(secret)) == 1
    found = graph.keys(secret)
    assert found is None if keys is None else keys <= found


def test_a_cloudnative_cluster_makes_its_services_and_the_secret_of_its_app():
    database = """
apiVersion: postgresql.cnpg.io/v1
kind: Cluster
metadata: {name: db, namespace: shop}
spec: {storage: {size: 1Gi}}
"""
    graph = world(database).graph
    assert graph.is_there(Ref("", "Service", "shop", "db-rw"))
    assert "jdbc-uri" in graph.keys(Ref("", "Secret", "shop", "db-app"))
    assert not graph.is_there(Ref("", "Service", "shop", "db"))


def test_the_claims_of_a_stateful_set_are_made_one_for_each_ordinal():
    text = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec: {replicas: 2, serviceName: db, volumeClaimTemplates: [{metadata: {name: data}}], template: {spec: {containers: []}}}
"""
    graph = world(text).graph
    made = [graph.is_there(Ref("", "PersistentVolumeClaim", "shop", f"data-db-{n}")) for n in range(3)]
    assert made == [True, True, False]


ROLLOUT = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: api, namespace: shop}
spec:
  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  strategy:
    canary:
      stableService: api-stable
      canaryService: api-canary
      analysis: {templates: [{templateName: success}, {templateName: shared, clusterScope: true}]}
      trafficRouting: {istio: {virtualService: {name: api}, destinationRule: {name: api}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api, namespace: shop}
spec:
  hosts: [api]
  gateways: [mesh, istio-system/public]
  http: [{route: [{destination: {host: api-stable.shop.svc.cluster.local, subset: v1, port: {number: 80}}}]}]
"""


def test_a_rollout_names_its_services_analyses_and_routes_and_runs_the_template_of_its_workload():
    graph = world(SHOP, ROLLOUT).graph
    rollout = Ref("argoproj.io", "Rollout", "shop", "api")
    found = {(one.relation, one.target.kind, one.target.name, one.target.namespace) for one in graph.out(rollout)}
    assert {
        ("template", "Deployment", "web", "shop"),
        ("stable-service", "Service", "api-stable", "shop"),
        ("canary-service", "Service", "api-canary", "shop"),
        ("analysis", "AnalysisTemplate", "success", "shop"),
        ("analysis", "ClusterAnalysisTemplate", "shared", ""),
        ("traffic", "VirtualService", "api", "shop"),
        ("traffic", "DestinationRule", "api", "shop"),
    } <= found
    borrowed = next(template for template in graph.templates if template.ref == rollout)
    assert (borrowed.written, borrowed.path, borrowed.labels["tier"]) == (WEB, "spec.template", "front")


def test_a_destination_names_a_service_by_its_host_and_a_subset_that_nobody_defines_dangles():
    graph = world(ROLLOUT).graph
    found = {one.relation: one for one in graph.out(Ref("networking.istio.io", "VirtualService", "shop", "api"))}
    assert (found["backend"].target, found["backend"].port) == (Ref("", "Service", "shop", "api-stable"), 80)
    assert (found["subset"].target.kind, found["subset"].key) == ("DestinationRule", "v1")
    assert found["gateway"].target == Ref("networking.istio.io", "Gateway", "istio-system", "public")
    assert found["subset"] in graph.dangling()


def test_a_subset_belongs_to_the_rule_with_the_same_host_however_it_is_called():
    rule = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: something-else, namespace: shop}
spec: {host: api-stable, subsets: [{name: v1}]}
"""
    graph = world(ROLLOUT, rule).graph
    subset = next(
        one for one in graph.out(Ref("networking.istio.io", "VirtualService", "shop", "api")) if one.relation == "subset"
    )
    assert subset.target.name == "something-else"


def test_peers_of_a_policy_are_chosen_in_the_namespaces_they_say():
    policy = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: other}
spec:
  podSelector: {}
  ingress:
    - from:
        - {podSelector: {matchLabels: {app: web}}}
        - podSelector: {matchLabels: {app: web}}
          namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}
"""
    found = world(SHOP, policy).graph.out(Ref("networking.k8s.io", "NetworkPolicy", "other", "p"))
    assert [(one.path, one.target) for one in found if one.relation == "allows-from"] == [
        ("spec.ingress[0].from[1].podSelector", WEB)
    ]


def test_objects_without_a_namespace_are_in_the_one_they_will_be_applied_to():
    service = clone(next(iter(world(SHOP).of("Service"))))
    del service["metadata"]["namespace"]
    deployment = clone(next(iter(world(SHOP).of("Deployment"))))
    both = World([service, deployment])
    assert both.graph.pods(Ref("", "Service", "", "web"))[0].ref == WEB


def test_a_custom_resource_that_nobody_knows_is_read_by_the_habits_of_schemas():
    text = """
apiVersion: example.com/v1
kind: Worker
metadata: {name: w, namespace: shop}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  auth: {passwordSecretRef: {name: creds, key: pw}}
  tlsSecretName: cert
  podTemplate:
    metadata: {labels: {app: w}}
    spec: {containers: [{name: c, image: i, envFrom: [{secretRef: {name: env}}]}]}
"""
    of = world(SHOP, text)
    ref = Ref("example.com", "Worker", "shop", "w")
    found = edges(of, ref)
    assert found["spec.targetRef.name"] == "habit Deployment web"
    assert found["spec.auth.passwordSecretRef.name"] == "habit Secret creds"
    assert found["spec.tlsSecretName"] == "habit Secret cert"
    assert found["spec.podTemplate.spec.containers[0].envFrom[0].secretRef.name"] == "envFrom Secret env"
    assert [template.path for template in of.graph.templates_of(ref)] == ["spec.podTemplate"]


def test_a_circle_of_references_ends():
    text = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: a}
spec: {workloadRef: {kind: Rollout, name: b, apiVersion: argoproj.io/v1alpha1}}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: b}
spec: {workloadRef: {kind: Rollout, name: a, apiVersion: argoproj.io/v1alpha1}}
"""
    assert world(text).graph.pods(Ref("argoproj.io", "Rollout", "", "a")) == []


def test_the_graph_follows_changes_of_the_world():
    of = world(SHOP)
    assert "ServiceAccount web" in missing(of)
    account = of.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": "shop"}})
    assert "ServiceAccount web" not in missing(of)
    of.drop(account)
    assert "ServiceAccount web" in missing(of)


@pytest.mark.parametrize("broken", ["text", 7, ["list"], {"containers": "x"}, {"containers": [None, "x", {"env": {"a": 1}}]}])
def test_a_shape_that_no_schema_allows_does_no_harm(broken):
    objects = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"template": {"spec": broken}}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"selector": broken, "ports": broken}},
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "a"}, "spec": {"selector": broken}},
        {"apiVersion": "example.com/v1", "kind": "Odd", "metadata": {"name": "a"}, "spec": broken},
        {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "a"}, "spec": broken},
    ]
    of = World(objects)
    assert of.graph.ports(Ref("", "Service", "", "a")) == []
    assert all(one.path for one in of.graph)
