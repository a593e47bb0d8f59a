"""The process runtime: the provider's server as a background process of its own session, on 127.0.0.1."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from theoryctl.errors import StartFailed
from theoryctl.hints import again
from theoryctl.instances import client, records
from theoryctl.instances.records import Instance
from theoryctl.instances.session import InstanceSession
from theoryctl.paths import private_folder
from theoryctl.platforms import host_platform
from theoryctl.refs import ProviderRef
from theoryctl.runtimes.base import StartedRuntime, StartRequest, State
from theoryctl_providers.contract import ServerConfig, is_secret, secret_names

if TYPE_CHECKING:
    import psutil

#: Seconds for a server to drain and exit before it is killed.
STOP_SECONDS = 12.0


class ProcessRuntime(StartedRuntime):
    """Runs a provider as a background process: without Docker, and with LiteLLM kept loaded."""

    name = "process"
    has_image = False

    def must_answer(self, ref: ProviderRef) -> None:
        """A process can be started anywhere."""

    def start(self, request: StartRequest) -> Instance:
        """Start a server and return when it is ready. Raises StartFailed; nothing is left then, nor on Ctrl-C."""
        log = records.record_file(request.ref, self.name).with_suffix(".log")
        private_folder(log.parent)
        reader, writer = os.pipe()
        process = _spawn(log, writer, request)
        os.close(writer)
        try:
            # Recorded before it is ready: should this command be killed now, `status` and `stop` find the process.
            where = {"pid": process.pid, "pid_started": _birth(process.pid), "log": str(log)}
            where["platform"] = host_platform()
            records.save(request.instance(self.name, url="", **where))
            _tell(process, request.server)
            port = _await_port(reader, process, request.wait_seconds)
            instance = request.instance(self.name, url=f"http://127.0.0.1:{port}", **where)
            records.save(instance)
            process.returncode = 0  # it outlives this process; Popen would warn that nobody waits for it
            return instance
        except BaseException as error:
            process.kill()
            process.wait()
            records.remove(request.ref, self.name)
            if isinstance(error, _NotReady):
                raise StartFailed(f"{request.ref}: {error}{_last_words(log)}", hint=error.hint) from None
            raise
        finally:
            os.close(reader)

    def differs(self, instance: Instance, request: StartRequest) -> None:
        """Nothing to compare: it runs no image."""

    def unrecorded(self, recorded: list[Instance]) -> list[Instance]:
        """None: of a process there is its record and nothing else."""
        return []

    def stop(self, instance: Instance) -> bool:
        import psutil

        process = _process(instance)
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(STOP_SECONDS)
        records.remove(ProviderRef.parse(instance.ref), self.name)
        return process is not None

    def state(self, instance: Instance) -> State:
        process = _process(instance)
        if process is None:
            return State("dead", healthy=False)
        with process.oneshot():
            cpu, memory = process.cpu_percent(0.05), process.memory_info().rss
        return State("running", healthy=client.is_healthy(instance), cpu_percent=cpu, memory_bytes=memory)

    def log_lines(self, instance: Instance, follow: bool) -> Generator[str]:
        assert instance.log is not None
        with open(instance.log, encoding="utf-8", errors="replace") as file:
            while True:
                line = file.readline()
                if line:
                    yield line.rstrip("\n")
                elif not follow or _process(instance) is None:
                    return
                else:
                    time.sleep(0.1)

    def open(self, instance: Instance, restart: str) -> InstanceSession:
        return InstanceSession(instance, restart)


class _NotReady(Exception):
    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def _spawn(log: Path, ready: int, request: StartRequest) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "theoryctl_providers", "--port", "0", "--ready-fd", str(ready)]
    with open(log, "wb", opener=_private) as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=[ready],
            start_new_session=True,
            env=_environment(request.server, request.image.code),
            cwd="/",
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _environment(config: ServerConfig, code: tuple[str, ...]) -> dict[str, str]:
    """This process's environment without any secret: the server gets those on its standard input. `code` is where it
    imports its provider's package from."""
    names = set(secret_names(config.provider.secret_rules))
    values = {value for name, value in config.provider.secrets.items() if is_secret(name, value)}
    kept = {key: value for key, value in os.environ.items() if key not in names and value not in values}
    paths = [*code, *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths)} if paths else kept


def _tell(process: subprocess.Popen[bytes], config: ServerConfig) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(config.dump())
        process.stdin.close()
    except BrokenPipeError:
        pass  # it died; waiting for its port says so


def _await_port(reader: int, process: subprocess.Popen[bytes], seconds: float) -> int:
    import select

    if not select.select([reader], [], [], seconds)[0]:
        raise _NotReady(
            f"not ready within {seconds:g} s", again("give it more time with --wait-timeout", wait_timeout=2 * seconds)
        )
    text = os.read(reader, 16)
    if not text.strip().isdigit():
        status = process.wait()
        raise _NotReady(
            f"the server exited with status {status} while starting", "mend what its log says, and start it again"
        )
    return int(text)


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-10:]
    return ":\n  " + "\n  ".join(lines) if lines else "; its log is empty"


def _process(instance: Instance) -> psutil.Process | None:
    """The instance's process, if it is still that one and alive."""
    import psutil

    if instance.pid is None:
        return None
    try:
        process = psutil.Process(instance.pid)
        alive = _birth(instance.pid) == instance.pid_started and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None
    return process if alive else None


def _birth(pid: int) -> float:
    """Return the time at which a process began, as a number that stays the same as long as it lives.

    On Linux clock ticks since boot (proc_pid_stat(5), field 22): seconds since the epoch, which psutil makes of them,
    move whenever the clock is set. Raises FileNotFoundError or psutil.NoSuchProcess.
    """
    stat = Path(f"/proc/{pid}/stat")
    if sys.platform == "linux":
        return float(stat.read_text().rpartition(")")[2].split()[19])
    import psutil

    return psutil.Process(pid).create_time()
