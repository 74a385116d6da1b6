"""The child process of `helm` where no binary is installed: one JSON request on standard input, the answer on standard output.

SIGINT cancels what Helm is doing through the SDK's own token, so that the release is written down as failed, not left pending.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Callable
from typing import Any

Request = dict[str, Any]


def upgrade(config: Any, request: Request) -> Any:
    from helm_python import HelmContext
    from helm_python.errors import HelmNotFoundError

    token = HelmContext()
    signal.signal(signal.SIGINT, lambda *_: token.cancel())
    arguments = (request["chart"], request["release"], request["values"])
    options = {"namespace": request["namespace"], "timeout": request["timeout"], "wait": "hookOnly", "context": token}
    for key in ("labels", "description"):
        if request.get(key):
            options[key] = request[key]
    try:
        config.history(request["release"])
    except HelmNotFoundError:
        return config.install(*arguments, create_namespace=True, **options)
    return config.upgrade(*arguments, max_history=10, reset_values=True, **options)


def uninstall(config: Any, request: Request) -> Any:
    return config.uninstall(request["release"], ignore_not_found=True, timeout=request["timeout"])


def render(config: Any, request: Request) -> str:
    from helm_python import Chart

    chart = Chart.load(request["chart"])
    options = {"name": request["release"], "namespace": request["namespace"]}
    options |= {"is_install": not request["upgrade"], "is_upgrade": request["upgrade"]}
    rendered: dict[str, str] = config.render(chart, request["values"], **options)
    return "\n---\n".join(text for path, text in sorted(rendered.items()) if path.endswith((".yaml", ".yml", ".json", ".tpl")))


#: Where Helm divides what a template made (pkg/release/v1/util/manifest.go): what follows may stand on the same line, as
#: `{{- if … -}}` leaves it.
_SEPARATOR = re.compile(r"(?:^|\s*\n)---\s*")


def template(request: Request) -> str:
    from helm_python import Chart

    options = {"name": request["release"], "namespace": request["namespace"], "is_install": True}
    rendered: dict[str, str] = Chart.load(request["chart"]).render(request["values"], **options)
    texts = sorted((path, text) for path, text in rendered.items() if path.endswith((".yaml", ".yml", ".json")))
    parts = [(path, part.strip("\n").rstrip()) for path, text in texts for part in _SEPARATOR.split(text)]
    return "".join(f"---\n# Source: {path}\n{part}\n" for path, part in parts if part.strip())


def pull(config: Any, request: Request) -> Any:
    import helm_python

    options = {"destination": request["into"], "version": request["version"] or None, "plain_http": request["plain_http"]}
    return helm_python.pull(request["chart"], **options)


def rollback(config: Any, request: Request) -> Any:
    options = {"version": request["revision"], "timeout": request["timeout"], "wait": "hookOnly"}
    return config.rollback(request["release"], **options)


def history(config: Any, request: Request) -> Any:
    return config.history(request["release"])


CALLS: dict[str, Callable[[Any, Request], Any]] = {
    "upgrade": upgrade,
    "uninstall": uninstall,
    "history": history,
    "render": render,
    "pull": pull,
    "rollback": rollback,
}


def main() -> int:
    from helm_python import Config
    from helm_python.errors import HelmError

    request: Request = json.loads(sys.stdin.read())
    try:
        if request["call"] == "template":  # needs no cluster, nor a kubeconfig
            print(template(request))
            return 0
        with Config(
            kubeconfig_path=request["kubeconfig"], kube_context=request["context"], namespace=request["namespace"]
        ) as config:
            answer = CALLS[request["call"]](config, request)
    except HelmError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(answer if isinstance(answer, str) else json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
