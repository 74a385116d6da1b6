# ruff: noqa: E501 - what programs and the API server say is one line
"""Calls that fail, rights that are missing, errors in logs; NetworkPolicies as they meet the pods that run."""

from __future__ import annotations

from seatrial.rules.alive.examples.shapes import IMAGE, Example, pod, runs, stream, thing

_CALLS = "image: registry.example/web:2.0.1\nenv:\n  - {name: API_URL, value: 'http://%s'}"
_PORTS = "ports:\n  - {name: http, containerPort: 8080}"


def _caller(host: str = "api", *, spec: str = "") -> str:
    return pod(_CALLS % host, runs(), ready=True, name="web-5d8f7c9b6-q2w4e", meta="labels: {app: web}", spec=spec)


def _service(port: int = 80) -> str:
    return thing(
        "v1", "Service", "api", f"spec:\n  selector: {{app: api}}\n  ports: [{{name: http, port: {port}, targetPort: http}}]"
    )


_API = pod(_PORTS, runs(), ready=True)


def _policy(app: str, rules: str) -> str:
    return thing(
        "networking.k8s.io/v1", "NetworkPolicy", app, f"spec:\n  podSelector: {{matchLabels: {{app: {app}}}}}\n  {rules}"
    )


def _from(app: str, port: int = 8080) -> str:
    return _policy(
        "api",
        f"policyTypes: [Ingress]\n  ingress: [{{from: [{{podSelector: {{matchLabels: {{app: {app}}}}}}}], ports: [{{port: {port}}}]}}]",
    )


_TO_API = "{to: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 8080}]}"
_TO_DNS = "{ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}"
_OUT = _policy("web", f"policyTypes: [Egress]\n  egress: [{_TO_API}]")
_OUT_DNS = _policy("web", f"policyTypes: [Egress]\n  egress: [{_TO_API}, {_TO_DNS}]")
_OTHER = pod("image: registry.example/admin:1.0.0", runs(), ready=True, name="admin-0", meta="labels: {app: admin}")
_ACCOUNT = thing("v1", "ServiceAccount", "watcher")
_BINDING = thing(
    "rbac.authorization.k8s.io/v1", "RoleBinding", "watcher",
    "subjects: [{kind: ServiceAccount, name: watcher, namespace: shop}]\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: watcher}",
)  # fmt: skip


def _role(verbs: str) -> str:
    return thing(
        "rbac.authorization.k8s.io/v1",
        "Role",
        "watcher",
        f'rules:\n  - apiGroups: [""]\n    resources: [pods]\n    verbs: [{verbs}]',
    )


_NEWER = pod("image: registry.example/api:1.4.3\n" + _PORTS, runs(), ready=True)
_WATCHER = pod(f"image: {IMAGE}", runs(), ready=True, spec="serviceAccountName: watcher")
_NO_ANSWER = "\n".join(["curl: (28) Failed to connect to api port 80 after 5001 ms: Timeout was reached"] * 3)
_DENIED = 'Error from server (Forbidden): pods is forbidden: User "system:serviceaccount:shop:watcher" cannot list resource "pods" in API group "" in the namespace "shop"'


def _no_name(host: str) -> str:
    return "\n".join([f"curl: (6) Could not resolve host: {host}"] * 3)


EXAMPLES = {
    "traffic-policy": Example(
        stream(_caller(), _OTHER, _API, _service(), _from("admin")), stream(_caller(), _OTHER, _API, _service(), _from("web")), log=_NO_ANSWER
    ),
    "traffic-dns-policy": Example(stream(_caller(), _API, _service(), _OUT), stream(_caller(), _API, _service(), _OUT_DNS), log=_no_name("api")),
    "traffic-dns-settings": Example(
        stream(_caller(spec="dnsPolicy: None\ndnsConfig: {nameservers: [192.0.2.53]}"), _API, _service()),
        stream(_caller(spec="dnsPolicy: ClusterFirst"), _API, _service()),
        log=_no_name("api"),
    ),
    "traffic-unknown-host": Example(stream(_caller("apis"), _API, _service()), stream(_caller("api"), _API, _service()), log=_no_name("apis")),
    "traffic-port": Example(
        stream(_caller("api"), _API, _service(8080)),
        stream(_caller("api:8080"), _API, _service(8080)),
        log=_NO_ANSWER,
    ),
    "traffic-fails": Example(
        stream(_caller("payments.example.com"), _API, _service()),
        stream(_caller("payments.internal.example.com"), _API, _service()),
        log="\n".join(["curl: (28) Failed to connect to payments.example.com port 443 after 5001 ms: Timeout was reached"] * 3),
    ),
    "log-forbidden": Example(
        stream(_WATCHER, _ACCOUNT, _BINDING, _role("get")), stream(_WATCHER, _ACCOUNT, _BINDING, _role("get, list")), log="\n".join([_DENIED] * 3)
    ),
    "log-errors": Example(
        _API, _NEWER, log="\n".join(f"{level} order {number}: {words}" for number in range(41, 44) for level, words in (("INFO", "received"), ("ERROR", "no stock for item 7, giving up")))
    ),
    "isolation-selects-nothing": Example(stream(_API, _policy("apis", "policyTypes: [Ingress]")), stream(_API, _policy("api", "policyTypes: [Ingress]"))),
    "isolation-lets-nobody-in": Example(stream(_caller(), _API, _service(), _from("webb")), stream(_caller(), _API, _service(), _from("web"))),
    "isolation-port": Example(stream(_caller(), _API, _service(), _from("web", 80)), stream(_caller(), _API, _service(), _from("web"))),
    "isolation-no-dns": Example(stream(_caller(), _API, _service(), _OUT), stream(_caller(), _API, _service(), _OUT_DNS)),
}  # fmt: skip
