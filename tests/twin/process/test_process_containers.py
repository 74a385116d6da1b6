"""A container's life as a process: how it starts, what it sees, how it ends, and what is left of it."""

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest

from seatrial.twin.kubelet.process.composition import Relocation
from seatrial.twin.kubelet.runtime import Exit, Mount, StartError


def test_a_container_runs_and_ends_with_its_own_exit_code(run):
    async def test(box):
        pod = box.pod()
        assert await pod.run("exit 0") == (Exit(0, reason="Completed"), "")
        assert await pod.run("exit 3", attempt=1) == (Exit(3, reason="Error"), "")

    run(test)


def test_the_runtime_tells_when_the_command_itself_runs_and_when_it_never_will(run):
    async def test(box):
        container = box.pod().start("sh", "-c", "echo up; " + box.idle)
        told = asyncio.get_running_loop().create_future()
        box.runtime.when_running(container.id, told.set_result)
        assert not told.done()
        await told
        assert box.running("sh -c echo up; " + box.idle)
        missing = box.pod().start("/bin/no-such-command")
        told = asyncio.get_running_loop().create_future()
        box.runtime.when_running(missing.id, told.set_result)
        await told
        assert missing.id not in box.runtime._containers
        box.runtime.when_running(missing.id, (at_once := []).append)
        assert at_once == [None]

    run(test)


def test_output_is_logged_as_the_cri_writes_it(run):
    async def test(box):
        container = box.pod().start("sh", "-c", "echo one; echo two >&2; printf three")
        await container.ended()
        lines = [line.split(" ", 3)[1:] for line in container.log().splitlines()]
        assert sorted(lines) == [["stderr", "F", "two"], ["stdout", "F", "one"], ["stdout", "F", "three"]]

    run(test)


def test_a_signal_reaches_the_process_and_an_unhandled_kill_ends_it(run):
    async def test(box):
        pod = box.pod()
        polite = pod.start("sh", "-c", "trap 'echo bye; exit 7' TERM; echo up; " + box.idle, name="polite")
        await polite.says("up")
        polite.signal(signal.SIGTERM)
        assert (await polite.ended()).code == 7
        assert polite.output() == "up\nbye\n"
        stubborn = pod.start("sh", "-c", "trap '' TERM; echo up; " + box.idle, name="stubborn")
        await stubborn.says("up")
        stubborn.signal(signal.SIGTERM)
        stubborn.signal(signal.SIGKILL)
        assert await stubborn.ended() == Exit(137, signal=9, reason="Error")

    run(test)


def test_everything_a_container_started_ends_with_it(run):
    async def test(box):
        container = box.pod().start("sh", "-c", "(setsid sh -c 'sleep 1000 & sleep 1000' &) ; echo started; read x")
        assert (await container.ended()).code == 1
        await box.empty()

    run(test)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["no-such-program"], 'exec: "no-such-program": executable file not found in $PATH'),
        (["/no/such/program"], 'exec: "/no/such/program": stat /no/such/program: no such file or directory'),
        (["/etc/passwd"], 'exec: "/etc/passwd": permission denied'),
    ],
)
def test_a_command_that_cannot_be_started_says_so_as_containerd_does(run, command, words):
    async def test(box):
        exit_ = await box.pod().start(*command).ended()
        assert (exit_.code, exit_.reason) == (128, "StartError")
        assert exit_.message.startswith("failed to create containerd task: ")
        assert exit_.message.endswith(words)

    run(test)


def test_variables_are_those_of_the_spec_and_nothing_of_seatrials_own_leaks(run, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_DEVELOPER", "x")

    async def test(box):
        _, output = await box.pod().run("env", env={"COLOUR": "blue"})
        names = {line.partition("=")[0] for line in output.splitlines()}
        assert "COLOUR=blue\n" in output
        assert names <= {
            "COLOUR",
            "HOME",
            "HOSTNAME",
            "PATH",
            "PWD",
            "SHLVL",
            "SEATRIAL_POD_IP",
            "SEATRIAL_ROOT",
            "SEATRIAL_SOCKETS",
            "OLDPWD",
            "_",
        }

    run(test)


def test_an_isolated_container_is_the_first_process_with_a_name_a_user_and_a_root_of_its_own(run_isolated):
    async def test(box):
        script = "echo $$; hostname; id -u; id -g; ls -A /run; set -- /proc/[0-9]*; echo $#; echo x > /etc/made && cat /etc/made"
        _, output = await box.pod("web-0").run(script, run_as_user=1234, run_as_group=55)
        first, host, user, group, *rest = output.split()
        assert (first, host, user, group) == ("1", "web-0", "1234", "55")
        assert rest == ["1", "x"]  # the shell alone
        assert not os.path.exists("/etc/made")  # noqa: PTH110

    run_isolated(test)


def test_an_isolated_container_has_no_capability_and_cannot_touch_the_machine(run_isolated):
    async def test(box):
        script = "grep CapEff /proc/self/status; echo 1 > /proc/sys/kernel/domainname; mount -t tmpfs x /tmp; ls /dev"
        _, output = await box.pod().run(script)
        assert "CapEff:\t0000000000000000" in output
        assert "domainname" in output
        assert "denied" in output
        assert "vda" not in output

    run_isolated(test)


def test_a_read_only_root_leaves_volumes_writable(run_isolated):
    async def test(box):
        pod = box.pod()
        pod.mount("/scratch", "empty")
        script = "echo x > /scratch/x && echo kept; for d in / /etc /tmp /usr /var/lib; do echo x > $d/x; done; echo > /dev/null"
        _, output = await pod.run(script, read_only_root=True)
        assert output.count("Read-only file system") == 5
        assert "kept" in output

    run_isolated(test)


def test_volumes_are_at_their_mount_paths(run):
    async def test(box):
        pod = box.pod()
        pod.mount("/etc/app", files={"app.yaml": "a: 1\n", "extra": "e"})
        pod.mount("/data", "empty")
        script = "cat $SEATRIAL_ROOT/etc/app/app.yaml; echo made > $SEATRIAL_ROOT/data/file"
        assert await pod.run(script) == (Exit(0, reason="Completed"), "a: 1\n")
        assert (await pod.run("cat $SEATRIAL_ROOT/data/file", attempt=1))[1] == "made\n"

    run(test)


def test_a_changed_volume_of_files_changes_in_the_running_container(run):
    async def test(box):
        pod = box.pod()
        name = pod.mount("/etc/app", files={"colour": "red", "gone": "x"})
        container = pod.start("sh", "-c", "echo up; " + box.idle)
        await container.says("up")
        root = "" if box.isolation == "auto" else "$SEATRIAL_ROOT"
        pod.remount(name, {"colour": "blue", "new": "y"})
        result = await container.exec("sh", "-c", f"cat {root}/etc/app/colour; ls {root}/etc/app")
        assert result.output == "bluecolour\nnew\n"

    run(test)


def test_a_sub_path_and_a_single_file_are_mounted_and_files_are_read_only(run_isolated):
    async def test(box):
        pod = box.pod()
        pod.mount("/etc/app/one.conf", files={"one.conf": "1\n", "two.conf": "2\n"}, sub_path="one.conf")
        pod.mount("/var/data", "claim", claim="shop/data-0", sub_path="pg/main")
        _, output = await pod.run(
            "exec 2>&1; cat /etc/app/one.conf; ls /etc/app; echo x > /etc/app/one.conf; echo kept > /var/data/f; ls /var/data"
        )
        refused = "sh: [^\n]*/etc/app/one.conf: Read-only file system"
        assert re.fullmatch(rf"1\none.conf\n{refused}\nf\n", output), output
        assert (box.root / "claims/shop/data-0/pg/main/f").read_text() == "kept\n"

    run_isolated(test)


def test_a_volume_that_was_never_mounted_is_a_start_error(run):
    async def test(box):
        with pytest.raises(StartError, match='volume "missing"'):
            box.pod().start("true", mounts=(Mount("missing", "/x"),))

    run(test)


def test_the_termination_message_is_read(run_isolated):
    async def test(box):
        exit_, _ = await box.pod().run("echo the disk is full > /dev/termination-log; exit 1")
        assert exit_ == Exit(1, reason="Error", message="the disk is full\n")

    run_isolated(test)


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("/data", "/tree/data"),
        ("--dir=/data/x", "--dir=/tree/data/x"),
        ("cat /etc/app/a.yaml > /data/out", "cat /tree/etc/app/a.yaml > /tree/data/out"),
        ("/etc/app.d /database /my/data $HOME/data ${HOME}/data ./data", None),
        ("/etc/app/../app", "/tree/etc/app/../app"),
    ],
)
def test_a_plain_process_is_told_where_its_mounts_are(text, moved):
    assert Relocation(Path("/tree"), ["/data", "/etc/app", "/"])(text) == (moved or text)


def test_words_and_variables_lead_a_plain_process_to_its_volumes(run):
    async def test(box):
        pod = box.pod()
        pod.mount("/etc/app", files={"colour": "red"})
        container = pod.start("sh", "-c", f"cat /etc/app/colour $FILE; echo; {box.idle}", env={"FILE": "/etc/app/colour"})
        await container.says("redred")
        assert (await container.exec("cat", "/etc/app/colour")).output == "red"

    run(test)
