"""Commands in running containers: probes and hooks, and the streams of `kubectl exec`."""

import asyncio

import pytest

from seatrial.twin.kubelet.process.execution import STDERR, STDOUT


async def idle(box, **spec):
    container = box.pod().start("sh", "-c", "echo up; " + box.idle, **spec)
    await container.says("up")
    return container


def test_a_command_runs_as_the_container_does(run):
    async def test(box):
        container = await idle(box, env={"COLOUR": "blue"}, working_dir="/srv/here")
        result = await container.exec("sh", "-c", "echo $COLOUR; pwd; echo oops >&2; exit 4")
        assert (result.code, result.timed_out) == (4, False)
        assert result.output.splitlines()[0] == "blue"
        assert result.output.splitlines()[1].endswith("/srv/here")
        assert "oops" in result.output

    run(test)


def test_a_command_is_in_the_containers_namespaces(run_isolated):
    async def test(box):
        container = await idle(box, run_as_user=1234, read_only_root=True)
        result = await container.exec(
            "sh", "-c", "id -u; hostname; grep CapEff /proc/self/status; readlink /proc/self; touch /etc/x"
        )
        user, host, capabilities, pid, refused = result.output.splitlines()
        assert (user, host, capabilities.split()[1]) == ("1234", "web-0", "0" * 16)
        assert 1 < int(pid) < 20
        assert "Read-only file system" in refused

    run_isolated(test)


def test_output_is_kept_up_to_ten_kibibytes(run):
    async def test(box):
        container = await idle(box)
        result = await container.exec("sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; exit 1")
        assert (result.code, len(result.output)) == (1, 10240)

    run(test)


def test_a_command_that_takes_too_long_is_killed_with_what_it_started(run):
    async def test(box):
        container = await idle(box)
        result = await container.exec("sh", "-c", "echo begun; sleep 1000 & sleep 1000", timeout=0.2)
        assert (result.timed_out, result.output) == (True, "begun\n")
        await box.until(lambda: not box.runtime._executions)
        _its_own, *others = box.running("sleep 1000")
        for pid in others:
            await box.process_ends(pid)

    run(test)


def test_a_command_that_is_not_there_says_so(run):
    async def test(box):
        result = await (await idle(box)).exec("no-such-program")
        assert result.code == 127
        assert result.output.endswith('exec: "no-such-program": executable file not found in $PATH')

    run(test)


def test_a_command_may_be_asked_for_before_the_container_runs(run):
    async def test(box):
        container = box.pod().start("sh", "-c", box.idle)
        assert (await container.exec("echo", "hello")).output == "hello\n"
        failing = box.pod().start("no-such-program")
        assert (await failing.exec("echo", "hello")).output == "container not running"

    run(test)


def test_a_container_that_does_not_run_takes_no_commands(run):
    async def test(box):
        container = box.pod().start("true")
        await container.ended()
        result = await container.exec("true")
        assert (result.code, result.output) == (1, "container not running")

    run(test)


class Streams:
    """What a command that is connected to somebody wrote, and how it ended."""

    def __init__(self, container, *command, **options):
        self.out = {STDOUT: b"", STDERR: b""}
        self._changed = asyncio.Event()
        self.done = asyncio.get_running_loop().create_future()
        self.stream = container.runtime.exec_stream(container.id, command, self._take, self.done.set_result, **options)

    def _take(self, channel, data):
        self.out[channel] += data
        self._changed.set()

    async def says(self, text):
        while text not in self.out[STDOUT]:
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), 30)


def test_streams_are_connected_and_apart(run):
    async def test(box):
        streams = Streams(await idle(box), "sh", "-c", "while read x; do echo got $x; done; echo end >&2; exit 3", stdin=True)
        streams.stream.write(b"one\n")
        await streams.says(b"got one\n")
        streams.stream.write(b"two\n")
        streams.stream.close_stdin()
        assert (await streams.done).code == 3
        assert streams.out == {STDOUT: b"got one\ngot two\n", STDERR: b"end\n"}

    run(test)


def test_much_input_and_output_goes_through(run):
    async def test(box):
        streams = Streams(await idle(box), "cat", stdin=True)
        streams.stream.write(b"x" * 1_000_000)
        streams.stream.close_stdin()
        assert (await streams.done).code == 0
        assert len(streams.out[STDOUT]) == 1_000_000

    run(test)


def test_output_waits_for_whoever_cannot_keep_up(run):
    async def test(box):
        streams = Streams(await idle(box), "sh", "-c", "yes | head -c 500000")
        streams.stream.pause()
        await (await idle_other(box)).exec("true")  # something else goes on meanwhile
        assert streams.out[STDOUT] == b""
        streams.stream.resume()
        await streams.done
        assert len(streams.out[STDOUT]) == 500_000

    run(test)


async def idle_other(box):
    container = box.pod("other-0").start("sh", "-c", "echo up; " + box.idle)
    await container.says("up")
    return container


def test_a_terminal_is_one(run):
    async def test(box):
        streams = Streams(
            await idle(box), "sh", "-c", "test -t 0 && echo ready; read x; stty size; echo said $x", tty=True, stdin=True
        )
        await streams.says(b"ready")
        streams.stream.resize(132, 43)
        streams.stream.write(b"hello\n")
        assert (await streams.done).code == 0
        written = streams.out[STDOUT].replace(b"\r", b"").decode()
        assert "43 132\nsaid hello\n" in written

    run(test)


def test_what_runs_in_a_container_ends_with_it(run):
    async def test(box):
        container = await idle(box)
        streams = Streams(container, "sh", "-c", "echo up; sleep 1000")
        await streams.says(b"up")
        container.signal(9)
        await container.ended()
        assert (await asyncio.wait_for(streams.done, 30)).code == 137
        await box.empty()

    run(test)


@pytest.mark.parametrize("tty", [False, True])
def test_a_connected_command_can_be_ended(run, tty):
    async def test(box):
        streams = Streams(await idle(box), "sh", "-c", "echo up; sleep 1000", tty=tty)
        await streams.says(b"up")
        streams.stream.kill()
        assert (await asyncio.wait_for(streams.done, 30)).code in (129, 137)

    run(test)
