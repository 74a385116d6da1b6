# ruff: noqa: E501 - a line of the table is one saying
"""What does not end, or ends soon: namespaces and pods that stay, jobs without a bound, Helm releases stuck, certificates."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from seatrial.rules.alive.pods import condition, seconds_between
from seatrial.rules.alive.telling import status, told
from seatrial.rules.finding import Fact, Finding, Rule, check
from seatrial.world.objects import Obj, dig, labels_of, name_of, namespace_of, ref_of
from seatrial.world.world import World, short

DAY = 86400
#: Days before its end at which a certificate is told of; seconds after which what should be over is told of.
CERTIFICATE_DAYS, STUCK, FOREVER = 21, 120, DAY
#: What a namespace's conditions say is left: `queues.example.com has 2 resource instances`.
_LEFT = re.compile(r"([a-z0-9][a-z0-9.-]*) has \d+ resource instances")
BEGIN = "-----BEGIN CERTIFICATE-----"

NAMESPACE = Rule(
    "namespace-stuck", "error", "a namespace does not end", "Its name cannot be used again, and what is left in it goes on costing.",
    "Let the controller that set the finalizer run, or mend the API service that does not answer; removing a finalizer by hand leaves behind what it guards.",
)  # fmt: skip
POD = Rule(
    "pod-stuck", "warning", "a pod does not end", "Its place on the node and its volumes stay taken; a StatefulSet waits for it.",
    "If its node is gone for good, `kubectl delete node NODE`, or `kubectl delete pod POD --force`; if it has finalizers, look at who set them.",
)  # fmt: skip
JOB = Rule(
    "job-forever", "warning", "a job has run for long and has no bound", "It holds its resources without end, and nobody is told.",
    "Set activeDeadlineSeconds; its log says what it waits for.",
)  # fmt: skip
HELM = Rule(
    "helm-stuck", "error", "a Helm release is stuck in an operation that was broken off", "Every further upgrade is refused: another operation is in progress.",
    "`seatrial release --recover`, or `helm rollback` to the last revision that was deployed.",
)  # fmt: skip
CERTIFICATES = {
    rule.id: rule
    for rule in (
        Rule("certificate-expired", "error", "a certificate has expired", "Clients refuse the connection.", "Renew it; with cert-manager, look at its Certificate and CertificateRequest."),
        Rule("certificate-expires", "warning", "a certificate is about to expire", "From that moment clients refuse the connection.",
             "Renew it; with cert-manager, look why it has not been renewed yet."),
        Rule("certificate-not-issued", "error", "a certificate is not issued", "Its secret does not exist, or is of yesterday.", "The condition's message, and its CertificateRequest, Order and Challenge, say why."),
    )
}  # fmt: skip


@check("Namespace", rules=[NAMESPACE], live=True)
def namespace(world: World, obj: Obj) -> Iterator[Finding]:
    if dig(obj, "status.phase") != "Terminating":
        return
    held = [each for each in dig(obj, "status.conditions", []) if each.get("status") == "True"]
    facts = [
        status(world, obj, f"status.conditions[{each.get('type')}]", f"{each.get('type')}: {each.get('message', '')}")
        for each in held
    ]
    finalizers = [str(each) for each in dig(obj, "spec.finalizers", []) if each != "kubernetes"]
    if not held and not finalizers and (_age(world, dig(obj, "metadata.deletionTimestamp")) or 0) < STUCK:
        return
    facts += [status(world, obj, "spec.finalizers", f"finalizers: {', '.join(finalizers)}")] if finalizers else []
    why = next((str(each.get("message", "")) for each in held), "it still has finalizers" if finalizers else "nothing says why")
    left = list(dict.fromkeys(kind for each in held for kind in _LEFT.findall(str(each.get("message", "")))))
    look = f"`kubectl get {','.join(left)} -n {name_of(obj)}` shows what is left. " if left else ""
    yield told(NAMESPACE, f"{short(obj)} does not end: {why}", [obj], facts, fix=look + NAMESPACE.fix)


@check("Pod", rules=[POD], live=True)
def pod(world: World, obj: Obj) -> Iterator[Finding]:
    """deletionTimestamp is when it should be over: the grace period is in it."""
    late = _age(world, dig(obj, "metadata.deletionTimestamp"))
    if late is None or late < STUCK:
        return
    finalizers = dig(obj, "metadata.finalizers", [])
    words = f"finalizers: {', '.join(finalizers)}" if finalizers else f"on node {dig(obj, 'spec.nodeName', 'none')}"
    fact = status(world, obj, "metadata.deletionTimestamp", f"should have been over {_days(late)} ago; {words}")
    look = "Look at who set its finalizers: they wait for something."
    force = f"If its node is gone for good, `kubectl delete node {dig(obj, 'spec.nodeName', 'NODE')}`, or `kubectl delete pod {name_of(obj)} -n {namespace_of(obj)} --force`."
    yield told(POD, f"{short(obj)} does not end ({words})", [world.root(obj), obj], [fact], fix=look if finalizers else force)


@check("Job", rules=[JOB], live=True)
def job(world: World, obj: Obj) -> Iterator[Finding]:
    runs = _age(world, dig(obj, "status.startTime"))
    bound = dig(obj, "spec.activeDeadlineSeconds") or dig(obj, "spec.template.spec.activeDeadlineSeconds")
    if not dig(obj, "status.active", 0) or bound or runs is None:
        return
    known = world.facts.get("job-forever", FOREVER)
    if runs >= known or dig(obj, "status.succeeded", 0) < dig(obj, "spec.completions", 1):
        severity = "warning" if runs >= known else "note"
        words = f"active for {_days(runs)}, {dig(obj, 'status.succeeded', 0)} of {dig(obj, 'spec.completions', 1)} done, no activeDeadlineSeconds"
        title = f"{short(obj)} runs for {_days(runs)} and nothing bounds it"
        yield told(JOB, title, [obj], [status(world, obj, "status", words)], severity=severity)  # type: ignore[arg-type] # one of the two


@check("Secret", rules=[HELM, *CERTIFICATES.values()], live=True)
def secret(world: World, obj: Obj) -> Iterator[Finding]:
    if obj.get("type") == "helm.sh/release.v1":
        yield from _release(world, obj)
    elif obj.get("type") == "kubernetes.io/tls":
        ends = _not_after(_decoded(str(dig(obj, "data", {}).get("tls.crt", ""))))
        yield from _certificate(world, obj, ends, 'data["tls.crt"]')


def _release(world: World, record: Obj) -> Iterator[Finding]:
    """A record of Helm's that has been in the middle of something for longer than anything takes."""
    labels, now = labels_of(record), _now(world)
    state, since = labels.get("status", ""), labels.get("modifiedAt") or labels.get("createdAt") or ""
    if not state.startswith(("pending-", "uninstalling")) or now is None or not since.isdecimal():
        return
    seconds = now.timestamp() - int(since)
    if seconds <= STUCK:
        return
    name = labels.get("name", name_of(record))
    words = f"revision {labels.get('version', '?')} has been {state} for {_days(seconds)}"
    fact = status(world, record, "metadata.labels", words)
    fix = f"`seatrial release --recover` takes it for failed and goes on; or {_way_back(world, record, name)}."
    yield told(HELM, f"Helm release {name} is stuck: {words}", [record], [fact], fix=fix)


def _way_back(world: World, record: Obj, name: str) -> str:
    """The command of Helm's that ends a broken operation: a return to what was deployed before, else its removal."""
    namespace = namespace_of(record)
    if labels_of(record).get("status") == "uninstalling":
        return f"`helm uninstall {name} -n {namespace}`, to its end"
    good = [
        int(labels_of(each).get("version", "0"))
        for each in world.of("Secret")
        if each.get("type") == record["type"] and namespace_of(each) == namespace and labels_of(each).get("name") == name
        if labels_of(each).get("status") in ("deployed", "superseded") and labels_of(each).get("version", "").isdecimal()
    ]
    if good:
        return f"`helm rollback {name} {max(good)} -n {namespace}`, the last revision that was deployed"
    if labels_of(record).get("status") == "pending-install":
        return f"`helm uninstall {name} -n {namespace}`: no revision was ever deployed"
    return f"`helm rollback {name} -n {namespace}`"


@check("ConfigMap", rules=(), live=True)
def configmap(world: World, obj: Obj) -> Iterator[Finding]:
    """Certificates are no secrets, and some keep them here."""
    for key, value in dig(obj, "data", {}).items():
        if isinstance(value, str) and BEGIN in value:
            yield from _certificate(world, obj, _not_after(value.encode()), f'data["{key}"]')


@check("Certificate", rules=(), live=True)
def certificate(world: World, obj: Obj) -> Iterator[Finding]:
    """cert-manager's."""
    ready = condition(obj, "Ready")
    if ready.get("status") == "False":
        fact = status(world, obj, "status.conditions[Ready]", f"{ready.get('reason', '')}: {ready.get('message', '')}")
        rule, look = CERTIFICATES["certificate-not-issued"], f"-n {namespace_of(obj)}"
        fix = f"{rule.fix} `kubectl get certificaterequests,orders,challenges {look}` shows how far it came."
        yield told(rule, f"{short(obj)} is not issued: {ready.get('message', '')}", [obj], [fact], fix=fix)
    ends = dig(obj, "status.notAfter")
    yield from _certificate(world, obj, _moment(ends) if ends else None, "status.notAfter")


def _certificate(world: World, obj: Obj, ends: datetime | None, path: str) -> Iterator[Finding]:
    now = _now(world)
    if ends is None or now is None or (left := (ends - now).total_seconds()) > CERTIFICATE_DAYS * DAY:
        return
    fact = Fact(f"valid until {ends:%Y-%m-%d %H:%M} UTC", world.source(ref_of(obj), path))
    rule = CERTIFICATES["certificate-expired" if left <= 0 else "certificate-expires"]
    when = f"expired {_days(-left)} ago" if left <= 0 else f"expires in {_days(left)}"
    yield told(rule, f"{short(obj)}: its certificate {when}", [obj], [fact])


def _decoded(encoded: str) -> bytes:
    """What a Secret's value says; nothing for one that was masked."""
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _not_after(pem: bytes) -> datetime | None:
    """When the first certificate of a chain ends; None where there is none that can be read."""
    if BEGIN.encode() not in pem:
        return None
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc
    except ValueError:
        return None


def _now(world: World) -> datetime | None:
    """When the world was seen: `facts["now"]`, seconds since 1970."""
    seen = world.facts.get("now")
    return datetime.fromtimestamp(seen, UTC) if isinstance(seen, (int, float)) else None


def _moment(stamp: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(stamp).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _age(world: World, stamp: object) -> float | None:
    now = _now(world)
    return seconds_between(stamp, now.isoformat()) if now and stamp else None


def _days(seconds: float) -> str:
    for unit, size in (("days", DAY), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
