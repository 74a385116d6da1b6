"""What a command does, told from its words: scripts followed on a clock of their own, plain programs, well-known images."""

from math import inf

import pytest

from seatrial.twin.kubelet.commands import reading, walk
from seatrial.twin.kubelet.commands.outcome import DATE, Outcome
from seatrial.twin.kubelet.commands.programs import Around, is_misspelled

MI = 1 << 20
GI = 1 << 30


def read(words, env=None, public=False):
    return walk.read(words, Around(env or {}, lambda path: None, public))


def sh(script, **env):
    outcome = read(["sh", "-c", script], env)
    return outcome and (outcome.seconds, outcome.code, [line for _, line in outcome.lines])


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        (["sleep", "30"], Outcome(30)),
        (["/bin/sleep", "1m"], Outcome(60)),
        (["sleep", "infinity"], Outcome(inf)),
        (["tail", "-f", "/dev/null"], Outcome(inf)),
        (["true"], Outcome(0)),
        (["false"], Outcome(0, 1)),
        (["echo", "a", "b"], Outcome(0, 0, ((0, "a b"),))),
        (["date"], Outcome(0, 0, ((0, DATE),))),
        (["sh", "-c", "echo start\nsleep 5\necho done\nexit 4"], Outcome(5, 4, ((0, "start"), (5, "done")))),
        (["nginx", "-g", "daemon off;"], None),
        ([], Outcome(0)),
        (["stress", "--vm", "2", "--vm-bytes", "250M"], Outcome(inf, memory=500 * MI)),
        (["stress-ng", "--vm-bytes", "2G", "--vm-keep", "--vm", "4"], Outcome(inf, memory=2 * GI)),
        (["stress-ng", "--vm=1", "--vm-bytes=64m", "-t", "30s"], Outcome(30, memory=64 * MI)),
        (["stress-ng", "--cpu", "2"], Outcome(inf)),
        (["stress-ng", "--vm", "1", "--vm-bytes", "80%"], None),
    ],
)
def test_what_a_plain_command_does_is_known(words, outcome):
    assert read(words) == outcome


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("exit 3", (0, 3, [])),
        ("echo hello; echo world", (0, 0, ["hello", "world"])),
        ("sleep 2 && false", (2, 1, [])),
        ("false || echo saved", (0, 0, ["saved"])),
        ("! true", (0, 1, [])),
        ("echo 'a (b); c' \"d $X\"; exit 1", (0, 1, ["a (b); c d y"])),
        ('if [ -z "$NONE" ]; then echo unset; else echo set; fi', (0, 0, ["unset"])),
        ("if [[ -z $X ]]; then exit 1; elif [[ $X == y* ]]; then exit 2; fi", (0, 2, [])),
        ("for i in 1 2 3; do echo $i; sleep 1; done", (3, 0, ["1", "2", "3"])),
        ("i=0; while [ $i -lt 3 ]; do i=$((i+1)); sleep 10; done; exit $i", (30, 3, [])),
        ("until false; do break; done; echo out", (0, 0, ["out"])),
        ("set -e; false; echo never", (0, 1, [])),
        ("set -e; false || true; if false; then :; fi; echo here", (0, 0, ["here"])),
        ("(exit 4); echo $?", (0, 0, ["4"])),
        ("echo ${NONE:-default} ${X:-other}", (0, 0, ["default y"])),
        (": ${NONE:?must be set}; echo never", (0, 2, ["sh: NONE: must be set"])),
        ('echo $(echo inner) > /dev/null; echo "$(echo deep; echo er)"', (0, 0, ["deep", "er"])),
        ("echo to the log >&2", (0, 0, ["to the log"])),
        ("# a comment\n\nexec sleep 5\necho never", (5, 0, [])),
        ("printf '%s is %d\\n' a 3", (0, 0, ["a is 3"])),
        ("test -f /tmp/x || touch /tmp/x; [ -f /tmp/x ] && echo there", None),
        (
            "touch /tmp/x; [ -f /tmp/x ] && echo there; rm /tmp/x; cat /tmp/x",
            (0, 1, ["there", "cat: /tmp/x: No such file or directory"]),
        ),
        ("while true; do sleep 10; done", (inf, 0, [])),
    ],
)
def test_a_script_is_followed_to_its_end(script, told):
    assert sh(script, X="y") == told


@pytest.mark.parametrize(
    "script",
    [
        "trap 'exit 0' TERM; sleep 5",
        "cat /x | grep y",
        "echo 'open",
        "server & sleep 5",
        "my-program; exit 1",
        "while true; do sleep 10; done; fi",
        "case $X in a) exit 1;; esac",
        "cat <<END\nx\nEND",
        "echo `date`",
        "ls *.txt; exit 1",
        "echo $PATH; exit 1",
        "f() { exit 1; }; f",
    ],
)
def test_a_script_that_is_not_wholly_understood_is_not_guessed_at(script):
    assert sh(script) is None


def test_a_loop_for_ever_prints_its_lines_when_it_prints_them():
    outcome = read(["sh", "-c", "while true; do echo tick; sleep 10; done"])
    assert outcome.seconds == inf
    assert [when for when, _ in outcome.lines[:3]] == [0, 10, 20]
    assert len(outcome.lines) == walk.LINES


def test_a_loop_without_a_pause_takes_a_core():
    assert read(["sh", "-c", "while :; do :; done"]).cpu == 1
    assert read(["sh", "-c", "while :; do sleep 1; done"]).cpu == 0


@pytest.mark.parametrize(
    ("name", "wrong"), [("wge", True), ("slepe", True), ("nginxx", True), ("wget", False), ("server", False), ("app", False)]
)
def test_a_slip_of_the_hand_is_told_from_a_program_of_its_own(name, wrong):
    assert is_misspelled(name) is wrong


def test_only_in_an_image_that_everybody_knows_a_program_is_missing():
    assert (
        reading.outcome("busybox:1.28", ["wge", "-O", "/x"], [], {}).start_error
        == 'exec: "wge": executable file not found in $PATH'
    )
    assert reading.outcome("registry.example/tools:1", ["wge", "-O", "/x"], [], {}) is None
    script = reading.outcome("busybox", ["sh", "-c", "wge -q x; exit 0"], [], {})
    assert script == Outcome(0, 0, ((0, "sh: wge: not found"),))


@pytest.mark.parametrize(
    ("image", "args", "env", "told"),
    [
        ("busybox:1.36", [], {}, (0, 0)),
        ("docker.io/library/ubuntu@sha256:" + "0" * 64, [], {}, (0, 0)),
        ("busybox", ["sleep", "5"], {}, (5, 0)),
        ("postgres:16", [], {}, (0.5, 1)),
        ("postgres:16", [], {"POSTGRES_PASSWORD": "x"}, None),
        ("mysql:8", [], {"MYSQL_ALLOW_EMPTY_PASSWORD": "yes"}, None),
        ("mariadb", [], {}, (0.5, 1)),
        ("nginx", [], {}, None),
        ("ghcr.io/acme/busybox:1", [], {}, None),
    ],
)
def test_an_image_that_is_told_nothing_does_what_everybody_has_seen_it_do(image, args, env, told):
    outcome = reading.outcome(image, [], args, env)
    assert (outcome and (outcome.seconds, outcome.code)) == told


def test_an_image_that_is_one_program_takes_what_its_args_say():
    assert reading.outcome("example.com/memory-eater:1.0", [], ["40Mi", "0", "80Mi", "400"], {}).memory == 120 * MI
    assert reading.outcome("polinux/stress", [], ["--vm", "1", "--vm-bytes", "150M"], {}).memory == 150 * MI
    assert reading.outcome("vish/stress", [], ["-mem-total", "250Mi", "-mem-alloc-size", "10Mi"], {}).memory == 250 * MI
    assert reading.outcome("registry.k8s.io/e2e-test-images/agnhost:2.40", [], ["liveness"], {}).sick_after == 10


def test_a_probe_finds_the_files_that_the_script_has_made_by_then():
    main = reading.outcome("busybox", ["sh", "-c", "touch /tmp/healthy; sleep 30; rm -f /tmp/healthy; sleep 600"], [], {})

    def code(seconds, path="/tmp/healthy", mounts=()):
        outcome = reading.asked(["cat", path], {}, main, seconds, mounts)
        return outcome and outcome.code

    assert [code(0), code(29), code(30), code(100)] == [0, 0, 1, 1]
    assert code(5, "/tmp/other") == 1
    assert code(5, "/etc/passwd") is None
    assert code(5, "/tmp/shared/x", ["/tmp/shared"]) is None
