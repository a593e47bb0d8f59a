"""Scripts, recordings and replays of an instance in Docker: what it is told and what it hands out, without a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conftest import REF, Cli
from tests.docker.conftest import Daemon
from tests.docker.test_docker_secrets import INSIDE, vendor_inside
from tests.mocks.test_mocks_cli import ASKED, FILE_VALUE, KEY, RUN, SCRIPT, ask, outcome
from tests.real.vendor import echoes_the_key

START = ("local", "start", "--ref", REF)


def test_a_script_answers_with_the_same_bytes_in_every_runtime(cli: Cli, tmp_path: Path) -> None:
    script = tmp_path / "answers.yaml"
    script.write_text(SCRIPT)
    said: dict[str, Any] = {"embedded": [outcome(ask(cli, text, "--script", str(script))) for text in ASKED]}
    for runtime in ("process", "docker"):
        started = cli(*START, "--runtime", runtime, "--script", str(script))
        assert started.status == 0, started.err
        said[runtime] = [outcome(ask(cli, text, "--runtime", runtime)) for text in ASKED]
    # Only the second request for the weather differs: an instance goes on where it was.
    assert said["process"] == said["docker"]
    again = ASKED.index("weather?")
    assert said["docker"][again][0] == 0
    for runtime_said in said.values():
        runtime_said.pop(again)
    assert said["embedded"] == said["docker"]


def test_what_a_container_records_is_replayed_in_every_runtime(cli: Cli, daemon: Daemon, tmp_path: Path) -> None:
    env_file, folder = tmp_path / "keys.env", tmp_path / "recordings"
    env_file.write_text(
        f"OPENAI_API_KEY={KEY}\nOPENAI_BASE_URL={INSIDE['OPENAI_BASE_URL']}\nINTERNAL_NAME={FILE_VALUE}\n"
    )
    real = ("--mode", "real", "--env-file", str(env_file), "--record", str(folder), "--json")
    started = cli(*START, *real)
    assert started.status == 0, started.err
    container = started.document["container"]
    assert daemon.inspect(container)["Mounts"] == []
    asked = ("--prompt", f"Say hello to {FILE_VALUE}.", "--json")
    with vendor_inside(daemon, container, echoes_the_key(4, 11)) as vendor:
        recorded = cli(*RUN, *asked)
        assert recorded.status == 0, recorded.err
        assert len(vendor.requests) == 1
    (file,) = folder.iterdir()
    text = file.read_text()
    assert not [word for word in (KEY, FILE_VALUE, INSIDE["OPENAI_BASE_URL"]) if word in text]
    assert "[OPENAI_API_KEY]" in text and "[INTERNAL_NAME]" in text
    assert FILE_VALUE not in daemon("logs", container) + str(daemon.inspect(container))
    assert cli("local", "stop", "--all").status == 0
    for runtime in ("process", "docker"):
        assert cli(*START, "--runtime", runtime, "--replay", str(folder)).status == 0
        assert outcome(cli(*RUN, *asked, "--runtime", runtime)) == outcome(recorded)
    assert outcome(cli(*RUN, *asked, "--runtime", "embedded", "--replay", str(folder))) == outcome(recorded)
