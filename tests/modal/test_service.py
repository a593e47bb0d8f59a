"""The tests' own Modal, held against modal's real client and container entrypoint."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.modal.conftest import Sdk
from tests.modal.service import Modal

DIGEST = "sha256:" + "a" * 64
DEPLOY = """
import sys
sys.path.insert(0, ".")
import remote
image = modal.Image.from_registry("registry.test/provider@{digest}").add_local_file("remote.py", "/root/remote.py")
app = modal.App({name!r})
app.function(image=image, include_source=False, **{options})(remote.answer)
app.deploy(environment_name={environment!r}, **{deploy})
"""
CALL = """
for item in modal.Function.from_name({name!r}, "answer", environment_name={environment!r}).remote_gen({argument!r}):
    print(item, flush=True)
"""


class Remote:
    """A function that is deployed and called."""

    def __init__(self, sdk: Sdk, folder: Path) -> None:
        self.sdk = sdk
        self.folder = folder

    def deploy(self, body: str, name: str = "app", environment: str = "dev", options: str = "{}", **deploy: str) -> str:
        """Deploy a generator of one argument, `it`, with this body."""
        text = "import os, sys, time\ndef answer(it):\n" + textwrap.indent(textwrap.dedent(body), "    ")
        (self.folder / "remote.py").write_text(text)
        filled = DEPLOY.format(name=name, environment=environment, options=options, deploy=deploy, digest=DIGEST)
        return self.sdk(filled).out

    def call(self, argument: object = None, name: str = "app", environment: str = "dev") -> list[str]:
        """The items, as printed."""
        return self.sdk(CALL.format(name=name, environment=environment, argument=argument)).out.splitlines()


@pytest.fixture
def remote(sdk: Sdk, tmp_path: Path) -> Remote:
    return Remote(sdk, tmp_path)


def test_a_deployed_function_runs_in_a_process_of_its_own(remote: Remote, modal: Modal) -> None:
    remote.deploy("yield {'pid': os.getpid()}; yield it")
    assert remote.call({"a": 1}) == [f"{{'pid': {modal.containers()[0].pid}}}", "{'a': 1}"]
