"""What a cluster may offer an app, for property tests: every choice of `platform:`, in combinations that can work.

Keys that depend on one another are drawn together, and written out whole, so that the platform of an environment may be laid over
the file's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

ROLE = "arn:aws:iam::123456789012:role/shop"
GOOGLE = "shop@acme.iam.gserviceaccount.com"
AZURE = "01234567-89ab-cdef-0123-456789abcdef"
IDENTITIES = [ROLE, GOOGLE, AZURE]
AGE = ["age16z4kzqq60j7gt8zx9s9np8sfkz69rxascyg9sfp4p2e44mcmcstqhw9a3z"]


@dataclass(frozen=True)
class Wants:
    """What the services of an app ask of every platform it runs on."""

    canary: bool = False
    header: bool = False  # a mesh, which leads to a canary by a header and counts its requests
    door: bool = False  # an entry that leads to a canary by a header
    keda: bool = False
    operated: bool = False  # a PostgreSQL that only CloudNativePG can run


wants = st.builds(
    Wants, canary=st.booleans(), header=st.booleans(), door=st.booleans(), keda=st.booleans(), operated=st.booleans()
)


def maybe(strategy: st.SearchStrategy[Any], absent: int = 1) -> st.SearchStrategy[Any]:
    """Something, or None, which stands for an absent key."""
    return st.one_of(*[st.none()] * absent, strategy)


def keyed(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A map without the keys that came out as None."""
    return st.fixed_dictionaries(strategies).map(lambda found: {key: value for key, value in found.items() if value is not None})


@st.composite
def _traffic(draw: Any, wanted: Wants) -> dict[str, Any]:
    """How the world comes in, the mesh, who rolls canaries and what judges them."""
    mesh = "istio" if wanted.canary and wanted.header else draw(st.sampled_from(["istio", "none"]))
    entries = ["nginx", "gateway", "none", *(["istio"] if mesh == "istio" else []), "traefik"]
    if wanted.canary and (wanted.header or wanted.door):
        entries = entries[:2] if wanted.door else entries[:-1]
    entry = draw(st.sampled_from(entries))
    monitoring = draw(st.sampled_from(["prometheus-operator", "none"]))
    found: dict[str, Any] = {"ingress": entry, "mesh": mesh, "monitoring": monitoring, "dashboards": False}
    if monitoring != "none":
        found["dashboards"] = draw(st.booleans())
        found["monitoringLabels"] = draw(st.sampled_from([{"release": "prometheus"}, None]))
        found["monitoringNamespace"] = draw(st.sampled_from(["observability", "monitoring"]))
    found["prometheus"] = "http://prometheus.example:9090" if monitoring == "none" else None
    found["rollouts"] = "argo-rollouts" if wanted.canary else draw(st.sampled_from(["argo-rollouts", "none"]))
    found["gateway"] = draw(st.sampled_from([None, "infra/public"])) if entry in ("gateway", "istio") else None
    found["gatewayClass"] = draw(st.sampled_from([None, "eg", "istio"])) if entry == "gateway" else None
    found["issuer"] = draw(st.sampled_from([None, "letsencrypt"]))
    return found


def _kept(provider: str, vault: str, who: list[str | None], **more: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Secrets that a provider keeps, for either of those who fetch them."""
    fixed = {"secretProvider": provider, "secretVault": vault, "secretTenant": None, **more}
    return st.fixed_dictionaries(
        {key: st.just(value) for key, value in fixed.items()}
        | {
            "secrets": st.sampled_from(["external-secrets", "csi"]),
            "secretIdentity": st.sampled_from(who),
            "secretPrefix": st.sampled_from([None, "acme/shop"]),
        }
    )


_secrets = st.one_of(
    st.sampled_from(
        [
            {"secrets": "kubernetes", "secretProvider": None},
            {"secrets": "existing", "secretProvider": None},
            {"secrets": "sops", "age": AGE, "secretProvider": None},
            {"secrets": "external-secrets", "secretStore": "vault", "secretProvider": None},
            {"secrets": "external-secrets", "secretProvider": None},
        ]
    ),
    _kept("aws", "eu-west-1", [None, ROLE]),
    _kept("gcp", "acme-prod", [None, GOOGLE]),
    _kept("azure", "https://acme.vault.azure.net", [AZURE], secretTenant=AZURE),
    _kept("vault", "https://vault.example:8200", [None]),
)
_telemetry = st.one_of(
    st.just({"telemetry": "none"}),
    st.fixed_dictionaries(
        {
            "telemetry": st.sampled_from(["opentelemetry", "opentelemetry-operator"]),
            "otlp": st.sampled_from([None, "http://collector.observability:4318", "https://otlp.example"]),
        }
    ),
)


@st.composite
def platforms(draw: Any, wanted: Wants) -> dict[str, Any]:
    """The platform of a file, with everything that its services ask for."""
    found = draw(_traffic(wanted)) | draw(_secrets) | draw(_telemetry)
    found["autoscaling"] = "keda" if wanted.keda else draw(st.sampled_from(["hpa", "keda", "none"]))
    found["postgres"] = "cloudnative-pg" if wanted.operated else draw(st.sampled_from(["statefulset", "cloudnative-pg"]))
    found |= draw(
        keyed(
            gitops=maybe(st.sampled_from(["argocd", "flux", "none"])),
            recommendations=maybe(st.sampled_from(["vpa", "none"])),
            storageClass=maybe(st.just("fast")),
            region=maybe(st.just("eu-west-1")),
            zones=maybe(st.integers(1, 3)),
            nodes=maybe(
                st.sampled_from([{"pool": "apps"}, {"topology.kubernetes.io/zone": "eu-west-1a"}, {"gpu": False, "ssd": True}]), 2
            ),
        )
    )
    return {key: value for key, value in found.items() if value is not None}


@st.composite
def changes(draw: Any, wanted: Wants) -> dict[str, Any]:
    """What an environment says of the platform: whole parts of it, and nothing as well as something."""
    parts: list[st.SearchStrategy[dict[str, Any]]] = [_traffic(wanted), _secrets, _telemetry]
    found: dict[str, Any] = {}
    for part in parts:
        found |= draw(part) if draw(st.booleans()) else {}
    return found | draw(keyed(gitops=maybe(st.sampled_from(["argocd", "none"])), zones=maybe(st.just(2))))
