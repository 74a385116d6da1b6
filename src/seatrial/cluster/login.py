"""The command of a kubeconfig that gives credentials (an exec plugin), asked once for all requests, and not for ever.

A cluster is asked many things at once; a command that opens a browser must not be started for each.  Where there is a terminal,
what the command says there (a code, an address to log in at) is shown; else it is kept for the error message.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Mapping, Sequence

import httpx2

#: Seconds that somebody gets to log in.
PATIENCE = 120.0


class LoginError(Exception):
    """Why the command gave no credentials, in words that hold none."""


class Login(httpx2.Auth):
    """Requests with the token that a command prints; asked again for a new one where the cluster no longer takes it (401)."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], patience: float = PATIENCE) -> None:
        self._command, self._environment, self._patience = command, environment, patience
        self._token = ""
        self._failed: LoginError | None = None
        self._lock = asyncio.Lock()

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        used = await self._renewed("")
        request.headers["Authorization"] = f"Bearer {used}"
        response = yield request
        if response.status_code == 401:
            request.headers["Authorization"] = f"Bearer {await self._renewed(used)}"
            yield request

    async def _renewed(self, refused: str) -> str:
        """The token, asked for where there is none but one that was refused."""
        async with self._lock:
            if self._failed is not None:
                raise self._failed
            if self._token == refused:
                try:
                    self._token = _token(await self._asked())
                except LoginError as error:  # who waited for it need not ask again
                    self._failed = error
                    raise
            return self._token

    async def _asked(self) -> bytes:
        shown = sys.stderr.isatty()
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command, env=dict(self._environment), stdin=DEVNULL, stdout=PIPE, stderr=None if shown else PIPE
            )
        except OSError as error:
            raise LoginError(f"cannot be started: {error.strerror}") from None
        try:
            async with asyncio.timeout(self._patience):
                out, said = await child.communicate()
        except TimeoutError:
            await _end(child)
            raise LoginError(f"did not end within {self._patience:.0f} s") from None
        except asyncio.CancelledError:
            await _end(child)
            raise
        if child.returncode:
            words = " ".join((said or b"").decode(errors="replace").split())[:400]
            raise LoginError(f"ended with exit code {child.returncode}{f': {words}' if words else ''}")
        return out


async def _end(child: Process) -> None:
    """End the command; what it started may hold its pipes, which are let go of."""
    child._transport.close()  # type: ignore[attr-defined]  # closes the pipes too, and kills
    await asyncio.sleep(0)


def _token(printed: bytes) -> str:
    try:
        answer = json.loads(printed)
    except (ValueError, RecursionError):
        raise LoginError("printed no ExecCredential" if printed.strip() else "printed nothing") from None
    status = answer.get("status") if isinstance(answer, dict) else None
    token = status.get("token") if isinstance(status, dict) else None
    if not isinstance(token, str) or not token:
        raise LoginError("gave no token")
    return token
