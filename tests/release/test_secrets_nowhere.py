"""Fifty secret values, released in success and in failure: none is in any output, file, error or process."""

from __future__ import annotations

import base64
import html
import json
import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

import tools

pytestmark = pytest.mark.xdist_group("secrets")


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def planted() -> dict[str, str]:
    """Fifty values of all kinds; each has letters of its own, so that no chance brings it into a text."""
    words = [b64(f"{number * 7919 % 100003:05d}-seed")[:11].replace("+", "x") for number in range(50)]
    found = {f"plain{n}": f"{words[n]}-pw" for n in range(10)}
    found |= {f"short{n}": f"q{n}Z%" for n in range(4)}
    found |= {f"long{n}": "".join(words[n : n + 20]) * 2 for n in range(10, 14)}
    found |= {f"odd{n}": f"{words[n]} &'\"<é>/+=?" for n in range(14, 22)}
    found |= {f"url{n}": f"postgres://shop:{words[n]}%40x@db:5432/shop?sslmode=on" for n in range(22, 28)}
    found |= {f"json{n}": json.dumps({"auth": {"token": words[n], "user": "shop"}}) for n in range(28, 34)}
    key = [f"-----BEGIN KEY-----\n{words[n]}{words[n + 1]}\n{words[n + 2]}==\n-----END KEY-----\n" for n in range(34, 40)]
    found |= {f"key{n}": text for n, text in enumerate(key)}
    found |= {f"twice{n}": b64(b64(words[n])) for n in range(40, 46)}
    assert len(found) == 50 == len(set(found.values()))
    return found


SECRETS = planted()


def forms(secret: str) -> Iterator[str]:
    """The ways in which a value may be seen."""
    lines = [line for line in secret.splitlines() if len(line) > 3 and not line.startswith("-----")]
    for text in (secret.strip(), *lines):
        yield from (
            text,
            b64(text),
            b64(b64(text)),
            quote(text, safe=""),
            json.dumps(text)[1:-1],
            html.escape(text),
            text.encode().hex(),
        )
    yield b64(secret)
    if secret.startswith("postgres://"):
        yield secret.partition("shop:")[2].partition("@")[0]
    if secret.startswith("{"):
        yield json.loads(secret)["auth"]["token"]


def leaks(where: str, text: str) -> list[str]:
    """The names of the secrets that are in a text, also over the ends of its lines and between colours."""
    bare = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    texts = (text, bare, re.sub(r"[\r\n]", "", bare), re.sub(r"\s+", "", bare))
    return [
        f"{where}: {name} as {form!r}"
        for name, secret in SECRETS.items()
        for form in dict.fromkeys(forms(secret))
        if any(form in each for each in texts)
    ]


def script() -> str:
    """A program that prints its secrets as programs do, whole and wrapped, and falls over."""
    said = []
    for name, secret in SECRETS.items():
        for text in (secret, b64(secret), quote(secret, safe=""), f"token={b64(b64(secret))},x"):
            if not re.search(r"[|<>`$(){}&;\n]", text):
                said.append(f"{name} is {text}.")
    long = b64(SECRETS["long10"])
    said += [long[at : at + 16] for at in range(0, len(long), 16)]
    plain = SECRETS["plain3"]
    said += [f"wrapped {plain[:2]}", plain[2:7], f"{plain[7:]} and well"]
    return "; ".join(f"echo {shlex.quote(line)}" for line in said)


def chart(folder: Path) -> Path:
    """A chart with the values in a Secret, and where people put them by mistake: in the environment, a note, a ConfigMap."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("{apiVersion: v2, name: leaky, version: 0.1.0}\n")
    (folder / "templates" / "all.yaml").write_text(
        """
apiVersion: v1
kind: Secret
metadata: {name: leaky}
stringData: {{ toJson .Values.secret }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: leaky, annotations: {round: {{ .Values.round | quote }}}}
data:
  all: {{ toJson .Values.secret | quote }}
  {{- range $key, $value := .Values.secret }}
  {{ $key }}: {{ $value | quote }}
  {{- end }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: leaky}
spec:
  replicas: 1
  selector: {matchLabels: {app: leaky}}
  template:
    metadata: {labels: {app: leaky}, annotations: {notes: {{ printf "%s %s" .Values.round (toJson .Values.secret) | quote }}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: app
          image: example.com/leaky:1
          command: [sh, -c, {{ .Values.script | quote }}]
          env:
            {{- range $key, $value := .Values.secret }}
            - {name: {{ $key | upper }}, value: {{ printf "%s %s" $.Values.round $value | quote }}}
            {{- end }}
"""
    )
    return folder


class Stage:
    """The command against a twin, with a Helm on PATH that writes down how it was called."""

    def __init__(self, twin: Any, folder: Path) -> None:
        self.folder, self.record, self.twin = folder, folder / "calls", twin
        self.chart = chart(folder / "chart")
        (folder / "bin").mkdir()
        wrapper = folder / "bin" / "helm"
        wrapper.write_text(f'#!/bin/sh\n{{ echo "$@"; env; }} >> {self.record}\nexec {tools.helm()} "$@"\n')
        wrapper.chmod(0o755)
        (folder / "tmp").mkdir()
        self.environment = {**twin.environment, "TMPDIR": str(folder / "tmp"), "COLUMNS": "60"}
        self.environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{twin.environment['PATH']}"

    def command(self, number: int, run: str, *options: str) -> list[str]:
        secrets, values = self.folder / "secrets.yaml", self.folder / "values.yaml"
        secrets.write_text(yaml.safe_dump({"secret": SECRETS}))
        values.write_text(yaml.safe_dump({"script": run, "round": str(number)}))
        command = [
            sys.executable,
            "-m",
            "seatrial",
            "release",
            "--kubeconfig",
            self.twin.running.kubeconfig,
            "-n",
            "leaky",
            "--yes",
        ]
        command += ["--release-name", "leaky", "--chart-path", str(self.chart), "--values-file", str(values)]
        return [*command, "--secrets-file", str(secrets), "--evidence", str(self.folder / "evidence"), *options]

    def piped(self, *command: Any) -> tuple[int, str]:
        done = subprocess.run(self.command(*command), capture_output=True, text=True, env=self.environment, timeout=120)
        return done.returncode, done.stdout + done.stderr

    def in_terminal(self, *command: Any) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        child = subprocess.Popen(self.command(*command), stdin=theirs, stdout=theirs, stderr=theirs, env=self.environment)
        os.close(theirs)
        said = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux: the other end is closed
                break
            if not piece:
                break
            said += piece
        os.close(ours)
        return child.wait(60), said.decode(errors="replace")


def test_no_secret_is_anywhere(start_twin: Callable[..., Any], tmp_path: Path) -> None:
    stage = Stage(start_twin("leaky", "--simulate"), tmp_path)
    found: list[str] = []

    code, said = stage.piped(1, f"{script()}; sleep 86400")
    assert code == 0, said
    assert "sha256:" in said or "Secret leaky" in said
    found += leaks("a pipe, in success", said)

    code, said = stage.piped(2, f"{script()}; exit 3", "-o", "json")
    assert code == 20, said
    found += leaks("JSON", said)
    events = [json.loads(line) for line in said.splitlines()]
    logged = "".join(event["line"] for event in events if event["kind"] == "log")
    assert "*** and well" in logged and "token=***" in logged
    found += leaks("the lines of a log, joined", logged)

    code, said = stage.in_terminal(3, f"{script()}; exit 3", "--on-failure", "keep")
    assert code == 21, said
    found += leaks("a terminal", said)

    (tmp_path / "chart" / "values.schema.json").write_text(
        json.dumps({"properties": {"secret": {"additionalProperties": {"type": "string", "maxLength": 2}}}})
    )
    code, said = stage.piped(4, "true")
    assert code in (2, 10), said
    found += leaks("what a schema says", said)
    (tmp_path / "secrets.yaml").write_text(f"a: [\n{SECRETS['plain1']}: {{{SECRETS['plain2']}\n")
    command = stage.command(5, "true")
    (tmp_path / "secrets.yaml").write_text(f"a: [\n{SECRETS['plain1']}: {{{SECRETS['plain2']}\n")
    done = subprocess.run(command, capture_output=True, text=True, env=stage.environment, timeout=60)
    assert done.returncode == 2, done.stdout + done.stderr
    found += leaks("a mistake in the file", done.stdout + done.stderr)

    kept = [path for name in ("evidence", "tmp") for path in (tmp_path / name).rglob("*") if path.is_file()]
    assert {"index.html", "objects.yaml", "timeline.jsonl"} <= {path.name for path in kept}
    for path in kept:
        found += leaks(path.name, path.read_text())
    assert "upgrade --install leaky" in stage.record.read_text()
    found += leaks("Helm's arguments and environment", stage.record.read_text())
    assert not found, "\n".join(found[:20])
