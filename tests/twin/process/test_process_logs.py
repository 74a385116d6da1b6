"""A container's log: the CRI's lines, its parts of long ones, its rotation, and what is kept of earlier runs."""

import asyncio
import os
import re
from pathlib import Path

import pytest

from seatrial.twin.kubelet.process.logs import MAX_LINE, LogFile, Stream, nanoseconds, rotated


def lines(path):
    return [line.split(" ", 3)[1:] for line in path.read_text().splitlines()]


@pytest.fixture
def written(tmp_path):
    """Writes chunks to a stream as a container would, and returns the lines of its log."""

    def go(*chunks):
        async def inside():
            log = LogFile(tmp_path / "0.log")
            stream = Stream(asyncio.get_running_loop(), "stdout", log)
            for chunk in chunks:
                os.write(stream.theirs, chunk)
                stream._read()
            stream.sent()
            stream.close()
            log.close()
            return lines(tmp_path / "0.log")

        return asyncio.run(inside())

    return go


def test_lines_are_put_together_from_the_pieces_they_come_in(written):
    assert written(b"on", b"e\ntw", b"o\n\nthree") == [["stdout", "F", text] for text in ("one", "two", "", "three")]


def test_a_long_line_is_cut_into_parts(written):
    entries = written(b"x" * (MAX_LINE + 10), b"y\nz\n")
    assert [(tag, len(text)) for _, tag, text in entries] == [("P", MAX_LINE), ("F", 11), ("F", 1)]


def test_what_is_not_text_is_kept(written, tmp_path):
    async def inside():
        log = LogFile(tmp_path / "1.log")
        stream = Stream(asyncio.get_running_loop(), "stdout", log)
        os.write(stream.theirs, b"\xff\x00\r\n")
        stream.sent()
        stream.close()

    asyncio.run(inside())
    assert (tmp_path / "1.log").read_bytes().endswith(b" stdout F \xff\x00\r\n")


def test_the_time_is_written_as_go_does():
    assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", nanoseconds())


def test_a_full_log_is_rotated_and_five_files_are_kept(tmp_path):
    log = LogFile(tmp_path / "0.log", max_size=100)
    for number in range(20):
        log.write(b"%03d %s\n" % (number, b"x" * 60))
    files = [*rotated(log.path), log.path]
    assert len(files) == 5
    text = "".join(path.read_text() for path in files)
    assert re.findall(r"(\d{3}) x", text) == [f"{number:03d}" for number in range(12, 20)]
    log.close()


def test_the_run_before_this_one_can_still_be_read_and_older_ones_are_gone(run):
    async def test(box):
        pod = box.pod()
        for attempt in range(3):
            await pod.run(f"echo run {attempt}", attempt=attempt)
        paths = [box.runtime.log_path(pod.uid, "main", attempt) for attempt in range(3)]
        assert paths[0] is None
        assert [Path(path).read_text().split(" ", 3)[3] for path in paths[1:]] == ["run 1\n", "run 2\n"]

    run(test)


def test_a_flood_is_logged_whole_while_others_are_served(run):
    async def test(box):
        flood = box.pod().start("sh", "-c", "yes 0123456789 | head -n 200000")
        assert (await box.pod("other-0").run("echo hello"))[1] == "hello\n"
        await flood.ended()
        assert flood.log().count("0123456789\n") == 200_000

    run(test)
