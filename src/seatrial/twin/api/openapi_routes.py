"""The routes of OpenAPI: `/openapi/v3`, its index, one document a group version, and `/openapi/v2`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.twin.api.http import Request, Response, json_response
from seatrial.twin.api.swagger import ACCEPTED, MEDIA_TYPE
from seatrial.twin.registry.resources import ResourceTable

if TYPE_CHECKING:
    from seatrial.twin.api.openapi import CustomSchema, Documents

_FOREVER = (b"cache-control", b"public, immutable")


class OpenApi:
    """Makes the documents when they are first asked for: most servers are never asked."""

    def __init__(self, resources: ResourceTable, custom: CustomSchema | None = None) -> None:
        self._resources, self._custom = resources, custom
        self._made: Documents | None = None

    def answer(self, request: Request) -> Response | None:
        """None for a path without a document."""
        path = request.path.rstrip("/")
        if path == "/openapi/v3":
            return json_response(200, self._documents.index())
        if path == "/openapi/v2":
            if ACCEPTED in request.header(b"accept"):
                return Response(200, self._documents.swagger_protobuf(), content_type=MEDIA_TYPE.encode())
            return json_response(200, self._documents.swagger())
        if not path.startswith("/openapi/v3/"):
            return None
        name = path.removeprefix("/openapi/v3/")
        body = self._documents.document(name)
        if body is None:
            return None
        checksum = self._documents.hash(name)
        tag = (b"etag", f'"{checksum}"'.encode())
        if request.header(b"if-none-match").strip('"') == checksum:
            return Response(304, b"", headers=[tag])
        caching = [tag, _FOREVER] if request.query.get("hash") == checksum else [tag]
        return Response(200, body, headers=caching)

    @property
    def _documents(self) -> Documents:
        if self._made is None:
            from seatrial.twin.api.openapi import Documents

            self._made = Documents(self._resources, self._custom)
        return self._made
