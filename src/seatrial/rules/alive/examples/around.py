# ruff: noqa: E501 - what a cluster says is one line
"""Services and Ingresses that reach nobody, claims without a volume."""

from __future__ import annotations

from seatrial.rules.alive.examples.shapes import Example, ago, event, pod, runs, stream, thing

_PORTS = "ports:\n  - {name: http, containerPort: 8080}\nreadinessProbe:\n  httpGet: {path: /ready, port: http}"


def _service(selector: str = "{app: api}", target: str = "http", port: int = 80) -> str:
    return thing(
        "v1",
        "Service",
        "api",
        f"spec:\n  type: ClusterIP\n  clusterIP: 10.96.14.20\n  clusterIPs: [10.96.14.20]\n  selector: {selector}\n  ports:\n    - {{name: http, port: {port}, targetPort: {target}}}",
    )


def _pod(*, ready: bool = True) -> str:
    return pod(_PORTS, runs(ready=ready), ready=ready)


def _scaled(replicas: int) -> str:
    spec = "  selector: {matchLabels: {app: api}}\n  template:\n    metadata: {labels: {app: api}}\n    spec: {containers: [{name: api, image: 'registry.example/api:1.4.2', ports: [{name: http, containerPort: 8080}]}]}"
    return thing(
        "apps/v1",
        "Deployment",
        "api",
        f"spec:\n  replicas: {replicas}\n{spec}\nstatus: {{replicas: {replicas}, readyReplicas: {replicas}}}",
    )


def _ingress(service: str = "api", port: str = "number: 80", *, klass: str = "nginx", tls: str = "") -> str:
    return thing(
        "networking.k8s.io/v1", "Ingress", "shop",
        "spec:\n" + (f"  ingressClassName: {klass}\n" if klass else "") + f"{tls}  rules:\n    - host: shop.example.com\n      http:\n        paths:\n"
        f"          - {{path: /api, pathType: Prefix, backend: {{service: {{name: {service}, port: {{{port}}}}}}}}}",
    )  # fmt: skip


def _rewriting(path: str) -> str:
    return thing(
        "networking.k8s.io/v1", "Ingress", "shop",
        f"spec:\n  ingressClassName: nginx\n  rules:\n    - host: shop.example.com\n      http:\n        paths:\n"
        f"          - {{path: '{path}', pathType: ImplementationSpecific, backend: {{service: {{name: api, port: {{number: 80}}}}}}}}",
        meta="annotations: {nginx.ingress.kubernetes.io/rewrite-target: /$2}",
    )  # fmt: skip


def _route(status: str, reason: str, message: str, service: str = "api") -> str:
    said = f"{{type: ResolvedRefs, status: '{status}', reason: {reason}, message: '{message}', observedGeneration: 1, lastTransitionTime: {ago(3600)}}}"
    return thing(
        "gateway.networking.k8s.io/v1", "HTTPRoute", "shop",
        f"spec:\n  parentRefs: [{{name: shop}}]\n  hostnames: [shop.example.com]\n  rules:\n    - backendRefs: [{{name: {service}, port: 80}}]\n"
        f"status:\n  parents:\n    - parentRef: {{name: shop}}\n      controllerName: gateway.example/controller\n      conditions:\n        - {said}",
    )  # fmt: skip


def _class(name: str = "nginx") -> str:
    return thing("networking.k8s.io/v1", "IngressClass", name, "spec: {controller: k8s.io/ingress-nginx}", namespace="")


_TLS = "  tls:\n    - {hosts: [shop.example.com], secretName: %s}\n"
_SECRET = thing("v1", "Secret", "shop-tls", "type: kubernetes.io/tls\ndata: {tls.crt: bWFza2Vk, tls.key: bWFza2Vk}")
_WELL = stream(_pod(), _service(), _class(), _ingress())
_CONTROLLER = thing(
    "v1",
    "Pod",
    "ingress-nginx-controller-6b8d7c9f4-t5z2r",
    'spec:\n  containers: [{name: controller, image: registry.k8s.io/ingress-nginx/controller:v1.13.0}]\nstatus:\n  phase: Running\n  conditions: [{type: Ready, status: "True"}]',
    namespace="ingress-nginx",
    meta="labels: {app.kubernetes.io/name: ingress-nginx}",
)


def _policy(origin: str) -> str:
    return thing(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "api",
        f"spec:\n  podSelector: {{matchLabels: {{app: api}}}}\n  policyTypes: [Ingress]\n  ingress:\n    - from: [{origin}]\n      ports: [{{port: 8080}}]",
    )


_WEB, _NGINX = (
    "{podSelector: {matchLabels: {app: web}}}",
    "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}",
)
_PLACE = thing(
    "v1",
    "Namespace",
    "ingress-nginx",
    "status: {phase: Active}",
    namespace="",
    meta="labels: {kubernetes.io/metadata.name: ingress-nginx}",
)


def _claim(phase: str, klass: str = "standard", volume: str = "") -> str:
    named = f"  storageClassName: {klass}\n" if klass else ""
    return thing(
        "v1",
        "PersistentVolumeClaim",
        "data",
        f"spec:\n  accessModes: [ReadWriteOnce]\n{named}{volume}  resources: {{requests: {{storage: 20Gi}}}}\nstatus: {{phase: {phase}}}",
    )


def _storage(name: str = "standard", default: bool = False) -> str:
    meta = 'annotations: {storageclass.kubernetes.io/is-default-class: "true"}' if default else ""
    return thing("storage.k8s.io/v1", "StorageClass", name, "provisioner: ebs.csi.aws.com", namespace="", meta=meta)


def _volume(phase: str, size: str) -> str:
    spec = f"spec:\n  storageClassName: manual\n  accessModes: [ReadWriteOnce]\n  capacity: {{storage: {size}}}\n  hostPath: {{path: /mnt/disk-1}}"
    return thing("v1", "PersistentVolume", "disk-1", f"{spec}\nstatus: {{phase: {phase}}}", namespace="")


_BOUND = stream(_claim("Bound", volume="  volumeName: pvc-6d0c2b1a\n"), _storage())
_ABOUT = "kind: PersistentVolumeClaim, name: data"

EXAMPLES = {
    "service-selects-nothing": Example(stream(_pod(), _service("{app: apis}")), stream(_pod(), _service())),
    "service-no-endpoints": Example(stream(_pod(ready=False), _service()), stream(_pod(), _service())),
    "service-resting": Example(stream(_scaled(0), _service()), stream(_scaled(1), _pod(), _service())),
    "service-port-unknown": Example(stream(_pod(), _service(target="web")), stream(_pod(), _service(target="http"))),
    "service-port-odd": Example(stream(_pod(), _service(target="80")), stream(_pod(), _service(target="8080"))),
    "ingress-service-missing": Example(stream(_pod(), _service(), _class(), _ingress("backend")), _WELL),
    "ingress-port-missing": Example(stream(_pod(), _service(), _class(), _ingress(port="number: 8080")), _WELL),
    "ingress-unavailable": Example(
        stream(_pod(ready=False), _service(), _class(), _ingress()), _WELL, also=frozenset({"service-no-endpoints"})
    ),
    "ingress-refused": Example(stream(_pod(), _service(target="80"), _class(), _ingress()), _WELL),
    "ingress-policy": Example(
        stream(_pod(), _service(), _class(), _ingress(), _PLACE, _CONTROLLER, _policy(_WEB)),
        stream(_pod(), _service(), _class(), _ingress(), _PLACE, _CONTROLLER, _policy(_NGINX)),
    ),
    "ingress-class-missing": Example(stream(_pod(), _service(), _class(), _ingress(klass="ngnix")), _WELL),
    "ingress-no-class": Example(stream(_pod(), _service(), _class(), _ingress(klass="")), _WELL),
    "ingress-rewrite": Example(stream(_pod(), _service(), _class(), _rewriting("/api/(.*)")), stream(_pod(), _service(), _class(), _rewriting("/api(/|$)(.*)"))),
    "ingress-certificate-missing": Example(
        stream(_pod(), _service(), _class(), _ingress(tls=_TLS % "shop-example-tls"), _SECRET),
        stream(_pod(), _service(), _class(), _ingress(tls=_TLS % "shop-tls"), _SECRET),
    ),
    "route-refused": Example(stream(_pod(), _service(), _route("False", "BackendNotFound", "Service shop/apis not found", "apis")), stream(_pod(), _service(), _route("True", "ResolvedRefs", ""))),
    "claim-class-missing": Example(
        stream(_claim("Pending", "fast-ssd"), _storage(), event("ProvisioningFailed", 'storageclass.storage.k8s.io "fast-ssd" not found', _ABOUT, count=17)), _BOUND
    ),
    "claim-no-default": Example(
        stream(_claim("Pending", ""), _storage(), event("FailedBinding", "no persistent volumes available for this claim and no storage class is set", _ABOUT, count=17, kind="Normal")),
        stream(_claim("Bound"), _storage(default=True)),
    ),
    "claim-no-match": Example(
        stream(_claim("Pending", "manual"), _volume("Available", "5Gi")), stream(_claim("Bound", "manual", "  volumeName: disk-1\n"), _volume("Bound", "50Gi"))
    ),
    "claim-not-provisioned": Example(
        stream(
            _claim("Pending"), _storage(),
            event("ProvisioningFailed", 'failed to provision volume with StorageClass "standard": rpc error: code = ResourceExhausted desc = VolumeLimitExceeded: maximum number of volumes exceeded', _ABOUT, count=9),
        ),
        _BOUND,
    ),
    "claim-pending": Example(
        stream(
            _claim("Pending"), _storage(),
            event("ExternalProvisioning", "Waiting for a volume to be created either by the external provisioner 'ebs.csi.aws.com' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.", _ABOUT, count=42, kind="Normal"),
        ),
        _BOUND,
    ),
    "claim-lost": Example(stream(_claim("Lost", volume="  volumeName: pvc-6d0c2b1a\n"), _storage()), _BOUND),
}  # fmt: skip
