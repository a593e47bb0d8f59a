"""Serve a provider in a container on Modal: start its own server there, and hand out the token for it.

It goes to Modal as the shim does, as a module of its own, for an app that has an endpoint.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import modal

#: The full reference of the image, the name of the file in the app's Volume that says what is served, and the port to
#: listen on: set by the deployment.
IMAGE, DOCUMENT, PORT = "THEORYCTL_IMAGE", "THEORYCTL_DOCUMENT", "PORT"
#: The key of the app's Secret that holds the token.
TOKEN = "THEORYCTL_TOKEN"
#: Where the Volume is.
MOUNT = "/theoryctl/attachments"
PLATFORM = "linux/amd64"


class Server:
    """The provider's own server, as a process of the container."""

    _process: subprocess.Popen[bytes]

    @modal.enter()
    def start(self) -> None:
        """Start it, and return when it takes requests. Raises RuntimeError where it ends before that."""
        config = _config()
        reader, writer = os.pipe()
        command = [sys.executable, "-m", "theoryctl_providers", "--host", "0.0.0.0", "--port", os.environ[PORT]]
        self._process = subprocess.Popen(
            [*command, "--ready-fd", str(writer)],
            stdin=subprocess.PIPE,
            pass_fds=[writer],
            env=_environment(config.provider),
            cwd="/",
        )
        os.close(writer)
        with open(reader, "rb") as ready:
            _tell(self._process, config.dump())
            if not ready.readline():
                raise RuntimeError(f"the provider's server ended with status {self._process.wait()}")

    @modal.exit()
    def stop(self) -> None:
        """End it; it finishes what it has begun, for as long as it was told."""
        self._process.terminate()
        self._process.wait()


def access() -> dict[str, str]:
    """Return the token of the server, and the image that it runs. Modal has authenticated who calls this."""
    return {"token": os.environ[TOKEN], "image": os.environ[IMAGE]}


def _config() -> Any:
    """Make the ServerConfig of what the Volume says and what the app's Secret holds."""
    from theoryctl_providers.contract.wire import Limits, ServerConfig, load_config

    told = json.loads(Path(MOUNT, os.environ[DOCUMENT]).read_bytes())
    provider = load_config(told["provider"])
    given = {name: os.environ.get(name, "").strip() for name in _names(provider)}
    secrets = {name: value for name, value in given.items() if value}
    provider = replace(provider, secrets=secrets, image=os.environ[IMAGE], platform=PLATFORM)
    return ServerConfig(provider=provider, token=os.environ[TOKEN], limits=Limits(**told["limits"]))


def _environment(provider: Any) -> dict[str, str]:
    """The container's environment without any secret: the server gets those on its standard input."""
    hidden = {TOKEN, *_names(provider)}
    return {name: value for name, value in os.environ.items() if name not in hidden}


def _names(provider: Any) -> list[str]:
    """Every variable that the provider's rules on secrets name."""
    return [name for rule in provider.secret_rules for name in rule.names]


def _tell(process: subprocess.Popen[bytes], document: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(document)
        process.stdin.close()
    except BrokenPipeError:
        pass  # it has ended; waiting for it to be ready says so
