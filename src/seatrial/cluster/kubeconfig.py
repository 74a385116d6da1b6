"""The kubeconfig as kubectl reads it: one file, or those of KUBECONFIG joined; and what is wrong with it, in words.

lightkube knows a single file, and the older versions of the protocol by which commands give credentials; both are made up for
here, before it sees anything.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from seatrial.world.objects import Obj

if TYPE_CHECKING:
    from lightkube.config.kubeconfig import SingleConfig

DEFAULT = "~/.kube/config"
#: Fields that name files, which are relative to the kubeconfig that they stand in.
_FILES = {"cluster": ("certificate-authority",), "user": ("client-certificate", "client-key", "tokenFile")}
#: What lightkube takes; the newest version differs from it only in that the command must be told of it.
_EXEC_TAKEN = "client.authentication.k8s.io/v1beta1"


class KubeconfigError(Exception):
    """What is wrong with a kubeconfig, and what to do."""


def read(path: Path | None, context: str | None, environment: Mapping[str, str] = os.environ) -> tuple[SingleConfig, str | None]:
    """The cluster, user and namespace of a context (the current one where none is named), and the proxy to it.

    Without `path`: the files of KUBECONFIG, else the usual one, else the service account of the pod that we run in.
    Raises KubeconfigError.
    """
    from lightkube import KubeConfig
    from lightkube.config.models import User
    from lightkube.core.exceptions import ConfigError

    files = _files(path, environment)
    if not files:
        try:
            inside = KubeConfig.from_service_account().get()
            assert inside is not None
        except (ConfigError, OSError):
            raise KubeconfigError(
                f"there is no kubeconfig: {_looked(environment)}. Name one with --kubeconfig, or in KUBECONFIG"
            ) from None
        return inside, None
    document = _joined([(file, _document(file)) for file in files])
    chosen = _chosen(document, context, files)
    proxy = (_named(document, "cluster", chosen["cluster"]) or {}).get("proxy-url")
    try:
        config = KubeConfig.from_dict(document, fname=files[0]).get(context_name=chosen["name"])
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise KubeconfigError(f"{_said(files)}: {_brief(error)}") from None
    assert config is not None
    if config.user is None:  # somebody whom the cluster does not know; it says itself what they may
        config = config._replace(user=User())
    return config, proxy if isinstance(proxy, str) and proxy else None


def _files(path: Path | None, environment: Mapping[str, str]) -> list[Path]:
    """The files that are there. Of several in KUBECONFIG some may be missing; the one that is named may not."""
    if path is not None:
        if not path.is_file():
            raise KubeconfigError(f"there is no kubeconfig {path}")
        return [path]
    listed = [Path(each).expanduser() for each in environment.get("KUBECONFIG", "").split(os.pathsep) if each]
    return [each for each in listed or [Path(DEFAULT).expanduser()] if each.is_file()]


def _looked(environment: Mapping[str, str]) -> str:
    listed = environment.get("KUBECONFIG")
    words = f"KUBECONFIG names {listed}, which is not there" if listed else f"KUBECONFIG is not set, and {DEFAULT} is not there"
    inside = "; nor has this pod the token of a service account (automountServiceAccountToken)"
    return words + (inside if environment.get("KUBERNETES_SERVICE_HOST") else "")


def _document(file: Path) -> Obj:
    import yaml

    try:
        document = yaml.safe_load(file.read_text())
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise KubeconfigError(f"{file}{line}: this is not YAML: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError):
        raise KubeconfigError(f"{file}: this is not YAML") from None
    except OSError as error:
        raise KubeconfigError(f"{file} cannot be read: {error.strerror}") from None
    if not isinstance(document, dict) or not any(document.get(key) for key in ("clusters", "contexts", "current-context")):
        what = "it is empty" if not document else "it has no clusters and no contexts"
        raise KubeconfigError(f"{file}: this is no kubeconfig: {what}")
    return document


def _joined(documents: Sequence[tuple[Path, Obj]]) -> Obj:
    """One kubeconfig of several: the first that defines a name counts, as kubectl has it."""
    joined: Obj = {"clusters": [], "contexts": [], "users": [], "current-context": ""}
    for file, document in documents:
        joined["current-context"] = joined["current-context"] or document.get("current-context") or ""
        for kind in ("cluster", "context", "user"):
            known = {each["name"] for each in joined[f"{kind}s"]}
            for each in _entries(document, kind, file):
                if each["name"] not in known:
                    joined[f"{kind}s"].append({"name": each["name"], kind: _whole(kind, each.get(kind) or {}, file)})
    return joined


def _entries(document: Obj, kind: str, file: Path) -> Iterator[Obj]:
    listed = document.get(f"{kind}s") or []
    if not isinstance(listed, list):
        raise KubeconfigError(f"{file}: {kind}s is no list")
    for each in listed:
        if not isinstance(each, dict) or not isinstance(each.get("name"), str) or not isinstance(each.get(kind) or {}, dict):
            raise KubeconfigError(f"{file}: an entry of {kind}s has no name, or no {kind}")
        yield each


def _whole(kind: str, given: Obj, file: Path) -> Obj:
    """An entry whose files are absolute, and whose command is one that lightkube takes."""
    entry = {key: value for key, value in given.items() if value is not None}
    for field in _FILES.get(kind, ()):
        if isinstance(entry.get(field), str) and entry[field]:
            entry[field] = str(file.absolute().parent / Path(entry[field]).expanduser())
    if isinstance(entry.get("exec"), dict):
        entry["exec"] = _command(entry["exec"], file)
    return entry


def _command(given: Obj, file: Path) -> Obj:
    """A command that gives credentials; commands of the newest protocol ask the environment for their version."""
    command, version = str(given.get("command") or ""), str(given.get("apiVersion") or "")
    if "/" in command and not Path(command).is_absolute():
        command = str(file.absolute().parent / command)
    told = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    variables = [each for each in given.get("env") or () if isinstance(each, dict)]
    if not any(each.get("name") == "KUBERNETES_EXEC_INFO" for each in variables):
        variables.append({"name": "KUBERNETES_EXEC_INFO", "value": json.dumps(told)})
    taken = _EXEC_TAKEN if version == "client.authentication.k8s.io/v1" else version
    return {**given, "command": command, "apiVersion": taken, "args": given.get("args") or [], "env": variables}


def _chosen(document: Obj, context: str | None, files: Sequence[Path]) -> dict[str, str]:
    """The context by its name, with the name of its cluster. Raises KubeconfigError for what is not there."""
    names = [each["name"] for each in document["contexts"]]
    there = f"there {'is' if len(names) == 1 else 'are'} {', '.join(names)}" if names else "there are none"
    name = context or document["current-context"]
    if not name:
        raise KubeconfigError(f"{_said(files)}: no context is in use: say --context ({there})")
    if name not in names:
        raise KubeconfigError(f"{_said(files)}: there is no context {name!r}; {there}")
    found = _named(document, "context", name) or {}
    for kind in ("cluster", "user"):
        wanted = found.get(kind)
        entry = _named(document, kind, str(wanted)) if wanted else None
        if kind == "cluster" and not wanted:
            raise KubeconfigError(f"{_said(files)}: context {name!r} names no cluster")
        if wanted and entry is None:
            raise KubeconfigError(f"{_said(files)}: context {name!r} names the {kind} {wanted!r}, which is not there")
        who = f"{_said(files)}: {kind} {wanted!r}"
        _see_files(kind, entry or {}, who)
        if entry is not None:
            (_see_cluster if kind == "cluster" else _see_user)(entry, who)
    return {"name": str(name), "cluster": str(found.get("cluster"))}


def _see_files(kind: str, entry: Obj, who: str) -> None:
    for field in _FILES[kind]:
        named = entry.get(field)
        if isinstance(named, str) and named and not entry.get(f"{field}-data") and not Path(named).is_file():
            raise KubeconfigError(f"{who} names {named} as its {field}, which is not there")


def _see_cluster(entry: Obj, who: str) -> None:
    server = entry.get("server")
    if not server:
        raise KubeconfigError(f"{who} has no server")
    if not isinstance(server, str) or not _is_address(server):
        raise KubeconfigError(f"{who} has the server {plain(str(server))!r}, which is no address: https://HOST:PORT is one")


def _is_address(server: str) -> bool:
    try:
        parts = urlsplit(server)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False


def _see_user(entry: Obj, who: str) -> None:
    for one, other in (("client-certificate", "client-key"), ("client-key", "client-certificate")):
        if (entry.get(one) or entry.get(f"{one}-data")) and not (entry.get(other) or entry.get(f"{other}-data")):
            raise KubeconfigError(f"{who} has a {one} and no {other}")
    token, command = entry.get("token"), entry.get("exec")
    if isinstance(token, str) and not (token.isascii() and token.isprintable()):
        raise KubeconfigError(f"{who} has a token with characters that no token has: was it cut, or broken over lines?")
    if entry.get("auth-provider") and not command and not token:
        raise KubeconfigError(f"{who} logs in by an auth-provider, which Kubernetes has given up: let it use an exec command")
    if isinstance(command, dict):
        _see_command(command, who)


def _see_command(command: Obj, who: str) -> None:
    """A command that is not installed is told before a cluster is asked, with what the kubeconfig says of how to get it."""
    name = command["command"]
    if not name:
        raise KubeconfigError(f"{who} has an exec without a command")
    own = {str(each.get("name")): str(each.get("value")) for each in command["env"]}
    if shutil.which(name, path=own.get("PATH")) is None:
        there = "cannot be run" if Path(name).exists() else "is not installed"
        hint = " ".join(str(command.get("installHint") or "").split())
        raise KubeconfigError(f"{who} logs in with the command {name}, which {there}{f'. {hint}' if hint else ''}")


def plain(address: str) -> str:
    """An address without the name and password that may stand in it."""
    head, slashes, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{head}{slashes}{host.rpartition('@')[2]}{slash}{path}" if slashes else address.rpartition("@")[2]


def of_certificates(error: ssl.SSLError) -> str:
    """Which part of a kubeconfig OpenSSL cannot take."""
    reason = error.reason or ""
    if reason == "KEY_VALUES_MISMATCH":
        return "the client-certificate and the client-key of its user do not belong together"
    if "X509" in str(error) or "CERTIFICATE_OR_CRL" in reason:
        return "the certificate-authority of its cluster is no certificate"
    words = (reason or str(error)).replace("_", " ").lower()
    return f"the client-certificate or the client-key of its user cannot be read ({words})"


def _named(document: Obj, kind: str, name: str) -> Obj | None:
    return next((each[kind] for each in document[f"{kind}s"] if each["name"] == name), None)


def _said(files: Iterable[Path]) -> str:
    return ", ".join(map(str, files))


def _brief(error: Any) -> str:
    return " ".join(str(error).split()) or type(error).__name__
