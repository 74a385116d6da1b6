"""The errors an API server answers with: an exception that is a Status object.

Reasons, codes and wording are those of apimachinery's pkg/api/errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seatrial.world.admission.causes import Cause
from seatrial.world.objects import Obj


class ApiError(Exception):
    """A refusal, with the Status that goes to the client. `details` may be empty, which is not the same as none."""

    def __init__(self, code: int, reason: str, message: str, details: Obj | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.details = details

    def status(self) -> Obj:
        status: Obj = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }
        if self.details is None:
            del status["details"]
        return status


def qualified(resource: str, group: str) -> str:
    return f"{resource}.{group}" if group else resource


def _details(name: str, group: str, kind: str, **more: Any) -> Obj:
    details: Obj = {"name": name, "group": group, "kind": kind, **more}
    return {key: value for key, value in details.items() if value}


def not_found(group: str, resource: str, name: str) -> ApiError:
    message = f'{qualified(resource, group)} "{name}" not found'
    return ApiError(404, "NotFound", message, _details(name, group, resource))


def already_exists(group: str, resource: str, name: str) -> ApiError:
    message = f'{qualified(resource, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(name, group, resource))


#: What optimistic locking says when somebody was faster.
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(group: str, resource: str, name: str, why: str = MODIFIED, causes: Sequence[Cause] = ()) -> ApiError:
    message = f'Operation cannot be fulfilled on {qualified(resource, group)} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(name, group, resource, causes=_causes(causes)))


def forbidden(group: str, resource: str, name: str, why: str) -> ApiError:
    what = qualified(resource, group) + (f' "{name}"' if name else "")
    return ApiError(403, "Forbidden", f"{what} is forbidden: {why}", _details(name, group, resource))


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def gone(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def method_not_allowed() -> ApiError:
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def too_many_requests(message: str, causes: Sequence[Cause] = (), retry_after: int = 0) -> ApiError:
    details = _details("", "", "", causes=_causes(causes), retryAfterSeconds=retry_after)
    return ApiError(429, "TooManyRequests", message, details)


def internal(message: str) -> ApiError:
    return ApiError(500, "InternalError", f"Internal error occurred: {message}")


def invalid(group: str, kind: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """422 for an object that decodes and is wrong; `name` is "" when it has none yet."""
    said = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))  # the message says nothing twice
    text = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    what = qualified(kind, group)
    message = f'{what} "{name}" is invalid: {text}' if said else f'{what} "{name}" is invalid'
    return ApiError(422, "Invalid", message, _details(name, group, kind, causes=_causes(causes)))


def _causes(causes: Sequence[Cause]) -> list[Obj]:
    said = ({"reason": c.reason, "message": c.message, "field": c.field} for c in causes)
    return [{key: value for key, value in cause.items() if value} for cause in said]
