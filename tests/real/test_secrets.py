"""Keys that LiteLLM finds by itself, and what is set up around it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REF, Cli
from tests.real.conftest import CANARY, LITELLM_WARNINGS
from tests.real.vendor import Vendor, echoes_the_key, fails
from theoryctl.secrets import read_secrets
from theoryctl_providers import ProviderError
from theoryctl_providers.contract import ProviderConfig, ResolvedRequest
from theoryctl_providers.litellm.arguments import vendor_arguments
from theoryctl_providers.litellm.loading import import_litellm

pytestmark = LITELLM_WARNINGS

REAL = ("local", "run", "--ref", REF, "--mode", "real", "--json", "--prompt", "Hi")


def test_the_key_of_a_vendor_beyond_the_manifest_is_taken_out_of_its_answer(cli: Cli) -> None:
    with Vendor(echoes_the_key()) as vendor:
        env = {"DEEPSEEK_API_KEY": CANARY, "DEEPSEEK_API_BASE": f"{vendor.url}/v1"}
        ran = cli(*REAL, "--model", "deepseek/deepseek-chat", env=env)
    assert ran.status == 0, ran.err
    assert vendor.requests
    assert CANARY not in ran.out + ran.err
    assert "[DEEPSEEK_API_KEY]" in ran.out


@pytest.mark.parametrize("model", ["gemini/gemini-2.0-flash", "deepseek/deepseek-chat", "mistral/mistral-small"])
def test_a_vendor_beyond_the_manifest_without_its_key_is_a_missing_secret(cli: Cli, model: str) -> None:
    ran = cli(*REAL, "--model", model)
    assert (ran.status, ran.document["error"]["code"]) == (4, "ERR_MISSING_SECRET"), ran.err
    assert "_API_KEY" in ran.document["error"]["message"]
    assert "trying again" not in ran.err


@pytest.mark.parametrize("key", [f"{CANARY} ", f"{CANARY}\n", f"  {CANARY}"])
def test_blanks_around_a_key_are_no_part_of_it(cli: Cli, key: str) -> None:
    with Vendor(fails(400)) as vendor:
        ran = cli(*REAL, env={"OPENAI_API_KEY": key, **vendor.addresses})
    assert vendor.requests[0].headers["authorization"] == f"Bearer {CANARY}"
    assert CANARY not in ran.out + ran.err


@pytest.mark.parametrize("name", ["OPENAI_ORG_ID", "REPLICATE_API_KEY", "AWS_SECRET_ACCESS_KEY"])
def test_no_other_secret_is_ever_sent_as_the_key(name: str) -> None:
    import_litellm()
    secrets = {name: "not-a-key", "OPENAI_API_KEY": CANARY, "AWS_REGION": "us-east-1"}
    config = ProviderConfig(provider="litellm", secrets=secrets)
    for model, key in (("openai/x", CANARY), ("ollama/x", None), ("bedrock/x", "")):
        arguments = vendor_arguments(
            ResolvedRequest(config=config, mode="real", model=model, inputs={"model": model, "messages": []})
        )
        assert arguments.get("api_key") == key


def test_an_env_file_is_read_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME_OF_IT", "no")
    file = tmp_path / "keys.env"
    file.write_text("A=a$HOME_OF_IT-${HOME_OF_IT}\nB='q u'\nexport C=c\n# D=d\n")
    assert read_secrets(["A", "B", "C", "D"], str(file)) == {"A": "a$HOME_OF_IT-${HOME_OF_IT}", "B": "q u", "C": "c"}


@pytest.mark.parametrize(
    ("version", "refused"), [("1.82.7", True), ("1.82.8", True), ("1.107.3", True), ("1.82.70", False)]
)
def test_a_compromised_release_is_not_even_imported(tmp_path: Path, version: str, refused: bool) -> None:
    info = tmp_path / f"litellm-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: litellm\nVersion: {version}\n")
    (tmp_path / "litellm.py").write_text("raise ImportError('imported')")
    script = "from theoryctl_providers.litellm.loading import import_litellm as load\nload()"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)}
    )
    assert ("is a compromised release" in done.stderr, "ImportError: imported" in done.stderr) == (refused, not refused)


def test_litellm_is_told_to_stay_offline_and_to_read_no_env_file() -> None:
    script = (
        "import os\n"
        "from theoryctl_providers.litellm.loading import import_litellm\n"
        "litellm = import_litellm()\n"
        "print(*map(os.environ.get, ('LITELLM_LOCAL_MODEL_COST_MAP', 'LITELLM_OFFLINE_MODE', 'LITELLM_MODE')), "
        "litellm.suppress_debug_info)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "True True PRODUCTION True\n", done.stderr


def test_litellm_that_is_missing_is_said(tmp_path: Path) -> None:
    (tmp_path / "litellm.py").write_text("raise ImportError('no such thing')")
    script = (
        "from theoryctl_providers import ProviderError\n"
        "from theoryctl_providers.litellm.loading import import_litellm\n"
        "try: import_litellm()\nexcept ProviderError as error: print(error.code, error.hint)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)}
    )
    assert done.stdout.startswith("ERR_PROVIDER ")
    assert issubclass(ProviderError, RuntimeError)
