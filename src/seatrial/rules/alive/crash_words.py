# ruff: noqa: E501 - a line of the table is one saying
"""How a crash is told from another: the words of logs and runtimes, the codes and signals with which processes end."""

from __future__ import annotations

import re
from dataclasses import dataclass

from seatrial.rules.alive.traffic_words import failed
from seatrial.rules.finding import Rule

#: Exit codes above this are 128 + the number of the signal that ended the process.
SIGNALS = {
    129: "SIGHUP", 130: "SIGINT", 131: "SIGQUIT", 132: "SIGILL", 133: "SIGTRAP", 134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE",
    137: "SIGKILL", 139: "SIGSEGV", 141: "SIGPIPE", 143: "SIGTERM", 159: "SIGSYS",
}  # fmt: skip

_DOWN = "The new version never serves; while the old one does, the rollout hangs, and without one the service is down."

RULES = {
    rule.id: rule
    for rule in (
        Rule("crash-oom", "error", "a container is killed because it takes more memory than its limit", _DOWN,
             "Raise resources.limits.memory above what it needs at its peak, or make it need less."),
        Rule("crash-heap", "error", "a container ends because its own heap is full", _DOWN,
             "Raise the heap together with the memory limit, or find what fills it."),
        Rule("crash-command-not-found", "error", "a container's command does not exist in its image", _DOWN,
             "Correct command or args, or build the program into the image; the path is looked up inside the container."),
        Rule("crash-wrong-architecture", "error", "a container's program is built for another processor", _DOWN,
             "Build the image for the nodes' architecture (docker buildx --platform), or select nodes that have it."),
        Rule("crash-permission", "error", "a container may not do what it tries", _DOWN,
             "Give the user it runs as the right to that file or port (fsGroup, a port above 1023), or change the user."),
        Rule("crash-read-only", "error", "a container writes to a read-only file system", _DOWN,
             "Mount an emptyDir at the path it writes to, or let it write where a volume is mounted."),
        Rule("crash-config", "error", "a container misses a setting that it needs to start", _DOWN,
             "Set what the log names: an environment variable, a key of a ConfigMap or Secret, a mounted file."),
        Rule("crash-certificate", "error", "a container cannot use a certificate or key", _DOWN,
             "Check that the certificate is mounted where it is looked for, is complete, and is trusted."),
        Rule("crash-port-taken", "error", "a container cannot listen: its address is in use", _DOWN,
             "Give each container of the pod a port of its own; with hostNetwork, one that is free on the node."),
        Rule("crash-migration", "error", "the database is not in the state that the program needs", _DOWN,
             "Run the migration before the new version starts (a pre-upgrade hook), and look at why it did not."),
        Rule("crash-credentials", "error", "a container ends because what it calls does not accept who it says it is", _DOWN,
             "Compare user and password (and the database they are for) with those of the other end; a server keeps those of its first start."),
        Rule("crash-disk-full", "error", "a container ends because there is no space left where it writes", _DOWN,
             "Enlarge the volume (spec.resources.requests.storage of its claim, where the class allows it), or let it keep less."),
        Rule("crash-config-invalid", "error", "a container cannot use the settings that it is given", _DOWN,
             "Correct the option, or the line of the file that the log names."),
        Rule("crash-code-missing", "error", "a program lacks a part of itself: a file, a module, a library", _DOWN,
             "Correct the path in command or args, or build the missing part into the image; a volume mounted over the folder hides what was in it."),
        Rule("crash-dependency", "error", "a container ends because something that it calls does not answer", _DOWN,
             "See that what it calls is up and can be reached (name, port, NetworkPolicy), or let it try again instead of ending."),
        Rule("crash-signal", "error", "a container's process is ended by a signal", _DOWN,
             "SIGSEGV and SIGABRT are faults of the program or its libraries; SIGKILL comes from outside: memory, or the node."),
        Rule("crash-completed", "error", "a container that should run for ever ends by itself", _DOWN,
             "Let the main process stay in the foreground, or make it a Job if its work has an end."),
        Rule("crash-hook", "error", "a container is killed because its postStart hook fails", _DOWN,
             "Correct the hook's command or path: it runs inside the container, beside the main process and perhaps before it is ready."),
        Rule("crash-mount", "error", "a volume does not fit where a container mounts it", _DOWN,
             "Mount a file over a file (subPath with the name of a key that is there: of one that is not, an empty folder is made) and a folder over a folder."),
        Rule("crash-exit", "error", "a container's process ends with an error", _DOWN,
             "The end of its log says why; run the image with the same environment to see it again."),
        Rule("probe-kills", "error", "a container is restarted by its own probe", _DOWN,
             "Give it time to start: a startupProbe with failureThreshold × periodSeconds above its slowest start."),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Word:
    """A way of saying something in a log: the rule it speaks for; groups `what` and `where` name what it is about."""

    rule: str
    pattern: re.Pattern[str]


def _word(rule: str, pattern: str) -> Word:
    return Word(rule, re.compile(pattern, re.IGNORECASE))


_ADDRESS = r"(?P<where>\[?[\w.-]+\]?:\d{2,5})"

#: Looked at from the last line of a log upwards; within a line the first that matches wins.
WORDS = (
    _word("crash-wrong-architecture", r"exec format error"),
    _word("crash-heap", r"java\.lang\.OutOfMemoryError|JavaScript heap out of memory|\bMemoryError\b|fatal error: out of memory"),
    _word("crash-read-only", r"(?:Read-only file ?system|\bEROFS\b|Errno 30)[^'\"]{0,40}['\"](?P<what>/[\w./-]+)"),
    _word("crash-read-only", r"(?:(?P<what>/[\w./-]*\w)['\"]?.{0,20})?(?:Read-only file ?system|\bEROFS\b|Errno 30)"),
    _word("crash-disk-full", r"(?:No space left on device|\bENOSPC\b|Errno 28|disk quota exceeded|could not extend file)(?:.{0,40}?[' \"](?P<what>/[\w./-]+))?"),
    _word("crash-credentials", r"password authentication failed for user \"(?P<who>[^\"]+)|Access denied for user '(?P<user>[^']+)'|role \"(?P<role>[^\"]+)\" does not exist"),
    _word("crash-credentials", r"\bAuthentication failed|authentication (?:error|failure)|invalid credentials|\bWRONGPASS\b|\bNOAUTH\b|SASL auth\w+ (?:failed|error)|ACCESS_REFUSED|Login failed for user"),
    _word("crash-permission", r"(?P<root>\"root\") execution of .{0,60}not permitted|(?:must|can(?:not|'t)|should) not (?:be )?run (?:it )?as root"),
    _word("crash-code-missing", r"Cannot find (?:module|package) ['\"](?P<what>[^'\"]+)|No module named ['\"]?(?P<module>[\w.]+)|cannot import name ['\"](?P<name>[\w.]+)"
          r"|Unable to access jarfile (?P<jar>\S+)|Could not find or load main class (?P<main>\S+)|(?:ClassNotFoundException|NoClassDefFoundError): (?P<class>\S+)"
          r"|loading shared libraries: (?P<lib>[^:\s]+)|can't open file ['\"](?P<file>[^'\"]+)|Cannot find package ['\"](?P<pkg>[^'\"]+)"),
    _word("crash-config-invalid", r"(?P<what>unknown directive \"[^\"]+\" in \S+)|(?P<bad>(?:unexpected|invalid|directive|host not found|duplicate)[^\[]{2,60} in /\S+\.conf:\d+)"),
    _word("crash-config-invalid", r"(?P<what>flag provided but not defined: \S+|(?:unknown|unrecogni[sz]ed|invalid|no such) (?:flag|option|argument|command)s?:? ?['\"]?-{0,2}[\w-]+|unexpected argument '?-{0,2}[\w-]+)"),
    _word("crash-config-invalid", r"(?P<what>yaml: (?:line \d+|unmarshal)[^\"]{0,60}|(?:error|fail\w*|unable|cannot)[\w ]{0,30}pars\w+ [^\"]{0,40}\.(?:ya?ml|json|conf|toml|ini|properties)\b)"),
    _word("crash-port-taken", r"address already in use|\bEADDRINUSE\b"),
    _word("crash-migration", r"pending migrations?|migrations? (?:has |have )?(?:failed|not been applied)|relation \"(?P<what>[\w.]+)\" does not exist"
          r"|UndefinedTable|no such table|Table '(?P<table>[\w.]+)' doesn't exist|FlywayException|liquibase.*Exception|alembic.*(?:Error|Can't locate)"),
    _word("crash-dependency", _ADDRESS + r".{0,60}(?:connection refused|ECONNREFUSED|i/o timeout|no route to host)"),
    _word("crash-dependency", r"(?:ECONNREFUSED|connect(?:ion)?(?: to)?)\s+" + _ADDRESS),
    _word("crash-dependency", r"(?:ENOTFOUND|EAI_AGAIN|lookup|could not translate host name|UnknownHostException:?)\s+\"?(?P<where>[\w.-]+)"),
    _word("crash-dependency", r"(?:no available connection|all hosts?(?:\(s\))? tried|failed to connect|cannot connect).{0,80}?" + _ADDRESS),
    _word("crash-dependency", _ADDRESS + r".{0,60}(?:no available connection|not available|unavailable)"),
    _word("crash-dependency", r"server at \"(?P<where>[\w.-]+)\".*(?:refused|timed out)"),
    _word("crash-dependency", r"connection refused|ECONNREFUSED|could not connect to server|no route to host|Name or service not known"
          r"|Temporary failure in name resolution|connection timed out|CommunicationsException|(?:database|broker|redis).{0,30}(?:not reachable|unreachable|unavailable)"),
    _word("crash-config", r"(?:must|need to) (?:specify|set|provide|define) (?:an? |the )?(?P<what>(?-i:[A-Z][A-Z0-9_]{3,}))|(?P<option>password(?: option)?) is not specified"),
    _word("crash-config", r"KeyError: ['\"](?P<what>[A-Z][A-Z0-9_]{2,})['\"]"),
    _word("crash-config", r"(?P<what>(?-i:\b[A-Z][A-Z0-9_]{2,}\b)).{0,30}(?:is not set|not set|is required|must be set|is missing|is not defined|undefined|(?:is|be) empty|not (?:specified|provided))"),
    _word("crash-config", r"(?:missing|required|undefined|unset)[\w :]{0,30}(?:environment variable|env(?:ironment)? ?var|setting|configuration|config(?: key)?)s?[: ]*['\"]?(?P<what>[\w./-]*)"),
    _word("crash-config", r"environment variable ['\"]?(?P<what>\w+)['\"]? .{0,20}(?:not|missing|required)"),
    _word("crash-certificate", r"x509:|certificate\b.{0,60}(?:has expired|is expired|verify failed|is not)|(?:no such file|not found|failed to (?:load|read)).{0,60}\.(?:pem|crt|key|p12|jks)"
          r"|(?:\.(?:pem|crt|key|p12|jks)|certificate|\bcert\b|private key).{0,60}(?:no such file|not found|missing|failed to (?:load|read)|failed)"),
    _word("crash-config", r"(?P<what>/?[\w./-]+\.(?:ya?ml|json|conf|cfg|ini|toml|properties|env|xml)).{0,40}(?:no such file|not found|does not exist|cannot open)"),
    _word("crash-config", r"(?:no such file or directory|FileNotFoundError|cannot open|cannot find).{0,40}['\" ](?P<what>/?[\w./-]+\.(?:ya?ml|json|conf|cfg|ini|toml|properties|env|xml))"),
    _word("crash-permission", r"(?:permission denied|\bEACCES\b|Errno 13|\bEPERM\b)[^'\"]{0,40}['\"](?P<what>/[\w./-]+)"),
    _word("crash-permission", r"(?:(?P<what>/[\w./-]*\w)['\"]?.{0,20})?(?:permission denied|\bEACCES\b|Errno 13|operation not permitted|\bEPERM\b)"),
    _word("crash-command-not-found", r"(?:exec|sh|bash|entrypoint[\w.]*):.{0,20}?(?P<what>[\w./-]+): (?:not found|No such file)|(?P<cmd>[\w./-]+): command not found"),
)  # fmt: skip

#: What runtimes say of a command that they could not start.
START_WORDS = (
    ("crash-mount", re.compile(r"error mounting|mount a directory onto a file|not a directory: unknown")),
    ("crash-wrong-architecture", re.compile(r"exec format error")),
    ("crash-permission", re.compile(r"permission denied|operation not permitted")),
    (
        "crash-command-not-found",
        re.compile(r"executable file not found|no command specified|no such file or directory|not found in \$PATH|exit code 127"),
    ),
    ("crash-read-only", re.compile(r"read-only file system")),
)

#: The lines of a log that are looked at, from its end.
DEPTH = 20


def of_log(lines: list[str]) -> tuple[str, str, str] | None:
    """(rule, what it is about, the line) as the end of a log tells; None when it tells nothing that is known."""
    for line in reversed(lines[-DEPTH:]):
        for word in WORDS:
            found = word.pattern.search(line)
            if found:
                about = next((group for group in found.groups() if group), "")
                if word.rule == "crash-dependency" and not about:
                    about = _called(line)
                return word.rule, about, line.strip()
        if about := _called(line):
            return "crash-dependency", about, line.strip()
    return None


def _called(line: str) -> str:
    """Whom a call that failed was for, as its line tells; "" where it tells of none."""
    call = failed(line)
    return f"{call.host}{f':{call.port}' if call.port else ''}" if call is not None and call.host else ""


def of_start(message: str) -> str:
    """The rule that a runtime's complaint about a command speaks for."""
    return next((rule for rule, pattern in START_WORDS if pattern.search(message)), "crash-exit")


def ending(code: int, reason: str, signal: int | None = None) -> str:
    """How a process ended, in words: `exit code 3`, `SIGKILL (exit code 137, OOMKilled)`."""
    called = reason if reason not in ("", "Error", "Completed") else ""
    name = SIGNALS.get(128 + signal if signal else code, "")
    if name:
        return f"{name} (exit code {code}{f', {called}' if called else ''})"
    return f"exit code {code}{f' ({called})' if called else ''}"
