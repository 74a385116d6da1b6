"""The table of references: for each kind, where it names other objects, and what the words beside the name mean.

One row is one place.  `path` ends at the name itself; what else is said of the target (its kind, its namespace, a key in it, a
port of it) stands beside the name, and the row says under which words.  Paths of pods start at a pod's spec and hold in every
pod template.  Selectors, which name nothing but fit, are in `selecting`; what operators make is in `making`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

#: How a name is written: as it is, as `namespace/name`, as a host of a Service, or inside a text with URLs.
Form = Literal["name", "slashed", "host", "urls"]


class Row(NamedTuple):
    """One place where a kind names another object.

    `to` is the target's kind; with a leading `?` the words beside the name (`kind`, and `apiVersion`, `group` or `apiGroup`)
    say it and this is what they mean when they are missing.  `key`, `port`, `namespace` and `optional` are paths beside the
    name (several with spaces: the first that is there); `keys` a pattern of further keys beside it.  `cluster` is a word beside
    the name that, when true, means the kind with `Cluster` before it.
    """

    path: str
    to: str
    relation: str
    key: str = ""
    keys: str = ""
    port: str = ""
    namespace: str = ""
    optional: str = "optional"
    cluster: str = ""
    form: Form = "name"


#: Relations whose target may well be absent from what was loaded, and nothing is wrong: `Reference.optional` is set.
LOOSE = frozenset({"owner", "call", "namespace", "node"})

_VOLUMES = (
    Row("volumes[*].configMap.name", "ConfigMap", "volume", keys="items[*].key"),
    Row("volumes[*].secret.secretName", "Secret", "volume", keys="items[*].key"),
    Row("volumes[*].projected.sources[*].configMap.name", "ConfigMap", "volume", keys="items[*].key"),
    Row("volumes[*].projected.sources[*].secret.name", "Secret", "volume", keys="items[*].key"),
    Row("volumes[*].persistentVolumeClaim.claimName", "PersistentVolumeClaim", "volume"),
    Row("volumes[*].csi.volumeAttributes.secretProviderClass", "SecretProviderClass", "volume"),
    Row("volumes[*].csi.nodePublishSecretRef.name", "Secret", "volume"),
    Row("volumes[*].azureFile.secretName", "Secret", "volume"),
    Row("volumes[*].ephemeral.volumeClaimTemplate.spec.storageClassName", "StorageClass", "class"),
    *(Row(f"volumes[*].{kind}.secretRef.name", "Secret", "volume") for kind in ("cephfs", "rbd", "iscsi", "flexVolume")),
)

_CONTAINERS = tuple(
    row
    for list_ in ("containers", "initContainers", "ephemeralContainers")
    for row in (
        Row(f"{list_}[*].env[*].valueFrom.configMapKeyRef.name", "ConfigMap", "env", key="key"),
        Row(f"{list_}[*].env[*].valueFrom.secretKeyRef.name", "Secret", "env", key="key"),
        Row(f"{list_}[*].env[*].value", "Service", "call", form="urls"),
        Row(f"{list_}[*].envFrom[*].configMapRef.name", "ConfigMap", "envFrom"),
        Row(f"{list_}[*].envFrom[*].secretRef.name", "Secret", "envFrom"),
    )
)

#: Where the spec of a pod names others.
POD = (
    *_VOLUMES,
    *_CONTAINERS,
    Row("imagePullSecrets[*].name", "Secret", "pull-secret"),
    Row("serviceAccountName", "ServiceAccount", "service-account"),
    Row("priorityClassName", "PriorityClass", "class"),
    Row("runtimeClassName", "RuntimeClass", "class"),
    Row("nodeName", "Node", "node"),
    Row("resourceClaims[*].resourceClaimName", "ResourceClaim", "volume"),
    Row("resourceClaims[*].resourceClaimTemplateName", "ResourceClaimTemplate", "volume"),
)

#: Where kinds hold pod templates (metadata and spec below the path; the empty path is the object itself).
TEMPLATES: dict[str, tuple[str, ...]] = {
    "Pod": ("",),
    "PodTemplate": ("template",),
    "Deployment": ("spec.template",),
    "StatefulSet": ("spec.template",),
    "DaemonSet": ("spec.template",),
    "ReplicaSet": ("spec.template",),
    "ReplicationController": ("spec.template",),
    "Job": ("spec.template",),
    "CronJob": ("spec.jobTemplate.spec.template",),
    "Rollout": ("spec.template",),
    "AnalysisTemplate": ("spec.metrics[*].provider.job.spec.template",),
    "ClusterAnalysisTemplate": ("spec.metrics[*].provider.job.spec.template",),
    "Experiment": ("spec.templates[*].template",),
    "ScaledJob": ("spec.jobTargetRef.template",),
    "serving.knative.dev/Service": ("spec.template",),
    "serving.knative.dev/Configuration": ("spec.template",),
}

#: Where every object names others.
EVERY = (
    Row("metadata.namespace", "Namespace", "namespace"),
    Row("metadata.ownerReferences[*].name", "?Pod", "owner"),
)


def _backends(path: str) -> tuple[Row, ...]:
    """A backend of an Ingress, in its present and its former form."""
    return (
        Row(f"{path}.service.name", "Service", "backend", port="port.number port.name"),
        Row(f"{path}.serviceName", "Service", "backend", port="servicePort"),
        Row(f"{path}.resource.name", "?Service", "backend"),
    )


def _destinations(path: str) -> tuple[Row, ...]:
    """A destination of Istio: the Service of its host, and the DestinationRule that has its subset."""
    return (
        Row(f"{path}.host", "Service", "backend", port="port.number", form="host"),
        Row(f"{path}.subset", "DestinationRule", "subset"),
    )


def _analyses(path: str) -> tuple[Row, ...]:
    return (Row(f"{path}.templates[*].templateName", "AnalysisTemplate", "analysis", cluster="clusterScope"),)


_ROUTE = (
    Row("spec.parentRefs[*].name", "?gateway.networking.k8s.io/Gateway", "gateway", namespace="namespace", key="sectionName"),
    Row("spec.rules[*].backendRefs[*].name", "?Service", "backend", port="port", namespace="namespace"),
    Row("spec.rules[*].filters[*].requestMirror.backendRef.name", "?Service", "backend", port="port", namespace="namespace"),
)
_TRIGGERS = (
    Row("spec.triggers[*].authenticationRef.name", "?TriggerAuthentication", "auth"),
    Row("spec.triggers[*].metadata.serverAddress", "Service", "call", form="urls"),
)
_ANALYSIS = (
    Row("spec.args[*].valueFrom.secretKeyRef.name", "Secret", "env", key="key"),
    Row("spec.metrics[*].provider.prometheus.address", "Service", "call", form="urls"),
    Row("spec.metrics[*].provider.prometheus.authentication.oauth2.clientSecret.name", "Secret", "auth", key="key"),
    Row("spec.metrics[*].provider.web.url", "Service", "call", form="urls"),
    Row("spec.templates[*].templateName", "AnalysisTemplate", "analysis", cluster="clusterScope"),
)
_STORE = Row("spec.secretStoreRef.name", "?SecretStore", "store")
_WEBHOOKS = (Row("webhooks[*].clientConfig.service.name", "Service", "backend", port="port", namespace="namespace"),)
_BINDING = (
    Row("roleRef.name", "?Role", "role"),
    Row("subjects[*].name", "?ServiceAccount", "subject", namespace="namespace"),
)
_CLAIM = (
    Row("spec.storageClassName", "StorageClass", "class"),
    Row("spec.volumeName", "PersistentVolume", "volume"),
    Row("spec.dataSource.name", "?PersistentVolumeClaim", "volume"),
    Row("spec.dataSourceRef.name", "?PersistentVolumeClaim", "volume", namespace="namespace"),
)
_MONITORED = tuple(
    row
    for endpoints in ("spec.endpoints[*]", "spec.podMetricsEndpoints[*]")
    for row in (
        Row(f"{endpoints}.bearerTokenSecret.name", "Secret", "auth", key="key"),
        Row(f"{endpoints}.basicAuth.username.name", "Secret", "auth", key="key"),
        Row(f"{endpoints}.basicAuth.password.name", "Secret", "auth", key="key"),
        Row(f"{endpoints}.authorization.credentials.name", "Secret", "auth", key="key"),
        Row(f"{endpoints}.tlsConfig.ca.secret.name", "Secret", "tls", key="key"),
        Row(f"{endpoints}.tlsConfig.ca.configMap.name", "ConfigMap", "tls", key="key"),
        Row(f"{endpoints}.tlsConfig.cert.secret.name", "Secret", "tls", key="key"),
        Row(f"{endpoints}.tlsConfig.keySecret.name", "Secret", "tls", key="key"),
    )
)
_SOURCE = "?source.toolkit.fluxcd.io/GitRepository"
_FLUX_COMMON = (
    Row("spec.kubeConfig.secretRef.name", "Secret", "auth", key="key"),
    Row("spec.serviceAccountName", "ServiceAccount", "service-account"),
    Row("spec.healthChecks[*].name", "?Deployment", "waits-for", namespace="namespace"),
)
_FLUX_SOURCE = (
    Row("spec.secretRef.name", "Secret", "auth"),
    Row("spec.certSecretRef.name", "Secret", "tls"),
    Row("spec.verify.secretRef.name", "Secret", "auth"),
)

#: kind -> where it names others, besides its pod templates.
KINDS: dict[str, tuple[Row, ...]] = {
    "ConfigMap": (Row("data.*", "Service", "call", form="urls"),),
    "ServiceAccount": (
        Row("secrets[*].name", "Secret", "token"),
        Row("imagePullSecrets[*].name", "Secret", "pull-secret"),
    ),
    "RoleBinding": _BINDING,
    "ClusterRoleBinding": (Row("roleRef.name", "?ClusterRole", "role"), _BINDING[1]),
    "PersistentVolumeClaim": _CLAIM,
    "PersistentVolume": (
        Row("spec.storageClassName", "StorageClass", "class"),
        Row("spec.claimRef.name", "PersistentVolumeClaim", "volume", namespace="namespace"),
    ),
    "StatefulSet": (
        Row("spec.serviceName", "Service", "governing-service"),
        Row("spec.volumeClaimTemplates[*].spec.storageClassName", "StorageClass", "class"),
    ),
    "HorizontalPodAutoscaler": (
        Row("spec.scaleTargetRef.name", "?Deployment", "scale-target"),
        Row("spec.metrics[*].object.describedObject.name", "?Service", "metric"),
    ),
    "Ingress": (
        *_backends("spec.defaultBackend"),
        *_backends("spec.backend"),
        *_backends("spec.rules[*].http.paths[*].backend"),
        Row("spec.tls[*].secretName", "Secret", "tls"),
        Row("spec.ingressClassName", "IngressClass", "class"),
        Row('metadata.annotations["kubernetes.io/ingress.class"]', "IngressClass", "class"),
        Row('metadata.annotations["nginx.ingress.kubernetes.io/auth-secret"]', "Secret", "auth", form="slashed"),
        Row('metadata.annotations["cert-manager.io/issuer"]', "Issuer", "issuer"),
        Row('metadata.annotations["cert-manager.io/cluster-issuer"]', "ClusterIssuer", "issuer"),
    ),
    "IngressClass": (Row("spec.parameters.name", "?ConfigMap", "class", namespace="namespace"),),
    "EndpointSlice": (Row('metadata.labels["kubernetes.io/service-name"]', "Service", "endpoints-of"),),
    "ValidatingWebhookConfiguration": _WEBHOOKS,
    "MutatingWebhookConfiguration": _WEBHOOKS,
    "ValidatingAdmissionPolicyBinding": (Row("spec.policyName", "ValidatingAdmissionPolicy", "policy"),),
    "APIService": (Row("spec.service.name", "Service", "backend", port="port", namespace="namespace"),),
    "CustomResourceDefinition": (
        Row("spec.conversion.webhook.clientConfig.service.name", "Service", "backend", port="port", namespace="namespace"),
    ),
    # Argo Rollouts
    "Rollout": (
        Row("spec.workloadRef.name", "?Deployment", "template"),
        Row("spec.strategy.canary.canaryService", "Service", "canary-service"),
        Row("spec.strategy.canary.stableService", "Service", "stable-service"),
        Row("spec.strategy.canary.pingPong.pingService", "Service", "canary-service"),
        Row("spec.strategy.canary.pingPong.pongService", "Service", "stable-service"),
        Row("spec.strategy.blueGreen.activeService", "Service", "stable-service"),
        Row("spec.strategy.blueGreen.previewService", "Service", "canary-service"),
        Row("spec.strategy.canary.trafficRouting.istio.virtualService.name", "VirtualService", "traffic", form="slashed"),
        Row("spec.strategy.canary.trafficRouting.istio.virtualServices[*].name", "VirtualService", "traffic", form="slashed"),
        Row("spec.strategy.canary.trafficRouting.istio.destinationRule.name", "DestinationRule", "traffic"),
        Row("spec.strategy.canary.trafficRouting.nginx.stableIngress", "Ingress", "traffic"),
        Row("spec.strategy.canary.trafficRouting.nginx.stableIngresses[*]", "Ingress", "traffic"),
        Row("spec.strategy.canary.trafficRouting.alb.ingress", "Ingress", "traffic"),
        Row("spec.strategy.canary.trafficRouting.alb.rootService", "Service", "traffic"),
        Row("spec.strategy.canary.trafficRouting.smi.rootService", "Service", "traffic"),
        Row('spec.strategy.canary.trafficRouting.plugins["argoproj-labs/gatewayAPI"].httpRoute', "HTTPRoute", "traffic",
            namespace="namespace"),
        Row('spec.strategy.canary.trafficRouting.plugins["argoproj-labs/gatewayAPI"].httpRoutes[*].name', "HTTPRoute", "traffic"),
        *_analyses("spec.strategy.canary.analysis"),
        *_analyses("spec.strategy.canary.steps[*].analysis"),
        *_analyses("spec.strategy.blueGreen.prePromotionAnalysis"),
        *_analyses("spec.strategy.blueGreen.postPromotionAnalysis"),
        Row("spec.strategy.canary.steps[*].experiment.analyses[*].templateName", "AnalysisTemplate", "analysis",
            cluster="clusterScope"),
    ),
    "AnalysisTemplate": _ANALYSIS,
    "ClusterAnalysisTemplate": _ANALYSIS,
    "AnalysisRun": _ANALYSIS,
    "Experiment": (Row("spec.analyses[*].templateName", "AnalysisTemplate", "analysis", cluster="clusterScope"),),
    # Istio
    "VirtualService": (
        Row("spec.gateways[*]", "networking.istio.io/Gateway", "gateway", form="slashed"),
        *(
            row
            for protocol in ("http", "tcp", "tls")
            for row in _destinations(f"spec.{protocol}[*].route[*].destination")
        ),
        *_destinations("spec.http[*].mirror"),
        *_destinations("spec.http[*].mirrors[*].destination"),
    ),
    "DestinationRule": (
        Row("spec.host", "Service", "host", form="host"),
        Row("spec.trafficPolicy.tls.credentialName", "Secret", "tls"),
    ),
    "networking.istio.io/Gateway": (Row("spec.servers[*].tls.credentialName", "Secret", "tls"),),
    "AuthorizationPolicy": (Row("spec.targetRefs[*].name", "?Service", "policy-target"),),
    # Gateway API
    "gateway.networking.k8s.io/Gateway": (
        Row("spec.gatewayClassName", "GatewayClass", "class"),
        Row("spec.listeners[*].tls.certificateRefs[*].name", "?Secret", "tls", namespace="namespace"),
        Row('metadata.annotations["cert-manager.io/issuer"]', "Issuer", "issuer"),
        Row('metadata.annotations["cert-manager.io/cluster-issuer"]', "ClusterIssuer", "issuer"),
    ),
    "GatewayClass": (Row("spec.parametersRef.name", "?ConfigMap", "class", namespace="namespace"),),
    **dict.fromkeys(("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute"), _ROUTE),
    # KEDA and VPA
    "ScaledObject": (Row("spec.scaleTargetRef.name", "?Deployment", "scale-target"), *_TRIGGERS),
    "ScaledJob": _TRIGGERS,
    **dict.fromkeys(
        ("TriggerAuthentication", "ClusterTriggerAuthentication"),
        (
            Row("spec.secretTargetRef[*].name", "Secret", "auth", key="key"),
            Row("spec.configMapTargetRef[*].name", "ConfigMap", "auth", key="key"),
        ),
    ),
    "VerticalPodAutoscaler": (Row("spec.targetRef.name", "?Deployment", "scale-target"),),
    # secrets from elsewhere
    "ExternalSecret": (
        _STORE,
        Row("spec.data[*].sourceRef.storeRef.name", "?SecretStore", "store"),
        Row("spec.dataFrom[*].sourceRef.storeRef.name", "?SecretStore", "store"),
        Row("spec.dataFrom[*].sourceRef.generatorRef.name", "?generators.external-secrets.io/Password", "store"),
        Row("spec.target.template.templateFrom[*].configMap.name", "ConfigMap", "template", keys="items[*].key"),
        Row("spec.target.template.templateFrom[*].secret.name", "Secret", "template", keys="items[*].key"),
    ),
    "ClusterExternalSecret": (Row("spec.externalSecretSpec.secretStoreRef.name", "?SecretStore", "store"),),
    "PushSecret": (
        Row("spec.secretStoreRefs[*].name", "?SecretStore", "store"),
        Row("spec.selector.secret.name", "Secret", "source"),
    ),
    "VaultStaticSecret": (Row("spec.vaultAuthRef", "VaultAuth", "auth", form="slashed"),),
    "VaultDynamicSecret": (Row("spec.vaultAuthRef", "VaultAuth", "auth", form="slashed"),),
    # certificates
    "Certificate": (
        Row("spec.issuerRef.name", "?Issuer", "issuer"),
        Row("spec.keystores.jks.passwordSecretRef.name", "Secret", "auth", key="key"),
        Row("spec.keystores.pkcs12.passwordSecretRef.name", "Secret", "auth", key="key"),
    ),
    "Issuer": (Row("spec.ca.secretName", "Secret", "tls"),),
    # databases
    "postgresql.cnpg.io/Cluster": (
        Row("spec.bootstrap.initdb.secret.name", "Secret", "credentials"),
        Row("spec.bootstrap.recovery.secret.name", "Secret", "credentials"),
        Row("spec.superuserSecret.name", "Secret", "credentials"),
        Row("spec.managed.roles[*].passwordSecret.name", "Secret", "credentials"),
        Row("spec.imagePullSecrets[*].name", "Secret", "pull-secret"),
        Row("spec.imageCatalogRef.name", "?ImageCatalog", "source"),
        Row("spec.storage.storageClass", "StorageClass", "class"),
        Row("spec.walStorage.storageClass", "StorageClass", "class"),
        Row("spec.priorityClassName", "PriorityClass", "class"),
        Row("spec.backup.barmanObjectStore.s3Credentials.*.name", "Secret", "credentials", key="key"),
        Row("spec.backup.barmanObjectStore.endpointCA.name", "Secret", "tls", key="key"),
        Row("spec.externalClusters[*].password.name", "Secret", "credentials", key="key"),
        Row("spec.monitoring.customQueriesConfigMap[*].name", "ConfigMap", "config", key="key"),
        Row("spec.bootstrap.initdb.postInitApplicationSQLRefs.configMapRefs[*].name", "ConfigMap", "config", key="key"),
        Row("spec.certificates.serverTLSSecret", "Secret", "tls"),
        Row("spec.certificates.serverCASecret", "Secret", "tls"),
    ),
    **dict.fromkeys(
        ("Pooler", "ScheduledBackup", "postgresql.cnpg.io/Backup", "postgresql.cnpg.io/Database"),
        (Row("spec.cluster.name", "postgresql.cnpg.io/Cluster", "database"),),
    ),
    # the Prometheus operator
    "ServiceMonitor": _MONITORED,
    "PodMonitor": _MONITORED,
    **dict.fromkeys(
        ("Prometheus", "ThanosRuler"),
        (
            Row("spec.serviceAccountName", "ServiceAccount", "service-account"),
            Row("spec.alerting.alertmanagers[*].name", "Service", "call", port="port", namespace="namespace"),
            Row("spec.additionalScrapeConfigs.name", "Secret", "config", key="key"),
            Row("spec.remoteWrite[*].url", "Service", "call", form="urls"),
            Row("spec.secrets[*]", "Secret", "volume"),
            Row("spec.configMaps[*]", "ConfigMap", "volume"),
        ),
    ),
    "Alertmanager": (
        Row("spec.configSecret", "Secret", "config"),
        Row("spec.serviceAccountName", "ServiceAccount", "service-account"),
        Row("spec.secrets[*]", "Secret", "volume"),
        Row("spec.configMaps[*]", "ConfigMap", "volume"),
    ),
    # Flux
    "kustomize.toolkit.fluxcd.io/Kustomization": (
        Row("spec.sourceRef.name", _SOURCE, "source", namespace="namespace"),
        Row("spec.dependsOn[*].name", "kustomize.toolkit.fluxcd.io/Kustomization", "depends-on", namespace="namespace"),
        Row("spec.decryption.secretRef.name", "Secret", "auth"),
        Row("spec.postBuild.substituteFrom[*].name", "?ConfigMap", "config"),
        *_FLUX_COMMON,
    ),
    "HelmRelease": (
        Row("spec.chart.spec.sourceRef.name", "?HelmRepository", "source", namespace="namespace"),
        Row("spec.chartRef.name", "?OCIRepository", "source", namespace="namespace"),
        Row("spec.valuesFrom[*].name", "?ConfigMap", "config", key="valuesKey"),
        Row("spec.dependsOn[*].name", "HelmRelease", "depends-on", namespace="namespace"),
        *_FLUX_COMMON,
    ),
    **dict.fromkeys(("GitRepository", "HelmRepository", "OCIRepository", "source.toolkit.fluxcd.io/Bucket"), _FLUX_SOURCE),
    "Alert": (
        Row("spec.providerRef.name", "Provider", "source"),
        Row("spec.eventSources[*].name", "?kustomize.toolkit.fluxcd.io/Kustomization", "watches", namespace="namespace"),
    ),
    "Provider": _FLUX_SOURCE,
    "ImageRepository": _FLUX_SOURCE,
    "ImagePolicy": (Row("spec.imageRepositoryRef.name", "ImageRepository", "source", namespace="namespace"),),
    "ImageUpdateAutomation": (Row("spec.sourceRef.name", _SOURCE, "source", namespace="namespace"),),
    "flagger.app/Canary": (
        Row("spec.targetRef.name", "?Deployment", "scale-target"),
        Row("spec.autoscalerRef.name", "?HorizontalPodAutoscaler", "autoscaler"),
        Row("spec.analysis.metrics[*].templateRef.name", "MetricTemplate", "analysis", namespace="namespace"),
    ),
    # Argo CD
    "Application": (
        Row("spec.project", "AppProject", "project"),
        Row("spec.destination.namespace", "Namespace", "namespace"),
    ),
    "ApplicationSet": (Row("spec.template.spec.project", "AppProject", "project"),),
}  # fmt: skip
