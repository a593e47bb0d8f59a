"""Programs that use modal's real client, and a function that they deploy and call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import Ran
from tests.modal.service import Modal

DIGEST = "sha256:" + "a" * 64
_SETTINGS = {"MODAL_PAYLOAD_FORMAT": "cbor", "MODAL_IMAGE_BUILDER_VERSION": "2025.06"}
_DEPLOY = """
import sys
sys.path.insert(0, ".")
import remote
image = modal.Image.from_registry("registry.test/provider@{digest}").entrypoint([])
app = modal.App({name!r})
app.function(image=image, {options})({wrap}(remote.answer))
app.deploy(environment_name={environment!r}, tag={tag!r})
"""
_CALL = """
import json
for item in modal.Function.from_name({name!r}, "answer", environment_name={environment!r}).remote_gen({argument}):
    print(json.dumps(item), flush=True)
"""


@dataclass(frozen=True)
class Sdk:
    """Runs programs with modal's client, each in a process of its own, in this folder."""

    service: Modal
    folder: Path

    def start(self, text: str, **more: str) -> subprocess.Popen[str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("MODAL_")}
        return subprocess.Popen(
            [sys.executable, "-c", "import modal\n" + textwrap.dedent(text)],
            env={**clean, **_SETTINGS, **self.service.variables, **more},
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __call__(self, text: str, fails: bool = False, timeout: float = 60, **more: str) -> Ran:
        """Run the program, and return its output; it must succeed unless `fails`."""
        with self.start(text, **more) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            finally:
                process.kill()
        assert (process.returncode != 0) == fails, out + err
        return Ran(process.returncode, out, err)


@dataclass(frozen=True)
class Remote:
    """A function that is deployed and called."""

    sdk: Sdk

    def deploy(
        self,
        body: str,
        options: str = "",
        name: str = "app",
        environment: str = "dev",
        tag: str = "",
        wrap: str = "",
        **how: Any,
    ) -> str:
        """Deploy a generator of one argument, `it`, with this body; returns what the client said of a failure."""
        body = textwrap.indent(textwrap.dedent(body), "    ")
        (self.sdk.folder / "remote.py").write_text(f"import modal, os, sys, time\ndef answer(it):\n{body}\n")
        values = {"name": name, "options": options, "environment": environment, "tag": tag, "wrap": wrap}
        return self.sdk(_DEPLOY.format(digest=DIGEST, **values), **how).err

    def call(self, argument: object = None, name: str = "app", environment: str = "dev") -> list[Any]:
        """The items that it yields for an argument, given as an expression."""
        return [json.loads(line) for line in self.sdk(_call(argument, name, environment)).out.splitlines()]

    def fail(self, argument: object = None, name: str = "app", environment: str = "dev") -> str:
        """The last line of the traceback of a call."""
        return self.sdk(_call(argument, name, environment), fails=True).err.strip().splitlines()[-1]

    def start(self) -> subprocess.Popen[str]:
        """A call, under way."""
        return self.sdk.start(_call())


#: Starts a call, which is killed after the test; returns once its first item, `first`, is there, unless it `waits`.
Calling = Callable[..., subprocess.Popen[str]]


def is_answered(process: subprocess.Popen[str]) -> bool:
    """Wait for the first item of a call, and tell whether it is there."""
    assert process.stdout is not None
    return process.stdout.readline() == '"first"\n'


def _call(argument: object = None, name: str = "app", environment: str = "dev") -> str:
    return _CALL.format(name=name, environment=environment, argument=argument)
