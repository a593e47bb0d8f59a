"""A real sshd on this machine's loopback address: a host, a key and settings of its own, and a client that has them."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import which

from tests.docker.registry import free_port
from tests.waiting import until


@contextmanager
def sshd(folder: Path, **environment: str) -> Iterator[str]:
    """Yield `root@HOST:PORT`; `ssh` in the folder `bin` below this one is let in, to commands with this environment.

    Its client is the system's, whose settings are those of this machine's user whatever HOME says: hence `-F`.
    """
    ensure_installed()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    port = free_port()
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "user.pub",
        "StrictModes": "no",  # the folder lies below /tmp
        "PidFile": "none",
        "UsePAM": "no",
        "PermitRootLogin": "yes",
        "SetEnv": " ".join(f"{name}={value}" for name, value in environment.items()),
    }
    (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    make_client(folder)
    with subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", folder / "sshd_config"]) as server:
        try:
            until(lambda: listens(port))
            yield f"root@127.0.0.1:{port}"
        finally:
            server.terminate()


def make_client(folder: Path) -> None:
    options = (
        f"-i {folder}/user -o IdentitiesOnly=yes -o UserKnownHostsFile={folder}/known -o GlobalKnownHostsFile=none"
    )
    client = folder / "bin/ssh"
    client.parent.mkdir()
    client.write_text(f'#!/bin/sh\nexec {which("ssh")} -F none {options} "$@"\n')
    client.chmod(0o755)


def ensure_installed() -> None:
    if not Path("/usr/sbin/sshd").exists():
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "openssh-server"]
        subprocess.run(
            install, check=True, capture_output=True, env={"DEBIAN_FRONTEND": "noninteractive", "PATH": PATH}
        )
    Path("/run/sshd").mkdir(exist_ok=True)  # it gives up its rights there


PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
