# ruff: noqa: E501 - rows of a table
"""A service as a careful team writes it, and the same with a fault between two of its objects: each fault a change of words."""

from __future__ import annotations

from dataclasses import dataclass

SERVICE = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {namespace}
  labels: {{app.kubernetes.io/name: {name}}}
spec:
  selector:
    matchLabels: {{app.kubernetes.io/name: {name}}}
  template:
    metadata:
      labels: {{app.kubernetes.io/name: {name}}}
    spec:
      serviceAccountName: {name}
      automountServiceAccountToken: false
      securityContext: {{runAsNonRoot: true, runAsUser: 10001, seccompProfile: {{type: RuntimeDefault}}}}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: topology.kubernetes.io/zone
          whenUnsatisfiable: ScheduleAnyway
          labelSelector: {{matchLabels: {{app.kubernetes.io/name: {name}}}}}
      containers:
        - name: {name}
          image: registry.example.com/shop/{name}:1.4.2
          ports:
            - {{name: http, containerPort: {port}}}
          env:
            - name: TOKEN
              valueFrom: {{secretKeyRef: {{name: {name}, key: token}}}}
            - name: SELF_URL
              value: http://{name}.{namespace}.svc.cluster.local
          envFrom:
            - configMapRef: {{name: {name}}}
          resources:
            requests: {{cpu: 100m, memory: 128Mi}}
            limits: {{cpu: "1", memory: 128Mi}}
          livenessProbe:
            httpGet: {{path: /livez, port: http}}
            failureThreshold: 6
          readinessProbe:
            httpGet: {{path: /readyz, port: http}}
          lifecycle: {{preStop: {{sleep: {{seconds: 5}}}}}}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {{drop: [ALL]}}
          volumeMounts:
            - {{name: tmp, mountPath: /tmp}}
      volumes:
        - name: tmp
          emptyDir: {{sizeLimit: 100Mi}}
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {namespace}
  labels: {{app.kubernetes.io/name: {name}}}
spec:
  selector: {{app.kubernetes.io/name: {name}}}
  ports:
    - {{name: http, port: 80, targetPort: http}}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {name}
  namespace: {namespace}
automountServiceAccountToken: false
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
  namespace: {namespace}
data:
  LEVEL: info
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: {name}
  namespace: {namespace}
spec:
  refreshInterval: 1h
  secretStoreRef: {{name: vault, kind: ClusterSecretStore}}
  target: {{name: {name}}}
  data:
    - {{secretKey: token, remoteRef: {{key: {name}, property: token}}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {name}
  namespace: {namespace}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {name}}}
  minReplicas: 2
  maxReplicas: 6
  metrics:
    - type: Resource
      resource: {{name: cpu, target: {{type: Utilization, averageUtilization: 70}}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {name}
  namespace: {namespace}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{app.kubernetes.io/name: {name}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {name}
  namespace: {namespace}
spec:
  podSelector:
    matchLabels: {{app.kubernetes.io/name: {name}}}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        - namespaceSelector:
            matchLabels: {{kubernetes.io/metadata.name: ingress-nginx}}
        - namespaceSelector:
            matchLabels: {{kubernetes.io/metadata.name: monitoring}}
      ports:
        - {{port: {port}}}
  egress:
    - to:
        - namespaceSelector:
            matchLabels: {{kubernetes.io/metadata.name: kube-system}}
      ports:
        - {{port: 53, protocol: UDP}}
        - {{port: 53, protocol: TCP}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  namespace: {namespace}
spec:
  ingressClassName: nginx
  tls:
    - hosts: [{name}.example.com]
      secretName: wildcard-tls
  rules:
    - host: {name}.example.com
      http:
        paths:
          - path: /
            pathType: Prefix
            backend: {{service: {{name: {name}, port: {{name: http}}}}}}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {name}
  namespace: {namespace}
spec:
  selector:
    matchLabels: {{app.kubernetes.io/name: {name}}}
  endpoints:
    - port: http
      interval: 30s
"""
SCALED_TWICE = """\
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {name}
  namespace: {namespace}
spec:
  scaleTargetRef: {{name: {name}}}
  minReplicaCount: 2
  maxReplicaCount: 6
  triggers:
    - {{type: cpu, metricType: Utilization, metadata: {{value: "70"}}}}
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault: the rule that tells it, what stands in a service that has none, and what stands there instead."""

    name: str
    rule: str
    right: str
    wrong: str
    more: str = ""

    @property
    def without(self) -> str:
        return service(self.name, "faults", 8080)

    @property
    def text(self) -> str:
        """The service with the fault."""
        healthy = self.without
        if self.right not in healthy:
            raise ValueError(f"{self.name}: {self.right!r} is not in the service")
        return healthy.replace(self.right, self.wrong, 1) + self.more.format(name=self.name, namespace="faults")


def service(name: str, namespace: str, port: int) -> str:
    """A service of ten objects."""
    return SERVICE.format(name=name, namespace=namespace, port=port)


FAULTS = (
    Fault("selects-nobody", "service-selects-no-pods",
          "spec:\n  selector: {app.kubernetes.io/name: selects-nobody}\n  ports", "spec:\n  selector: {app.kubernetes.io/name: select-nobody}\n  ports"),
    Fault("target-port", "target-port-unknown", "targetPort: http}", "targetPort: web}"),
    Fault("backend-port", "backend-port-unknown", "port: {name: http}}}", "port: {name: web}}}"),
    Fault("backend-service", "missing-service", "backend: {service: {name: backend-service,", "backend: {service: {name: backend-servce,"),
    Fault("monitor-port", "monitor-port-unknown", "- port: http\n      interval", "- port: metrics\n      interval"),
    Fault("external-key", "missing-external-key", "{secretKey: token,", "{secretKey: api-token,"),
    Fault("scale-target", "missing-target", "kind: Deployment, name: scale-target}", "kind: Deployment, name: scale-targt}"),
    Fault("scaled-twice", "two-autoscalers", "  minReplicas: 2", "  minReplicas: 2", SCALED_TWICE),
    Fault("drain-blocked", "budget-against-minimum", "maxUnavailable: 1", "minAvailable: 2"),
    Fault("budget-nobody", "budget-protects-nothing",
          "AlwaysAllow\n  selector:\n    matchLabels: {app.kubernetes.io/name: budget-nobody}", "AlwaysAllow\n  selector:\n    matchLabels: {app: budget-nobody}"),
    Fault("names-blocked", "dns-blocked", "        - {port: 53, protocol: UDP}\n        - {port: 53, protocol: TCP}", "        - {port: 443, protocol: TCP}"),
    Fault("ingress-shut", "ingress-blocked",
          "        - namespaceSelector:\n            matchLabels: {kubernetes.io/metadata.name: ingress-nginx}\n", ""),
    Fault("wrong-config", "missing-config", "configMapRef: {name: wrong-config}", "configMapRef: {name: wrong-confg}"),
    Fault("same-pods", "spread-of-others", "labelSelector: {matchLabels: {app.kubernetes.io/name: same-pods}}", "labelSelector: {matchLabels: {app.kubernetes.io/name: other-pods}}"),
)  # fmt: skip
