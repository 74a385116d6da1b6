# ruff: noqa: E501 - a line of the table is one saying
"""API versions that a Kubernetes version no longer serves, or soon will not; and those of operators that have moved on.

The target version is the world's fact `version` (`1.31`); where nobody knows it, the newest that Seatrial knows.
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, Severity, check
from seatrial.rules.gone import GONE
from seatrial.rules.written.examples import manifest
from seatrial.rules.written.telling import put, tell
from seatrial.world.objects import Obj, labels_of
from seatrial.world.patterns import pattern
from seatrial.world.world import World

RULES = (
    Rule("api-removed", "error", "has an API version that the cluster does not serve", "It is refused (`no matches for kind`): the release stops there; what runs already can no longer be changed by it.",
         "Move to the version that is named; where the form changed with it, change that too.",
         manifest("policy/v1beta1", "PodDisruptionBudget", "spec: {maxUnavailable: 1, selector: {matchLabels: {app: api}}}"),
         manifest("policy/v1", "PodDisruptionBudget", "spec: {maxUnavailable: 1, selector: {matchLabels: {app: api}}}")),
    Rule("api-deprecated", "note", "has an API version that will go", "A coming version of Kubernetes or of the operator no longer serves it.",
         "Move to the version that is named.",
         manifest("networking.istio.io/v1beta1", "VirtualService", "spec: {hosts: [api], http: [{route: [{destination: {host: api}}]}]}"),
         manifest("networking.istio.io/v1", "VirtualService", "spec: {hosts: [api], http: [{route: [{destination: {host: api}}]}]}")),
    Rule("api-operator-gone", "warning", "has an API version that current versions of its operator do not serve", "After the operator's next upgrade it can neither be applied nor read.",
         "Move to the version that is named.",
         manifest("external-secrets.io/v1beta1", "ExternalSecret", "spec: {refreshInterval: 1h, secretStoreRef: {name: aws, kind: ClusterSecretStore}, data: [{secretKey: a, remoteRef: {key: b}}]}"),
         manifest("external-secrets.io/v1", "ExternalSecret", "spec: {refreshInterval: 1h, secretStoreRef: {name: aws, kind: ClusterSecretStore}, data: [{secretKey: a, remoteRef: {key: b}}]}")),
)  # fmt: skip

NEWEST = (1, 36)
#: Groups that `helm template` does not know without a cluster: charts that ask for them fall back to what is long gone.
UNKNOWN_TO_HELM = frozenset({"apiregistration.k8s.io", "apiextensions.k8s.io"})


_VERSION = pattern(r"v?(\d+)\.(\d+)")


def target(world: World) -> tuple[int, int]:
    """The Kubernetes version that a world is for."""
    found = _VERSION.match(str(world.facts.get("version", "")))
    return (int(found[1]), int(found[2])) if found else NEWEST


def _of_chart(obj: Obj) -> bool:
    """Whether a chart was rendered to an object: it may choose its API by the cluster's, and had none to ask."""
    labels = labels_of(obj)
    return "helm.sh/chart" in labels or "Helm" in (labels.get("heritage"), labels.get("app.kubernetes.io/managed-by"))


@check(*{kind for _, kind in GONE}, rules=RULES)
def api_version(world: World, obj: Obj) -> Iterator[Finding]:
    """An object's apiVersion against the target."""
    written = str(obj.get("apiVersion", ""))
    gone = GONE.get((written, str(obj.get("kind", ""))))
    if gone is None:
        return
    ops = [put(obj, ("apiVersion",), gone.now)] if gone.same else []
    words = f"apiVersion: {written}; use {gone.now or 'Pod Security labels of namespaces'}"
    if gone.since is None:
        yield tell(world, gone.rule, obj, ("apiVersion",), words, ops=ops)
        return
    now = target(world)
    where = f"gone since Kubernetes {gone.since[0]}.{gone.since[1]}, the target is {now[0]}.{now[1]}"
    rule = "api-removed" if now >= gone.since else "api-deprecated"
    by_chart = "version" not in world.facts and _of_chart(obj)
    offline = rule == "api-removed" and (by_chart or written.partition("/")[0] in UNKNOWN_TO_HELM)
    details = {"removed": f"{gone.since[0]}.{gone.since[1]}"}
    severity: Severity | None = "warning" if offline else None
    yield tell(world, rule, obj, ("apiVersion",), f"{words}; {where}", ops=ops, severity=severity, details=details)
