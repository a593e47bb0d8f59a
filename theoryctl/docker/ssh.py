"""Connections to the Docker daemon of another machine through the system's `ssh`, as `docker` makes them.

`docker system dial-stdio` there passes on what comes and goes to its daemon's socket (docker/cli, `cli/connhelper`).
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile
from typing import IO
from urllib.parse import SplitResult, unquote, urlsplit

from theoryctl.errors import DockerFailed

#: The form of an address; `docker` as well takes no password in it, no query and no fragment.
FORM = "ssh://USER@HOST:PORT/PATH, of which only HOST must be there"

#: Seconds that ssh gets to say why it ended, bytes of that which are read, and characters that an error shows.
_SECONDS_TO_SAY, _MAX_SAID, _SHOWN = 2, 4096, 200

#: Seconds that the processes get to end when they are asked to.
_SECONDS_TO_END = 2


def command_of(address: str) -> tuple[str, ...]:
    """Return the command whose standard streams are a connection to the daemon at an `ssh://` address.

    Raises ValueError for what is no such address.
    """
    parts, number = _parsed(address)
    if parts.password is not None:
        raise ValueError(f"expected {FORM}, got one with a password")
    if not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"expected {FORM}, got {address!r}")
    login = ("-l", unquote(parts.username)) if parts.username else ()
    port = ("-p", str(number)) if number else ()
    host = (f"--host=unix://{unquote(parts.path)}",) if parts.path.strip("/") else ()
    there = shlex.join(("docker", *host, "system", "dial-stdio"))
    # As `docker` has it, hosts and keys come from the user's own settings of ssh, and a login shell from nobody.
    return "ssh", "-o", "ConnectTimeout=30", "-T", *login, *port, "--", _host(parts.netloc), there


def _parsed(address: str) -> tuple[SplitResult, int | None]:
    """Return the parts of an address, and its port; the error shows nothing that may be a password."""
    try:
        parts = urlsplit(address)
        return parts, parts.port
    except ValueError:
        login, _, host = address.partition("://")[2].rpartition("@")
        shown = f"ssh://***@{host}" if ":" in login else address
        raise ValueError(f"expected {FORM}, got {shown!r}") from None


def _host(netloc: str) -> str:
    """Return the host as it is written: that of `urlsplit` is in lower case, and ssh's settings tell cases apart."""
    host = netloc.rpartition("@")[2]
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


@contextmanager
def tunnels(command: tuple[str, ...]) -> Iterator[Tunnels]:
    """Yield the connections of a command, whose processes end with the block."""
    with TemporaryFile() as said:
        opened = Tunnels(command, said)
        try:
            yield opened
        finally:
            opened.close()


class Tunnels:
    """Connections that a command makes, each a process of its own; whatever they say goes to one file."""

    def __init__(self, command: tuple[str, ...], said: IO[bytes]) -> None:
        self._command = command
        self._processes: list[subprocess.Popen[bytes]] = []
        self._said = said

    def open(self, seconds: float | None) -> socket.socket:
        """Open a connection, on which an answer may take that long.

        Raises DockerFailed (`ERR_DOCKER`) where there is no `ssh`.
        """
        ours, theirs = socket.socketpair()
        end = theirs.fileno()
        with theirs:
            try:
                # In a session of its own it asks nothing at the terminal, and Ctrl-C is this process's alone.
                process = subprocess.Popen(
                    self._command, stdin=end, stdout=end, stderr=self._said.fileno(), start_new_session=True
                )
            except OSError as error:
                ours.close()
                raise _no_ssh(error) from None
        self._processes.append(process)
        ours.settimeout(seconds)
        return ours

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise OSError with the words of ssh, or of the other machine, where a connection breaks off inside."""
        from http.client import HTTPException

        try:
            yield
        except (OSError, HTTPException) as error:
            raise (OSError(reason) if (reason := self.reason()) else error) from None

    def reason(self) -> str | None:
        """Return the last line of what was said, else the status, where a process has failed; waits 2 s for its end.

        Warnings of one that has not failed are no reason.
        """
        _wait(self._processes, _SECONDS_TO_SAY)
        failed = [process.returncode for process in self._processes if process.returncode]
        if not failed:
            return None
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - _MAX_SAID))
        lines = self._said.read().decode(errors="replace").split("\n")
        words = [line.strip()[:_SHOWN] for line in lines if line.strip()]
        return words[-1] if words else f"ssh ended with status {failed[0]}"

    def close(self) -> None:
        """End the processes, by force after 2 s, with those that they began."""
        for process in self._processes:
            process.terminate()
        _wait(self._processes, _SECONDS_TO_END)
        for process in self._processes:
            if process.poll() is None or process.returncode < 0:
                _kill_session(process)


def _wait(processes: list[subprocess.Popen[bytes]], seconds: float) -> None:
    """Wait until all have ended, for that long at most."""
    end = time.monotonic() + seconds
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0, end - time.monotonic()))


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill an ssh that did not end of itself, and its ProxyCommand, which it then had no time to end.

    One that ends of itself does that (`cleanup_exit`, OpenSSH's clientloop.c), and leaves alone a connection that the
    user's settings keep for others (ControlPersist), whose ProxyCommand is of the same group.
    """
    with suppress(ProcessLookupError, PermissionError):  # where none is left; macOS refuses where they are zombies
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _no_ssh(error: OSError) -> DockerFailed:
    return DockerFailed(
        f"a daemon of another machine is reached through ssh: expected that program, got: {error.strerror}",
        hint="install OpenSSH's client, such as with: apt-get install openssh-client",
    )
