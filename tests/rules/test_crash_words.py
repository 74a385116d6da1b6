"""What the end of a log says of a crash: the rule that it speaks for, and what it is about."""

import pytest

from seatrial.rules.alive.crash_words import of_log

READ_ONLY, PERMISSION = "crash-read-only", "crash-permission"


@pytest.mark.parametrize(
    ("line", "rule", "about"),
    [
        ("OSError: [Errno 30] Read-only file system: '/tmp/uploads'", READ_ONLY, "/tmp/uploads"),
        ("Error: EROFS: read-only file system, mkdir '/app/.cache'", READ_ONLY, "/app/.cache"),
        ("open /var/run/x.pid: read-only file system", READ_ONLY, "/var/run/x.pid"),
        ('nginx: [emerg] mkdir() "/var/cache/nginx" failed (30: Read-only file system)', READ_ONLY, "/var/cache/nginx"),
        ("mkdir: can't create directory '/data/x': Read-only file system", READ_ONLY, "/data/x"),
        ("Read-only file system", READ_ONLY, ""),
        ("PermissionError: [Errno 13] Permission denied: '/data/uploads'", PERMISSION, "/data/uploads"),
        ("Error: EACCES: permission denied, open '/data/db.json'", PERMISSION, "/data/db.json"),
        ("sh: /app/run.sh: Permission denied", PERMISSION, "/app/run.sh"),
        ("nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)", PERMISSION, ""),
    ],
)
def test_a_log_says_which_path_is_in_the_way(line, rule, about):
    assert of_log(["INFO starting", line]) == (rule, about, line)
