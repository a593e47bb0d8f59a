"""The process runtime: the provider's server as a background process of its own session, on 127.0.0.1."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from theoryctl.errors import NotRunning, StartFailed
from theoryctl.hints import Hint, again
from theoryctl.instances import connection, pids, records
from theoryctl.instances.instance import Instance
from theoryctl.instances.key import RecordKey
from theoryctl.instances.last_words import last_words, own_refusal
from theoryctl.instances.log_files import forget_log, log_lines, log_paths, opened_anew
from theoryctl.instances.restart import stop_and_start
from theoryctl.paths import FOLDER_VARIABLES, private_folder
from theoryctl.platforms import host_platform
from theoryctl.refs import ProviderRef
from theoryctl.runtimes.base import AtEnd, StartedRuntime, State, running_state, unread
from theoryctl.runtimes.process.servers import COMMAND, LOG_FLAG, end_started, marked, servers, started_by
from theoryctl_providers.contract import (
    LIMITS_VARIABLE,
    SERVES_VARIABLE,
    TOKEN_VARIABLE,
    ProviderError,
    ServerConfig,
    is_secret,
    secret_names,
    served_modes,
)

if TYPE_CHECKING:
    import psutil

    from theoryctl.instances.session import InstanceSession
    from theoryctl.runtimes.start_request import StartRequest

#: Seconds for a server to drain and exit before it is killed.
STOP_SECONDS = 12.0


class ProcessRuntime(StartedRuntime):
    """Runs a provider as a background process: without Docker, and with LiteLLM kept loaded."""

    name = "process"
    has_image = False

    def must_answer(self, ref: ProviderRef, otherwise: Hint | None = None) -> None:
        """A process can be started anywhere."""

    @contextmanager
    def starting(self, request: StartRequest, make_room: Callable[[], None]) -> Iterator[Instance]:
        """Start a server for a block. Raises StartFailed; nothing is left then, nor on Ctrl-C."""
        from theoryctl.manifests.code import code_digest  # which a stop does not need

        make_room()
        log = self._log(request.key)
        code = code_digest(request.image.code)  # before it is imported: what changes meanwhile counts as changed
        reader, writer = os.pipe()
        process = _spawn(log, writer, request)
        os.close(writer)
        starting = None
        try:
            where: dict[str, Any] = {"pid": process.pid, "pid_started": pids.birth(process.pid), "log": str(log)}
            where |= {"platform": host_platform(), "code": code}
            starting = request.instance(url="", **where)
            if records.instance_at(request.key) is None:
                # Recorded before it is ready: should this command be killed now, `status` and `stop` find the process.
                records.save(starting)
            _tell(process, request.server)
            port = _await_port(reader, starting, request.wait_seconds)
            yield request.instance(url=f"http://127.0.0.1:{port}", **where)
            process.returncode = 0  # it outlives this process; Popen would warn that nobody waits for it
        except BaseException as error:
            status = _given_up(process, starting)
            if isinstance(error, _NotReady):
                raise _failed(log, request, error, status) from None
            raise
        finally:
            os.close(reader)

    def _log(self, key: RecordKey) -> Path:
        """Make room for the log of a server that is to start, beside that of the one that is recorded still."""
        taken = _log_name(records.instance_at(key))
        one, other = log_paths(key.file)
        if taken == one.name:
            return other
        if taken != other.name:
            forget_log(str(other))
        private_folder(one.parent)
        return one

    def differs(self, instance: Instance, request: StartRequest) -> None:
        """Accept every request: a process runs no image that could be another."""

    def there(self) -> list[Instance]:
        """Servers of this state folder: their environment says which each of them is."""
        return list(servers())

    def stop(self, instance: Instance, at_end: AtEnd = unread) -> bool:
        """Stop an instance. Raises ProviderError `ERR_TIMEOUT` for a process that cannot be ended; its record stays."""
        started = _started_by(instance)
        was_running = _signalled(instance, signal.SIGTERM)
        if was_running and not _ends(instance, STOP_SECONDS):
            started |= _started_by(instance)
            _signalled(instance, signal.SIGKILL)
            if not _ends(instance, STOP_SECONDS):
                message = f"the process {instance.pid} of {instance.ref} does not end, even killed"
                raise ProviderError("ERR_TIMEOUT", message, hint=f"ps -o pid,stat,wchan {instance.pid}")
        end_started(instance, started)
        at_end(self.log_lines(instance, follow=False))
        records.forget(instance)
        successor = _log_name(records.instance_at(instance.key))
        if instance.log and successor not in (None, Path(instance.log).name):
            forget_log(instance.log)
        return was_running

    def state(self, instance: Instance) -> State:
        import psutil

        try:
            process = _process(instance)
            if process is None:
                return State("dead", healthy=False)
            with process.oneshot():
                cpu, memory = process.cpu_percent(0.05), process.memory_info().rss
        except psutil.NoSuchProcess:  # it ended meanwhile
            return State("dead", healthy=False)
        health = connection.health(instance, self.listens) if instance.url else None
        if not pids.lives(instance.pid, instance.pid_started):  # a zombie can be measured as well
            return State("dead", healthy=False)
        return running_state(health, cpu_percent=cpu, memory_bytes=memory)

    def holds(self, instance: Instance, port: int) -> bool:
        import psutil

        with suppress(psutil.Error):  # it ended meanwhile
            if process := _process(instance):
                found = process.net_connections("tcp")
                return port in {each.laddr.port for each in found if each.status == psutil.CONN_LISTEN}
        return False

    def listens(self, instance: Instance) -> bool:
        port = urlsplit(instance.url).port
        return port is not None and self.holds(instance, port)

    def log_lines(self, instance: Instance, follow: bool, *, unfinished: bool = True) -> Generator[str]:
        def goes_on() -> bool:
            return follow and pids.lives(instance.pid, instance.pid_started)

        try:
            yield from log_lines(instance.log or "", goes_on, unfinished=unfinished)
        except OSError as error:
            message = f"the log of {instance.ref} ({instance.where}), {instance.log}: {error.strerror}"
            raise NotRunning(message, hint=stop_and_start(instance)) from None

    def open(self, instance: Instance, restart: str) -> InstanceSession:
        from theoryctl.runtimes.process.session import ProcessSession, explained

        if not pids.lives(instance.pid, instance.pid_started):
            raise explained(instance, connection.dead(instance, restart))
        return ProcessSession(instance, restart, self.listens)


def _log_name(recorded: Instance | None) -> str | None:
    """The name of its log, whatever path leads to the folder."""
    return Path(recorded.log).name if recorded and recorded.log else None


#: Reads the logs of servers into the ledger, before older ones are overwritten.
READER = [sys.executable, "-m", "theoryctl", "runs", "path"]


class _NotReady(Exception):
    """The reason, with `{status}` where the server's is to stand."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def _spawn(log: Path, ready: int, request: StartRequest) -> subprocess.Popen[bytes]:
    command = [sys.executable, *COMMAND, "--port", str(request.port), "--ready-fd", str(ready), LOG_FLAG, str(log)]
    if not request.server.provider.mock_only:
        command += ["--log-taken", json.dumps(READER)]
    with open(opened_anew(str(log)), "wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=[ready],
            start_new_session=True,
            env={**_environment(request.server, request.image.code), **marked(log)},
            cwd="/",
        )


def _environment(config: ServerConfig, code: tuple[str, ...]) -> dict[str, str]:
    """This process's environment without any secret, which the server gets on its standard input, and without what
    leads to another instance. `code` is where it imports its provider's package from. Its working folder is another, so
    that paths in it are absolute."""
    from theoryctl.secrets import own_environment  # which a stop does not need

    names = set(secret_names(config.provider.secret_rules))
    values = {value for name, value in config.provider.secrets.items() if is_secret(name, value)}
    # What this server serves is for its own start to say; a process has no limits.
    # With a token there, one whose start was killed before it was told anything would stay, and serve mocks.
    names |= {SERVES_VARIABLE, LIMITS_VARIABLE, TOKEN_VARIABLE}
    kept = {key: value for key, value in own_environment().items() if key not in names and value not in values}
    kept |= served_modes(config.provider)
    kept |= {name: os.path.abspath(kept[name]) for name in (*FOLDER_VARIABLES, "HOME") if kept.get(name)}
    paths = [*code, *map(os.path.abspath, kept["PYTHONPATH"].split(os.pathsep) if kept.get("PYTHONPATH") else ())]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths)} if paths else kept


def _tell(process: subprocess.Popen[bytes], config: ServerConfig) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(config.dump())
        process.stdin.close()
    except BrokenPipeError:
        pass  # it died; waiting for its port says so


def _given_up(process: subprocess.Popen[bytes], starting: Instance | None) -> int:
    """End a server that did not start, with what its provider has started, and return its status."""
    # Nobody has waited for it: until then its number is its own.
    started = started_by(starting) if starting is not None else {}
    process.kill()  # one that exits by itself has its status already
    status = process.wait()
    if starting is not None:
        end_started(starting, started)
        records.forget(starting)
    return status


def _await_port(reader: int, starting: Instance, seconds: float) -> int:
    import select

    end = time.monotonic() + seconds
    # A program that the provider has forked may hold the pipe open beyond the server's end.
    while not select.select([reader], [], [], min(0.2, seconds))[0] and pids.lives(starting.pid, starting.pid_started):
        if time.monotonic() >= end:
            more = again("give it more time with --wait-timeout", wait_timeout=2 * seconds)
            raise _NotReady(f"not ready within {seconds:g} s", more)
    text = os.read(reader, 16) if select.select([reader], [], [], 0)[0] else b""
    if not text.strip().isdigit():
        raise _NotReady(
            "the server exited with status {status} while starting",
            "fix the problem that its log describes, and start it again",
        )
    return int(text)


def _failed(log: Path, request: StartRequest, error: _NotReady, status: int) -> ProviderError:
    """The failure of a start, in the server's own words where it gave its reason."""
    lines = list(log_lines(str(log), lambda: False))
    refusal = own_refusal(lines, request.server)
    if refusal is not None:
        return ProviderError(refusal["code"], f"{request.ref}: {refusal['message']}", hint=refusal["hint"])
    return StartFailed(
        f"{request.ref}: {str(error).format(status=status)}{last_words(lines, request.server)}", hint=error.hint
    )


def _process(instance: Instance) -> psutil.Process | None:
    """The instance's process, if it is still that one and alive."""
    import psutil

    if not pids.lives(instance.pid, instance.pid_started):
        return None
    try:
        return psutil.Process(instance.pid)
    except psutil.NoSuchProcess:
        return None


def _started_by(instance: Instance) -> dict[int, float]:
    return started_by(instance) if pids.lives(instance.pid, instance.pid_started) else {}


def _signalled(instance: Instance, number: signal.Signals) -> bool:
    """Send the process a signal; False where it has ended."""
    if instance.pid is None or not pids.lives(instance.pid, instance.pid_started):
        return False
    with suppress(ProcessLookupError):
        os.kill(instance.pid, number)
    return True


def _ends(instance: Instance, seconds: float) -> bool:
    """Wait for the end of the process; False where it does not come in time."""
    end = time.monotonic() + seconds
    while pids.lives(instance.pid, instance.pid_started):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    with suppress(ChildProcessError):  # only a child can be reaped: in a program that has started it
        os.waitpid(instance.pid or 0, os.WNOHANG)
    return True
