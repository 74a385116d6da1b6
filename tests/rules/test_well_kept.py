"""What is well made has no error: a false alarm would show here first. What the examples render to, in any environment, and
things that look wrong and are right.
"""

from functools import partial
from pathlib import Path

import pytest
import yaml

import seatrial.rules.written  # noqa: F401 - enters the rules
from seatrial.rules.looking import found
from seatrial.sources import load
from seatrial.world.world import World

findings = partial(found, live=False)

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*/yaml/*.yaml")), ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_an_example_has_no_error_in_any_environment(file):
    world = World(document for document in yaml.load_all(file.read_text(), yaml.CSafeLoader) if document)
    errors = [f"{finding.title} ({finding.evidence[0].text})" for finding in findings(world) if finding.severity == "error"]
    assert len(world) > 5
    assert not errors


def workload(kind="Deployment", name="db", labels="{app: db}", account="db", more=""):
    return f"""
apiVersion: apps/v1
kind: {kind}
metadata: {{name: {name}, namespace: shop}}
spec:
  selector: {{matchLabels: {labels}}}
  template:
    metadata: {{labels: {labels}}}
    spec:
      serviceAccountName: {account}
      containers: [{{name: {name}, image: "registry.example/db:1"}}]
{more}"""


def service(name, selector):
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop}}
spec: {{selector: {selector}, ports: [{{port: 5432}}]}}
"""


LABELLER = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: db, namespace: shop}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, patch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: db, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: db}
subjects: [{kind: ServiceAccount, name: db, namespace: shop}]
"""
STAGES = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.example/web:1"}]}
  strategy:
    canary:
      canaryMetadata: {labels: {stage: canary}}
      steps:
      - experiment: {templates: [{name: try, specRef: canary, metadata: {labels: {app: web-try}}}]}
"""
INGRESS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: shop}
spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %s, port: %s}}}]}}]}
"""
SEARCH = "apiVersion: search.example/v1\nkind: Search\nmetadata: {name: catalog, namespace: shop}\nspec: {nodes: 3}\n"
SERVERLESS = """
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello, namespace: shop}
spec: {template: {spec: {containers: [{image: "registry.example/hello:1", ports: [{containerPort: 8080}]}]}}}
"""
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: db, namespace: shop}
spec: {rules: [{backendRefs: [{group: core, kind: Service, name: db, port: 5432}]}]}
"""
CONTROLLER = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: search}
rules:
- {apiGroups: [search.example], resources: [searches], verbs: [get, list, watch]}
- {apiGroups: [""], resources: [secrets], verbs: [get, list, watch]}
"""
CLIENT = """
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, namespace: shop}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: sql, image: "postgres:17.2", command: [psql, -f, /sql/all], securityContext: {readOnlyRootFilesystem: true}}
"""
CANARY = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{name: shop}]
  rules: [{backendRefs: [{name: web, port: 5432, weight: 90}, {name: web-v2, port: 5432, weight: 10}]}]
"""
VALUES = """
apiVersion: v1
kind: Secret
metadata: {name: db, namespace: shop}
data: {password: "${PASSWORD}"}
"""
CALLER = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.example/web:1", env: [{name: DB, value: "db:5432"}]}]}
"""
CLOSED = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed%s}
spec: {podSelector: {}, policyTypes: [Egress]}
"""
SEALED = """
apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata: {name: db, namespace: shop}
spec: {encryptedData: {password: AgBy}}
"""
STORED = """
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: db, namespace: shop}
spec: {secretStoreRef: {name: aws, kind: ClusterSecretStore}, data: [{secretKey: password, remoteRef: {key: db}}]}
"""
BUNDLE = """
apiVersion: operators.coreos.com/v1alpha1
kind: ClusterServiceVersion
metadata: {name: search, namespace: shop}
spec:
  install:
    strategy: deployment
    spec:
      deployments:
      - name: operator
        spec:
          selector: {matchLabels: {app: operator}}
          template:
            metadata: {labels: {app: operator}}
            spec: {containers: [{name: operator, image: "registry.example/operator:1"}]}
      - name: webhook
        spec:
          selector: {matchLabels: {app: webhook}}
          template:
            metadata: {labels: {app: webhook}}
            spec: {containers: [{name: webhook, image: "registry.example/webhook:1"}]}
"""
BUDGET = """
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: %s, namespace: shop}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: %s}}}
"""
SCRAPED = """
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: db, namespace: shop}
spec: {selector: {matchLabels: {app: db}}, podMetricsEndpoints: [{port: metrics}]}
"""
NULLS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: searches.search.example}
spec:
  group: search.example
  scope: Namespaced
  names: {kind: Search, plural: searches}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          steps: {type: array, x-kubernetes-preserve-unknown-fields: true, items: {type: object}}
          spec: {type: object, properties: {affinity: {type: object}, tags: {type: object, additionalProperties: {type: string}}}}
---
apiVersion: search.example/v1
kind: Search
metadata: {name: catalog, namespace: shop}
spec: {affinity: null, tags: {a: null}}
steps: [{any: thing}]
"""
#: what is right -> (the rule that is not to speak, or is not to speak of an error; the manifests; what stays of it)
RIGHT = {
    "a database that says by a label which pod is primary": (
        "service-selects-no-pods",
        [workload("StatefulSet"), LABELLER, service("db-primary", "{app: db, role: primary}")],
        [],
    ),
    "the pods of a stage of a Rollout": ("service-selects-no-pods", [STAGES, service("try", "{app: web-try}")], []),
    "the canary's pods": ("service-selects-no-pods", [STAGES, service("canary", "{app: web, stage: canary}")], []),
    "a part that is switched off, beside another": (
        "service-selects-no-pods",
        [workload(), service("db", "{app: db}"), service("web", "{app: web, part: shop}")],
        ["warning"],
    ),
    "a Service of an operator": (
        "missing-service",
        [SEARCH, service("db", "{app: db}"), INGRESS % ("catalog-es-http", "{number: 9200}")],
        [],
    ),
    "a Service that an operator names as its resource": (
        "missing-service",
        [SEARCH, service("db", "{app: db}"), INGRESS % ("catalog", "{number: 9200}")],
        [],
    ),
    "a step of a canary, whose stable Service is in the cluster already": (
        "missing-service",
        [workload(name="web-v2", labels="{app: web-v2}"), service("web-v2", "{app: web-v2}"), CANARY],
        ["warning"],
    ),
    "a policy of no namespace yet, beside pods that have one": (
        "call-blocked-leaving",
        [workload(), service("db", "{app: db}"), CALLER, CLOSED % ""],
        ["warning"],
    ),
    "a policy of the caller's own namespace": (
        "call-blocked-leaving",
        [workload(), service("db", "{app: db}"), CALLER, CLOSED % ", namespace: shop"],
        ["error"],
    ),
    "a backend that is an annotation of AWS's controller": (
        "backend-port-unknown",
        [workload(), service("db", "{app: db}"), INGRESS % ("db", "{name: use-annotation}")],
        [],
    ),
    "a route that calls the core group by name, as Linkerd does": (
        "missing-service",
        [workload(), service("db", "{app: db}"), ROUTE],
        [],
    ),
    "datagrams to a number, of which the container says nothing better": (
        "target-port-protocol",
        [
            workload().replace('db:1"', 'db:1", ports: [{containerPort: 514}]'),
            service("db", "{app: db}").replace("port: 5432", "port: 514, protocol: UDP"),
        ],
        ["warning"],
    ),
    "a container that its operator names": ("container-name-invalid", [SERVERLESS], []),
    "shards that share a selector": (
        "selectors-overlap",
        [workload("StatefulSet", "one"), workload("StatefulSet", "two")],
        ["warning"],
    ),
    "an image that somebody has yet to name": (
        "image-invalid",
        [workload().replace("registry.example/db:1", "${REGISTRY}/db:1")],
        ["warning"],
    ),
    "an image that a chart for any app leaves to its user": (
        "image-invalid",
        [workload().replace("registry.example/db:1", ":")],
        ["warning"],
    ),
    "a name that a tool fills in": ("name-invalid", [workload(name="'${NAME}'")], []),
    "budgets for two parts of one bundle": (
        "budgets-overlap",
        [BUNDLE, BUDGET % ("operator", "operator"), BUDGET % ("webhook", "webhook")],
        [],
    ),
    "a monitor of pods that an operator will make, beside the operator": (
        "pod-monitor-port-unknown",
        [NULLS, workload().replace('db:1"', 'db:1", ports: [{name: http, containerPort: 80}]'), SCRAPED],
        ["warning"],
    ),
    "a pipe of Windows": (
        "mount-path-invalid",
        [workload().replace('db:1"', "db:1\", volumeMounts: [{name: p, mountPath: '\\\\.\\pipe\\csi'}]")],
        [],
    ),
    "some kibibytes that a container asks for": (
        "memory-unit",
        [workload().replace('db:1"', 'db:1", resources: {requests: {memory: 100Ki}}')],
        ["note"],
    ),
    "a name in capitals, as documents write what is yet to be chosen": ("name-invalid", [workload(name="APP_NAME")], []),
    "an account that a tool fills in": ("missing-account", [workload(account="'${ACCOUNT}'")], []),
    "a number in capitals": ("wrong-type", [service("db", "{app: db}").replace("5432", "PORT")], []),
    "what stands for true where a flag is wanted": (
        "wrong-type",
        [workload().replace("serviceAccountName: db", 'hostNetwork: "TRUE"')],
        ["error"],
    ),
    "a value of a Secret that a tool fills in": ("wrong-type", [VALUES], []),
    "a value of a Secret that was blotted out": ("secret-not-base64", [VALUES.replace("${PASSWORD}", "[REDACTED KEY]")], []),
    "a host that documents leave to their reader": (
        "value-refused",
        [(INGRESS % ("db", "{number: 5432}")).replace("[{http", "[{host: '<*.your-domain>', http")],
        [],
    ),
    "a host below a domain that a tool fills in": (
        "value-refused",
        [(INGRESS % ("db", "{number: 5432}")).replace("[{http", "[{host: db.$DOMAIN, http")],
        [],
    ),
    "a controller that reads the Secrets its resources name": ("rbac-secrets", [CONTROLLER], ["note"]),
    "a client in a job, of a database's image": ("read-only-root-writes", [CLIENT], []),
    "a null in a custom resource, which counts as absent": ("value-refused", [NULLS], []),
    "what a list that keeps all it has holds": ("unknown-field", [NULLS], []),
    "settings of a tool that look like an object": ("name-invalid", [SEARCH.replace("catalog", "all/catalogs")], ["warning"]),
}


@pytest.mark.parametrize("what", RIGHT)
def test_what_looks_wrong_and_is_right_is_no_error(what):
    rule, manifests, stays = RIGHT[what]
    world = World(document for text in manifests for document in yaml.load_all(text, yaml.CSafeLoader) if document)
    assert [finding.severity for finding in findings(world) if finding.rule == rule] == stays


def test_what_is_yet_to_be_filled_in_is_a_note_for_its_file():
    problems = []
    findings(World([yaml.load(workload(name="'${NAME}'"), yaml.CSafeLoader)]), problems=problems)
    assert [(one.severity, one.text) for one in problems] == [
        ("note", "${NAME} is yet to be filled in: what hangs on it is not judged")
    ]


def test_a_label_that_nobody_can_give_is_an_error_all_the_same():
    manifests = [workload("StatefulSet"), service("db-primary", "{app: db, role: primary}")]
    world = World(document for text in manifests for document in yaml.load_all(text, yaml.CSafeLoader) if document)
    assert [finding.severity for finding in findings(world) if finding.rule == "service-selects-no-pods"] == ["error"]


BASE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: web}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: ServiceAccount, name: web}]
"""


@pytest.mark.parametrize(("more", "severity"), [("", "warning"), ("namespace: shop\n", "error")])
def test_what_an_overlay_may_add_is_no_error_in_a_base(tmp_path, more, severity):
    (tmp_path / "kustomization.yaml").write_text(f"resources: [binding.yaml]\n{more}")
    (tmp_path / "binding.yaml").write_text(BASE)
    told = findings(load([str(tmp_path)]).world)
    about = [finding for finding in told if finding.rule in ("rbac-subject", "missing-field")]
    assert about and {finding.severity for finding in about} == {severity}


def severities(folder, rule):
    loaded = load([str(folder)])
    loaded.world.facts["duplicates"] = {ref: [(first, again)] for ref, first, again in loaded.duplicates}
    return {finding.severity for finding in findings(loaded.world) if finding.rule == rule}


def test_what_an_example_of_a_collection_misses_is_no_error(tmp_path):
    (tmp_path / "ingress.yaml").write_text(INGRESS % ("shop", "{number: 80}"))
    (tmp_path / "one.yaml").write_text("---".join(service(name, "{app: db}") for name in ("a", "b", "c")))
    assert severities(tmp_path, "missing-service") == {"error"}
    (tmp_path / "two.yaml").write_text("---".join(service(name, "{app: web}") for name in ("a", "b", "c")))
    assert severities(tmp_path, "missing-service") == {"warning"}


def test_what_a_patch_lacks_is_no_error(tmp_path):
    patch = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {type: LoadBalancer}\n"
    (tmp_path / "web.yaml").write_text(patch)
    assert severities(tmp_path, "service-ports") == {"error"}
    (tmp_path / "web.yaml").rename(tmp_path / "web-patch.yaml")
    assert severities(tmp_path, "service-ports") == {"warning"}


def test_an_object_that_stands_twice_in_a_file_and_says_the_same_is_a_warning(tmp_path):
    file = tmp_path / "db.yaml"
    file.write_text(service("db", "{app: db}") + "---" + service("db", "{app: db}"))
    assert severities(tmp_path, "written-twice") == {"warning"}
    file.write_text(service("db", "{app: db}") + "---" + service("db", "{app: sql}"))
    assert severities(tmp_path, "written-twice") == {"error"}


BOUNDS = """
apiVersion: v1
kind: LimitRange
metadata: {name: small}
spec: {limits: [{type: Container, max: {cpu: 100m}, default: {cpu: 100m}, defaultRequest: {cpu: 100m}}]}
"""


def test_bounds_of_no_namespace_yet_hold_what_is_beside_them(tmp_path):
    big = workload().replace(", namespace: shop", "").replace('db:1"', 'db:1", resources: {requests: {cpu: 2}, limits: {cpu: 2}}')
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "db.yaml").write_text(big)
    (tmp_path / "db" / "bounds.yaml").write_text(BOUNDS)
    assert severities(tmp_path, "limit-range-refuses") == {"error"}
    (tmp_path / "db" / "bounds.yaml").rename(tmp_path / "bounds.yaml")
    assert severities(tmp_path, "limit-range-refuses") == {"warning"}


def test_a_template_of_ytt_is_left_out(tmp_path):
    image = "containers:\n      - image: #@ data.values.image\n        name: db\n"
    (tmp_path / "db.yaml").write_text(workload().partition("containers:")[0] + image)
    found = load([str(tmp_path)])
    assert len(found.world) == 0
    assert [(one.severity, one.text) for one in found.problems] == [("note", "a template of ytt: skipped")]
