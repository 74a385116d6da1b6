"""Commands in containers with their streams connected: `kubectl exec`.  A runtime without streams runs the command to its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from seatrial.twin.kubelet.runtime import ExecResult, Runtime

STDOUT, STDERR = 1, 2

#: Called with STDOUT or STDERR and what was written there.
Output = Callable[[int, bytes], None]

#: Seconds that a command may take where its output comes only at the end.
_LONGEST = 3600.0


class ExecStream(Protocol):
    """A command that runs, as whoever started it sees it."""

    def write(self, data: bytes) -> None: ...
    def close_stdin(self) -> None: ...
    def resize(self, width: int, height: int) -> None: ...
    def pause(self) -> None:
        """Read no more output until `resume`: whoever takes it cannot keep up."""
        ...

    def resume(self) -> None: ...
    def kill(self) -> None: ...


def exec_stream(
    runtime: Runtime,
    container_id: str,
    command: tuple[str, ...],
    output: Output,
    done: Callable[[ExecResult], None],
    *,
    tty: bool = False,
    stdin: bool = False,
) -> ExecStream:
    """Run a command in a container; `output` gets what it writes as it comes, `done` how it ended, once."""
    streaming = getattr(runtime, "exec_stream", None)
    if streaming is not None:
        stream: ExecStream = streaming(container_id, command, output, done, tty=tty, stdin=stdin)
        return stream

    def ended(result: ExecResult) -> None:
        if result.output:
            output(STDOUT, result.output.encode())
        done(result)

    runtime.exec(container_id, command, _LONGEST, ended)
    return _Unconnected()


class _Unconnected:
    """A command that takes no input and cannot be hurried."""

    def write(self, data: bytes) -> None: ...
    def close_stdin(self) -> None: ...
    def resize(self, width: int, height: int) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def kill(self) -> None: ...
