"""Many requests to one deployment on Modal, which is looked up once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.conftest import REF, Ran
from tests.modal.host.conftest import APP
from tests.modal.service import Modal

PROGRAM = f"""
import json
from contextlib import closing
from theoryctl.actions.targets import modal_target
from theoryctl.manifests.catalog import Catalog
from theoryctl.refs import ProviderRef
from theoryctl_providers.contract import ProviderConfig, Request, Result

ref = ProviderRef.parse("{REF}")
found = Catalog(None).find(ref)
texts = []
with closing(modal_target(ref, "dev").open(found)) as session:
    for number in range(3):
        inputs = {{"messages": [{{"role": "user", "content": f"no. {{number}}"}}]}}
        config = ProviderConfig(provider="litellm", ref="{REF}", runtime="modal")
        *_, last = session.ask(Request(config=config, inputs=inputs, mode="mock"))
        texts.append(last.envelope["outputs"][0]["text"])
print(json.dumps([session.where, texts]))
"""


def test_requests_of_a_session_share_one_look_up(
    start: Callable[..., Ran], modal: Modal, environment: dict[str, str], tmp_path: Path
) -> None:
    start()
    before = len(modal.journal)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path / "work", env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    where, texts = json.loads(done.stdout)
    assert where == f"modal: {APP} in dev"
    assert [text.split(" to: ")[1] for text in texts] == [f'"no. {number}"' for number in range(3)]
    asked = Counter(entry.method for entry in modal.journal[before:])
    looks = ("AppGetOrCreate", "AppGetTags", "AppGetLayout", "AppGetByDeploymentName", "FunctionGet", "ClientHello")
    assert max(asked[method] for method in looks) <= 2, asked
    assert asked["FunctionGet"] == 1
