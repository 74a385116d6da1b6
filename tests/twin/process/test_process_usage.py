"""What containers use, and what happens to those that use too much."""

import os
import subprocess
import sys
from pathlib import Path

import seatrial
from seatrial.twin.kubelet.process import capability
from seatrial.twin.kubelet.process.capability import Capability, from_probe, why_not
from seatrial.twin.kubelet.process.shim import procs
from seatrial.twin.kubelet.runtime import Exit

MIB = 1 << 20
HOLD = "import sys; held = bytearray(b'x' * ({} << 20)); print('up', flush=True); sys.stdin.read(); import signal; signal.pause()"


def test_the_memory_of_a_container_is_that_of_its_processes(run):
    async def test(box):
        container = box.pod().start("python3", "-c", HOLD.format(64))
        await container.says("up")
        await box.until(lambda: container.pid)
        usage = box.runtime.usage(container.id)
        assert 64 * MIB < usage.memory < 90 * MIB
        container.signal(9)
        await container.ended()
        assert box.runtime.usage(container.id) is None

    run(test)


def test_the_cpu_of_a_container_counts_what_its_ended_processes_used(run):
    async def test(box):
        burn = "python3 -c 'import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass'"
        container = box.pod().start("sh", "-c", f"{burn}; {burn}; echo up; {box.idle}")
        await container.says("up")
        await box.until(lambda: container.pid)
        assert box.runtime.usage(container.id).cpu > 0.03  # of a busy machine; the shell alone takes a tenth of it

    run(test)


def test_a_container_that_holds_more_than_its_limit_is_killed(run):
    async def test(box):
        modest, greedy = box.pod("modest-0"), box.pod("greedy-0")
        inside = modest.start("python3", "-c", HOLD.format(16), memory_limit=128 * MIB)
        over = greedy.start("sh", "-c", f'python3 -c "{HOLD.format(160)}"', memory_limit=128 * MIB)
        assert await over.ended() == Exit(137, signal=9, reason="OOMKilled")
        assert box.runtime.usage(inside.id) is not None

    run(test)


def test_processes_of_this_machine_are_seen():
    seen = procs.snapshot()
    own = seen[os.getpid()]
    assert own.parent == os.getppid()
    assert os.getpid() in procs.descendants([os.getppid()], seen)
    assert procs.memory([os.getpid()]) > 5 * MIB
    assert abs(procs.memory_exact([os.getpid()]) - procs.memory([os.getpid()])) < 64 * MIB
    assert procs.read(2**22 + 1) is None
    assert procs.memory([2**22 + 1]) == 0


def test_the_shim_needs_the_standard_library_alone_and_little_of_it():
    house = str(Path(seatrial.__file__).parent.parent)
    code = (
        f"import sys; sys.path.append({house!r}); import seatrial.twin.kubelet.process.shim.server; print(*sorted(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"asyncio", "subprocess", "pathlib", "logging", "shutil", "orjson", "psutil", "uvloop"}
    assert not heavy & set(loaded)
    ours = {name for name in loaded if name.startswith("seatrial.")}
    assert all(name.startswith("seatrial.twin.kubelet.process.shim") or not name.count(".") > 3 for name in ours), ours


def test_what_a_machine_permits_is_said_in_words():
    fine = {"status": 0, "error": ""}
    untranslated = {"status": 9 << 8, "error": ""}
    assert from_probe(fine) == Capability(True)
    assert from_probe(fine, "because").words.endswith("under $SEATRIAL_ROOT: because")
    assert from_probe(untranslated) == Capability(True, addresses=False)
    assert "$POD_IP" in from_probe(untranslated).words
    assert from_probe({"status": 1 << 8, "error": "no"}) is None


def test_why_there_are_no_namespaces_is_told_with_what_would_permit_them(monkeypatch, tmp_path):
    refused = {"status": 1 << 8, "error": "x: unable to start container process: cannot make namespaces: Operation not permitted"}
    monkeypatch.setattr(capability, "ENGINES", ())
    monkeypatch.setattr(capability, "SETTINGS", ())
    assert why_not(refused) == "cannot make namespaces: Operation not permitted"
    setting = tmp_path / "setting"
    setting.write_text("1\n")
    monkeypatch.setattr(capability, "SETTINGS", ((str(setting), "1", "AppArmor restricts them"),))
    assert why_not(refused) == "AppArmor restricts them"
