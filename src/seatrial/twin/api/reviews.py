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
from seatrial.world.objects import Obj


class Reviews:
    def __init__(self, registry: Registry, authenticator: Authenticator, authorizer: Authorizer) -> None:
        self._registry, self._authenticator, self._authorizer = registry, authenticator, authorizer
        self._answers: dict[str, Callable[[Obj, User, str], Obj]] = {
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
        status = self._answers[kind.id](review.get("spec") or {}, request.user, target.namespace)
        return json_response(201, {**review, "metadata": metadata, "status": status})

    def _who(self, spec: Obj, user: User, namespace: str) -> Obj:
        return {"userInfo": _info(user)}

    def _token(self, spec: Obj, user: User, namespace: str) -> Obj:
        found = self._authenticator.of_token(str(spec.get("token", "")))
        if found is None:
            return {"user": {}, "error": "[invalid bearer token]"}
        return {"authenticated": True, "user": _info(found), "audiences": spec.get("audiences") or []}

    def _may_i(self, spec: Obj, user: User, namespace: str) -> Obj:
        return self._verdict(user, _action(spec))

    def _may_they(self, spec: Obj, user: User, namespace: str) -> Obj:
        asked = User(spec.get("user", ""), tuple(spec.get("groups") or ()), spec.get("uid", ""))
        return self._verdict(asked, _action(spec))

    def _verdict(self, user: User, action: Action) -> Obj:
        allowed = self._authorizer.allows(user, action)
        return {"allowed": True} if allowed else {"allowed": False}

    def _rules(self, spec: Obj, user: User, namespace: str) -> Obj:
        rules = [dict(rule) for rule in self._authorizer.rules(user, spec.get("namespace", ""))]
        if self._authorizer.allows(user, Action("*", "*", "*", spec.get("namespace", ""))):
            rules.insert(0, {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})
        resources = [rule for rule in rules if rule.get("resources")]
        paths = [
            {"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]} for rule in rules if rule.get("nonResourceURLs")
        ]
        return {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}


def _info(user: User) -> Obj:
    info: Obj = {"username": user.name, "groups": list(user.groups)}
    return {**info, "uid": user.uid} if user.uid else info


def _action(spec: Obj) -> Action:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource:
        name = resource.get("resource", "")
        if resource.get("subresource"):
            name = f"{name}/{resource['subresource']}"
        return Action(
            resource.get("verb", ""), resource.get("group", ""), name, resource.get("namespace", ""), resource.get("name", "")
        )
    if path:
        return Action(path.get("verb", ""), path=path.get("path", ""))
    why = "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"
    cause = errors.Cause("FieldValueInvalid", why, "spec.resourceAttributes")
    raise errors.invalid("authorization.k8s.io", "SelfSubjectAccessReview", "", [cause])
