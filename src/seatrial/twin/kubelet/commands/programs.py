"""What plain programs do with their arguments: those of a shell's everyday, and those that take memory on purpose.

A program that nobody has, by a name one letter away from one that everybody has, cannot be started.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import pairwise
from math import inf

from seatrial.twin.kubelet.commands.outcome import DATE, Outcome
from seatrial.world import duration, quantity
from seatrial.world.images import is_slip


@dataclass(frozen=True, slots=True)
class Around:
    """What a program finds around it."""

    env: Mapping[str, str]
    #: Whether a file is there: None where nobody can know.
    files: Callable[[str], bool | None] = lambda _path: None
    #: The image is one that everybody knows: a program of another name is none of a team's own.
    public: bool = False


#: Programs of BusyBox, the GNU core utilities and Debian's base system that scripts of pods start; and of well-known images.
EVERYWHERE = frozenset(
    """
    adduser apk apt apt-get arch ash awk base64 basename bash bc bunzip2 busybox bzip2 cat chgrp chmod chown chroot cksum
    clear cmp comm cp crond crontab curl cut date dd deluser df diff dig dirname dmesg dnf dnsdomainname du echo egrep env
    expand expr false fgrep find fold free fsync fuser getent getopt git grep groups gunzip gzip head helm hexdump host
    hostname htop httpd id ifconfig install iostat ip ipcs iperf3 java jq kill killall kubectl less link ln logger login
    ls lsof make md5sum mkdir mkfifo mknod mktemp more mount mountpoint mpstat mv mysql mysqld nc netcat netstat nginx
    nice nl node nohup npm nproc nsenter nslookup ntpd od openssl passwd paste patch perl pgrep pidof ping ping6 pip pip3
    pkill pmap postgres printenv printf ps psql pwd python python3 rdate readlink realpath redis-cli redis-server renice
    reset rev rm rmdir route rsync ruby run-parts sed seq setpriv setsid sh sha1sum sha256sum sha512sum shred shuf sleep
    socat sort split ssh sshd stat stress stress-ng strings stty su sudo sum sync sysctl tac tail tar tee telnet telnetd
    test time timeout top touch tr traceroute true truncate tty umount uname uniq unlink unxz unzip uptime usleep uuidgen
    vi vim watch wc wget whereis which who whoami xargs xz yes yum zcat zip
    """.split()  # noqa: SIM905 - a page of words
)


def read(words: Sequence[str], around: Around) -> Outcome | None:
    """What a program does; None where that cannot be told."""
    if not words:
        return Outcome(0.0)
    name = words[0].rpartition("/")[2]
    known = _PROGRAMS.get(name)
    if known:
        return known(words[1:], around)
    if around.public and name == words[0] and is_misspelled(name):
        return Outcome(0.0, start_error=f'exec: "{name}": executable file not found in $PATH')
    return None


def is_misspelled(name: str) -> bool:
    """Whether a name is a slip of the hand away from a program that every image has: it is none of a team's own."""
    if name in EVERYWHERE or not name.isalpha() or len(name) < 3:
        return False
    return any(is_slip(name, near) for near in get_close_matches(name, EVERYWHERE, n=5, cutoff=0.7) if len(near) > 3)


# a shell's everyday


def _done(_words: Sequence[str], _around: Around) -> Outcome:
    return Outcome(0.0)


def _failed(_words: Sequence[str], _around: Around) -> Outcome:
    return Outcome(0.0, 1)


def _echo(words: Sequence[str], _around: Around) -> Outcome:
    while words and re.fullmatch(r"-[neE]+", words[0]):
        words = words[1:]
    return _printed(" ".join(words).replace("\\n", "\n").replace("\\t", "\t"))


def _printf(words: Sequence[str], _around: Around) -> Outcome | None:
    if not words:
        return Outcome(0.0, 2)
    rest = iter(words[1:])
    text = re.sub(r"%[sd]", lambda _found: next(rest, ""), words[0]).replace("\\n", "\n").replace("\\t", "\t")
    return None if re.search(r"%(?!%)", text) else _printed(text.replace("%%", "%").removesuffix("\n"))


def _printed(text: str) -> Outcome:
    return Outcome(0.0, 0, tuple((0.0, line) for line in text.split("\n")))


def _date(_words: Sequence[str], _around: Around) -> Outcome:
    return Outcome(0.0, 0, ((0.0, DATE),))


def _hostname(words: Sequence[str], around: Around) -> Outcome | None:
    return None if words or "HOSTNAME" not in around.env else _printed(around.env["HOSTNAME"])


def _sleep(words: Sequence[str], _around: Around) -> Outcome | None:
    try:
        return Outcome(sum(_seconds(word) for word in words)) if words else Outcome(0.0, 1)
    except ValueError:
        return Outcome(0.0, 1, ((0.0, f"sleep: invalid time interval '{words[0]}'"),))


def _seconds(text: str) -> float:
    if text in ("inf", "infinity"):
        return inf
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else duration.parse(text)


def _touch(words: Sequence[str], _around: Around) -> Outcome:
    return Outcome(0.0, files=tuple((0.0, word, True) for word in words if not word.startswith("-")))


def _rm(words: Sequence[str], around: Around) -> Outcome | None:
    paths = [word for word in words if not word.startswith("-")]
    if any(word.startswith("-") and "f" in word for word in words):
        return Outcome(0.0, files=tuple((0.0, path, False) for path in paths))
    there = [around.files(path) for path in paths]
    if None in there:
        return None
    said = tuple(
        (0.0, f"rm: can't remove '{path}': No such file or directory") for path, is_ in zip(paths, there, strict=True) if not is_
    )
    return Outcome(0.0, int(bool(said)), said, files=tuple((0.0, path, False) for path in paths))


def _cat(words: Sequence[str], around: Around) -> Outcome | None:
    """What is in a file is not known, and is not printed."""
    there = [around.files(path) for path in words if not path.startswith("-")]
    if None in there or not there:
        return None
    said = tuple((0.0, f"cat: {path}: No such file or directory") for path, is_ in zip(words, there, strict=False) if not is_)
    return Outcome(0.0, int(bool(said)), said)


def _tail(words: Sequence[str], _around: Around) -> Outcome | None:
    return Outcome(inf) if words[-1:] == ["/dev/null"] and any(word[:2] in ("-f", "-F") for word in words) else None


# test


def _test(words: Sequence[str], around: Around) -> Outcome | None:
    negated = words[:1] == ["!"]
    true = _holds(words[negated:], around)
    return None if true is None else Outcome(0.0, int(true == negated))


def _bracket(end: str) -> Callable[[Sequence[str], Around], Outcome | None]:
    def read_to_the_end(words: Sequence[str], around: Around) -> Outcome | None:
        if not words or words[-1] != end:
            return Outcome(0.0, 2, ((0.0, f"sh: [: missing {end}"),))
        return _test(words[:-1], around)

    return read_to_the_end


def _holds(words: Sequence[str], around: Around) -> bool | None:
    match list(words):
        case []:
            return False
        case [text]:
            return text != ""
        case ["-n", text]:
            return text != ""
        case ["-z", text]:
            return text == ""
        case ["-e" | "-f" | "-d" | "-s" | "-r", path]:
            return around.files(path)
        case [left, "=" | "==", right]:
            return fnmatchcase(left, right) if "*" in right else left == right
        case [left, "!=", right]:
            return left != right
        case [left, operator, right] if operator in _NUMBERS:
            whole = [int(text) if re.fullmatch(r"-?\d{1,18}", text) else None for text in (left, right)]
            return None if whole[0] is None or whole[1] is None else _NUMBERS[operator](whole[0], whole[1])
    return None


_NUMBERS: Mapping[str, Callable[[int, int], bool]] = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
}


# programs that take memory


def _stress(shared: bool) -> Callable[[Sequence[str], Around], Outcome | None]:
    """Workers that take memory: `stress` gives each the bytes it is told, `stress-ng` shares them out among its workers."""

    def stress(words: Sequence[str], _around: Around) -> Outcome | None:
        told = dict(pairwise(words)) | dict(word.split("=", 1) for word in words if "=" in word)
        try:
            workers = int(told.get("--vm") or told.get("-m") or 0)
            size = _bytes(told.get("--vm-bytes") or "256M")
            timeout = told.get("--timeout") or told.get("-t")
            seconds = _seconds(timeout) if timeout else inf
        except ValueError:
            return None
        return Outcome(seconds, memory=size * (workers > 0 if shared else workers))

    return stress


def _bytes(text: str) -> int:
    """`250M` as these programs mean it: binary."""
    return quantity.whole(re.sub(r"^(\d+)([KMG])B?$", r"\1\2i", text.upper()))


def _memory_eater(words: Sequence[str], _around: Around) -> Outcome | None:
    """Amounts, one on top of the other, with seconds between them: `40Mi 0 80Mi 400`."""
    sizes = [word for word in words if re.fullmatch(r"\d+[KMG]i", word)]
    return Outcome(inf, memory=sum(quantity.whole(size) for size in sizes)) if sizes else None


def _allocator(words: Sequence[str], _around: Around) -> Outcome | None:
    """`-mem-total 250Mi -mem-alloc-size 10Mi -mem-alloc-sleep 1s`, of a pod in Kubernetes' documentation."""
    told = dict(pairwise(words))
    try:
        return Outcome(inf, memory=quantity.whole(told.get("-mem-total", "0")))
    except ValueError:
        return None


_PROGRAMS: Mapping[str, Callable[[Sequence[str], Around], Outcome | None]] = {
    "true": _done, ":": _done, "mkdir": _done, "cd": _done, "umask": _done, "ulimit": _done, "chmod": _done, "sync": _done,
    "false": _failed,
    "echo": _echo, "printf": _printf, "date": _date, "hostname": _hostname,
    "sleep": _sleep, "touch": _touch, "rm": _rm, "cat": _cat, "tail": _tail,
    "test": _test, "[": _bracket("]"), "[[": _bracket("]]"),
    "stress": _stress(False), "stress-ng": _stress(True), "memory-eater": _memory_eater, "allocate-memory": _allocator,
}  # fmt: skip
