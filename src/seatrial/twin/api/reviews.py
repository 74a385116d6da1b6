"""Questions that are asked by POST and answered at once: who am I, may I, is this token good, what may I do here."""

from __future__ import annotations

from collections.abc import Callable

from seatrial.twin import errors
from seatrial.twin.api import bodies
from seatrial.twin.api.authentication import Authenticator
from seatrial.twin.api.authorization import Action, Authorizer
from seatrial.twin.api.http import Request, Response, User, json_response
from seatrial.twin.api.paths import Target
from seatrial.twin.clock import timestamp
from seatrial.twin.registry.registry import Registry
from seatrial.twin.registry.resources import Resource
from seatrial.world.admission.causes import Cause, Causes
from seatrial.world.objects import Obj


class Reviews:
    def __init__(self, registry: Registry, authenticator: Authenticator, authorizer: Authorizer) -> None:
        self._registry, self._authenticator, self._authorizer = registry, authenticator, authorizer
        self._answers: dict[str, Callable[[Obj, User], Obj]] = {
            "selfsubjectreviews.authentication.k8s.io": self._who,
            "tokenreviews.authentication.k8s.io": self._token,
            "selfsubjectaccessreviews.authorization.k8s.io": self._may_i,
            "subjectaccessreviews.authorization.k8s.io": self._may_they,
            "localsubjectaccessreviews.authorization.k8s.io": self._may_they,
            "selfsubjectrulesreviews.authorization.k8s.io": self._rules,
        }

    def answers(self, kind: Resource) -> bool:
        return kind.id in self._answers

    def answer(self, request: Request, kind: Resource, target: Target) -> Response:
        review = bodies.read(request, kind)
        metadata = {**review["metadata"], "creationTimestamp": timestamp(self._registry.clock.now())}
        if kind.kind != "SelfSubjectReview":
            metadata["creationTimestamp"] = None
        if kind.kind == "LocalSubjectAccessReview":
            _check_place(metadata, target)
        spec = review.get("spec") or {}
        causes = _wrong(kind, spec, metadata.get("namespace", ""))
        if causes:
            raise errors.invalid(kind.group, kind.kind, "", causes)
        return json_response(201, {**review, "metadata": metadata, "status": self._answers[kind.id](spec, request.user)})

    def _who(self, spec: Obj, user: User) -> Obj:
        return {"userInfo": _info(user)}

    def _token(self, spec: Obj, user: User) -> Obj:
        token = str(spec.get("token", ""))
        if not token:
            raise errors.bad_request("token is required for TokenReview in authentication")
        found = self._authenticator.of_token(token)
        if found is None:
            return {"user": {}, "error": "[invalid bearer token]"}
        return {"authenticated": True, "user": _info(found), "audiences": spec.get("audiences") or []}

    def _may_i(self, spec: Obj, user: User) -> Obj:
        return self._verdict(user, spec)

    def _may_they(self, spec: Obj, user: User) -> Obj:
        asked = User(spec.get("user", ""), tuple(spec.get("groups") or ()), spec.get("uid", ""))
        return self._verdict(asked, spec)

    def _verdict(self, user: User, spec: Obj) -> Obj:
        allowed, reason = self._authorizer.decide(user, _action(spec))
        return {"allowed": allowed, "reason": reason} if reason else {"allowed": allowed}

    def _rules(self, spec: Obj, user: User) -> Obj:
        namespace = spec.get("namespace", "")
        if not namespace:
            raise errors.bad_request("no namespace on request")
        grants = list(self._authorizer.grants(user, namespace))
        rules = [rule for grant in grants for rule in grant.rules]
        status: Obj = {
            "resourceRules": [_only(rule, _RESOURCE_KEYS) for rule in rules if rule.get("resources")],
            "nonResourceRules": [_only(rule, ("verbs", "nonResourceURLs")) for rule in rules if rule.get("nonResourceURLs")],
            "incomplete": False,
        }
        missing = [grant.error for grant in grants if grant.error]
        return {**status, "evaluationError": ", ".join(missing)} if missing else status


_RESOURCE_KEYS = ("verbs", "apiGroups", "resources", "resourceNames")


def _only(rule: Obj, keys: tuple[str, ...]) -> Obj:
    return {key: rule[key] for key in keys if rule.get(key)}


def _info(user: User) -> Obj:
    info: Obj = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra}
    return info


def _action(spec: Obj) -> Action:
    resource = spec.get("resourceAttributes")
    if resource is None:
        path = spec["nonResourceAttributes"]
        return Action(path.get("verb", ""), path=path.get("path", ""))
    name = resource.get("resource", "")
    if resource.get("subresource"):
        name = f"{name}/{resource['subresource']}"
    where = resource.get("namespace", ""), resource.get("name", "")
    return Action(resource.get("verb", ""), resource.get("group", ""), name, *where)


def _check_place(metadata: Obj, target: Target) -> None:
    """Raises ApiError (400) for a local review that is about another namespace than its path."""
    namespace = metadata.setdefault("namespace", target.namespace)
    if namespace != target.namespace:
        raise errors.bad_request(f"spec.resourceAttributes.namespace must match namespace: {target.namespace}")


def _wrong(kind: Resource, spec: Obj, namespace: str) -> list[Cause]:
    """What is wrong with a question about permissions (pkg/apis/authorization/validation/validation.go)."""
    if not kind.kind.endswith("AccessReview"):
        return []
    causes = Causes()
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        shown = {"path": path.get("path", ""), "verb": path.get("verb", "")}
        causes.invalid("spec.nonResourceAttributes", shown, "cannot be specified in combination with resourceAttributes")
    if resource is None and path is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        causes.invalid("spec.resourceAttributes", None, why)
    if kind.kind != "SelfSubjectAccessReview" and not spec.get("user") and not spec.get("groups"):
        causes.invalid("spec.user", "", "at least one of user or group must be specified")
    if kind.kind == "LocalSubjectAccessReview":
        if resource is not None and resource.get("namespace", "") != namespace:
            causes.invalid("spec.resourceAttributes.namespace", resource.get("namespace", ""), "must match metadata.namespace")
        if path is not None:
            shown = {"path": path.get("path", ""), "verb": path.get("verb", "")}
            causes.invalid("spec.nonResourceAttributes", shown, "disallowed on this kind of request")
    return list(causes)
