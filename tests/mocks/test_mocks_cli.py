"""`--script`, `--record` and `--replay` on the command line: embedded, and with a started instance."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.conftest import REF, Cli, Ran
from tests.real.vendor import Vendor, echoes_the_key
from theoryctl_providers.contract import Finish, Output, Recording, write_recordings

START = ("local", "start", "--ref", REF, "--runtime", "process")
RUN = ("local", "run", "--ref", REF)
REAL = ("--mode", "real", "--prompt", "Say hello.")
#: Without `sk-` in front: what keeps them out of sight must not go by the looks of a key.
KEY, FILE_VALUE = "canary.4b1d7c90e2f85a36d1c7", "canary.of.the.env.file"

SCRIPT = """
rules:
  - when: {user: {contains: weather}}
    answers:
      - fault: {status: 429, retry_after: 7, message: slow down}
      - tool_calls: [{name: weather, arguments: {city: Forlì}}]
      - {text: "It is sunny — 22 °C.", usage: {cost_usd: 0.5}}
  - when: {user: {equals: unreachable}}
    answers: [{fault: {kind: disconnect}}]
  - when: {user: {equals: cut}}
    answers: [{text: half an answer, fault: {kind: disconnect, after: 1}}]
  - when: {user: {equals: truncated}}
    answers: [{text: half an answer, fault: {kind: truncate, after: 1}}]
  - when: {user: {equals: stall}}
    answers: [{text: half an answer, fault: {kind: stall, after: 1}}]
  - when: {user: {equals: slow}}
    answers: [{chunks: [{text: "one "}, {text: two, delay: 0.2}]}]
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    file = tmp_path / "answers.yaml"
    file.write_text(SCRIPT)
    return str(file)


@pytest.fixture
def stopped(cli: Cli) -> Iterator[None]:
    """Whatever a test starts is stopped after it."""
    yield
    assert cli("local", "stop", "--all").status == 0


def outcome(ran: Ran) -> Any:
    """The part of an answer that must be the same in every runtime."""
    document = ran.document
    return ran.status, *(document[part] for part in ("outputs", "usage", "error", "model"))


def ask(cli: Cli, text: str, *flags: str, **more: Any) -> Ran:
    return cli(*RUN, "--prompt", text, "--json", *flags, **more)


ASKED = ["weather", "weather?", "unreachable", "cut", "truncated", "slow", "anything else"]


def test_a_started_instance_answers_by_its_script_with_the_bytes_of_embedded_runs(
    cli: Cli, script: str, stopped: None
) -> None:
    embedded = {text: outcome(ask(cli, text, "--script", script)) for text in ASKED}
    assert cli(*START, "--script", script).status == 0
    started = {text: ask(cli, text, "--runtime", "process") for text in ASKED if text != "weather?"}
    for text, ran in started.items():
        assert outcome(ran) == embedded[text], text
    assert [ran.status for ran in started.values()] == [1, 1, 1, 1, 0, 0]
    # An instance goes on where it was; each run of its own has begun anew.
    assert embedded["weather?"][0] == 1
    assert [ask(cli, "weather").document["outputs"][0].get("name") for _ in range(2)] == ["finish_reason", "answer"]


def test_a_stall_ends_with_the_time_and_the_server_goes_on(cli: Cli, script: str, stopped: None) -> None:
    assert cli(*START, "--script", script).status == 0
    begun = time.monotonic()
    ran = ask(cli, "stall", "--timeout", "0.5")
    assert (ran.status, ran.document["error"]["code"]) == (124, "ERR_TIMEOUT")
    assert time.monotonic() - begun < 10
    assert ask(cli, "slow").document["outputs"][0]["text"] == "one two"


def test_while_one_client_waits_another_is_answered(theoryctl: Cli, script: str, stopped: None) -> None:
    assert theoryctl(*START, "--script", script).status == 0
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, theoryctl, "stall", "--timeout", "6")
        time.sleep(1.5)
        assert ask(theoryctl, "anything else").status == 0
        assert not waiting.done()
        assert waiting.result().status == 124


@pytest.mark.parametrize(
    ("flags", "status", "code", "says"),
    [
        (("--script", "/no/such"), 3, "ERR_SCRIPT", "No such file"),
        (("--script", "bad.yaml"), 3, "ERR_SCRIPT", "bad.yaml:1:1: rulez"),
        (("--script", "s.yaml", "--mode", "real", "--prompt", "x"), 2, "ERR_USAGE", "--script: only mock mode"),
        (("--replay", "r", "--mode", "real", "--prompt", "x"), 2, "ERR_USAGE", "--replay: only mock mode"),
        (("--record", "r"), 2, "ERR_USAGE", "--record: mock mode has nothing"),
        (("--replay", "r", "--record", "r"), 2, "ERR_USAGE", "--replay and --record exclude each other"),
        (("--record-missing", "r"), 2, "ERR_USAGE", "--record-missing: mock mode has nothing"),
        (("--record-missing", "r", "--record", "r", *REAL), 2, "ERR_USAGE", "--record and --record-missing exclude"),
        (("--replay", "/no/such"), 3, "ERR_RECORDING", "/no/such"),
        (("--record", "/dev/null/x", *REAL), 2, "ERR_USAGE", "--record /dev/null/x"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_is_wrong_with_a_flag_is_said_before_anything_is_asked(
    cli: Cli, tmp_path: Path, flags: tuple[str, ...], status: int, code: str, says: str
) -> None:
    (tmp_path / "work" / "bad.yaml").write_text("rulez: []\n")
    ran = cli(*RUN, *flags, "--json", env={"OPENAI_API_KEY": KEY})
    assert (ran.status, ran.document["error"]["code"]) == (status, code)
    assert says in ran.document["error"]["message"] and "loading" not in ran.err


@pytest.mark.parametrize("flags", [("--script", "bad.yaml"), ("--replay", "/no/such"), ("--record", "r")])
def test_a_start_that_is_told_nonsense_starts_nothing(cli: Cli, tmp_path: Path, flags: tuple[str, ...]) -> None:
    (tmp_path / "work" / "bad.yaml").write_text("rulez: []\n")
    assert cli(*START, *flags, "--json").status in (2, 3)
    assert cli("local", "status", "--json").document["instances"] == []
    assert not (tmp_path / "work" / "r").exists()


def test_an_instance_keeps_to_what_it_was_started_with(cli: Cli, script: str, tmp_path: Path, stopped: None) -> None:
    assert cli(*START, "--script", script).status == 0
    assert cli(*START, "--json").document["already_running"]
    assert cli(*START, "--script", script, "--json").document["already_running"]
    (tmp_path / "other.yaml").write_text("rules: [{answers: [{text: other}]}]\n")
    for arguments in ((*START, "--script", "other.yaml"), (*RUN, "--script", script)):
        ran = cli(*arguments, "--json", cwd=tmp_path)
        assert (ran.status, ran.document["error"]["code"]) == (2, "ERR_USAGE")
        assert "local stop" in ran.document["error"]["hint"]


# -- record and replay --


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor(echoes_the_key(4, 11)) as vendor:
        yield vendor


@pytest.fixture
def keys(vendor: Vendor, tmp_path: Path) -> tuple[str, ...]:
    """The flag that names an env file with a key, and more that the manifest does not know."""
    file = tmp_path / "keys.env"
    file.write_text(f"OPENAI_API_KEY={KEY}\nOPENAI_BASE_URL={vendor.url}/v1\nINTERNAL_NAME={FILE_VALUE}\n")
    return ("--env-file", str(file))


def assert_clean(folder: Path, vendor: Vendor) -> str:
    """The one recording, in which nothing secret is."""
    (file,) = folder.iterdir()
    text = file.read_text()
    assert not [word for word in (KEY, FILE_VALUE, vendor.url, "authorization") if word in text.lower()]
    assert file.stat().st_mode & 0o777 == 0o644
    return text


def test_what_is_recorded_is_replayed_embedded_and_by_an_instance(
    cli: Cli, vendor: Vendor, keys: tuple[str, ...], tmp_path: Path, stopped: None
) -> None:
    folder = tmp_path / "recordings"
    asked = ("--prompt", f"Say hello to {FILE_VALUE}.", "--json")
    real = cli(*RUN, "--mode", "real", *asked, *keys, "--record", str(folder))
    assert real.status == 0, real.err
    assert "[OPENAI_API_KEY]" in (text := assert_clean(folder, vendor)) and "[INTERNAL_NAME]" in text
    assert FILE_VALUE in json.dumps(vendor.requests[0].body)
    embedded = cli(*RUN, *asked, "--replay", str(folder))
    assert cli(*START, "--replay", str(folder)).status == 0
    started = cli(*RUN, *asked)
    assert outcome(real) == outcome(embedded) == outcome(started)
    assert real.document["usage"]["cost_usd"] > 0
    miss = cli(*RUN, "--prompt", "Something else.", "--json")
    assert (miss.status, miss.document["error"]["code"]) == (3, "ERR_REPLAY_MISS")
    assert len(vendor.requests) == 1


def test_an_instance_records_and_its_recordings_come_with_run_recordings_and_stop(
    cli: Cli, vendor: Vendor, keys: tuple[str, ...], tmp_path: Path, environment: dict[str, str]
) -> None:
    folder = tmp_path / "recordings"
    started = cli(*START, "--mode", "real", *keys, "--record", str(folder), "--json")
    assert started.status == 0, started.err
    pid = started.document["pid"]
    try:
        assert cli(*RUN, "--prompt", f"First, {FILE_VALUE}.").status == 0
        assert_clean(folder, vendor)
        other_client(started.document["url"], environment, "Second.")
        other_client(started.document["url"], environment, "Third.")
        (written,) = [len(cli("local", "recordings", "--ref", REF, "--json").document["files"])]
        assert (written, len(list(folder.iterdir()))) == (2, 3)
        other_client(started.document["url"], environment, "Fourth.")
        # While they cannot be written, it is not stopped: they would be lost.
        folder.rename(tmp_path / "away")
        folder.write_text("in the way")
        refused = cli("local", "stop", "--all", "--json")
        assert (refused.status, refused.document["error"]["code"]) == (1, "ERR_OUTPUT")
        assert str(folder) in refused.document["error"]["hint"] and Path(f"/proc/{pid}").exists()
        paid = cli(*RUN, "--prompt", "Fifth.", "--json")
        assert (paid.status, paid.document["error"]["code"]) == (1, "ERR_OUTPUT")
        assert paid.document["outputs"][0]["text"]
        folder.unlink()
    finally:
        assert cli("local", "stop", "--all").status == 0
    assert len(list(folder.iterdir())) == 2
    assert cli(*RUN, "--prompt", "Fourth.", "--replay", str(folder)).status == 0


def test_an_instance_that_holds_no_recordings_is_stopped_whatever_became_of_its_folder(
    cli: Cli, keys: tuple[str, ...], tmp_path: Path
) -> None:
    folder = tmp_path / "recordings"
    assert cli(*START, "--mode", "real", *keys, "--record", str(folder)).status == 0
    folder.write_text("in the way")
    assert cli("local", "stop", "--all").status == 0


def other_client(url: str, environment: dict[str, str], text: str) -> None:
    """Ask an instance past the command line."""
    record = Path(environment["HOME"], ".local/state/theoryctl/instances", f"{REF}.process.json")
    token = json.loads(record.read_text())["token"]
    body = json.dumps({"inputs": {"messages": [{"role": "user", "content": text}]}}).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with urlopen(Request(f"{url}/v1/run", body, headers), timeout=60) as answer:
        assert json.load(answer)["status"] == "success"


def test_recordings_of_an_instance_that_records_nothing_are_a_mistake(cli: Cli, stopped: None) -> None:
    assert cli(*START).status == 0
    ran = cli("local", "recordings", "--ref", REF, "--json")
    assert (ran.status, ran.document["error"]["code"]) == (2, "ERR_USAGE")


# -- answers that are no text -----------------------------------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n"


def test_an_image_is_shown_by_its_size_and_saved_where_it_is_told(cli: Cli, tmp_path: Path) -> None:
    asked = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Draw a dot."}]}
    recording = Recording(
        key=Recording.key_for("chat", asked),
        operation="chat",
        model="openai/gpt-4o-mini",
        inputs=asked,
        events=(Output("image", "image/png", PNG), Output("image-2", "text/uri-list", "https://x.test/2"), Finish()),
    )
    write_recordings(tmp_path / "tapes", [recording])
    replay = (*RUN, "--prompt", "Draw a dot.", "--replay", str(tmp_path / "tapes"))
    shown = cli(*replay)
    assert shown.out.splitlines() == ["image: image/png, 8 B", "https://x.test/2"]
    assert "use --save-dir" in shown.err
    folder = tmp_path / "saved"
    assert cli(*replay, "--save-dir", str(folder)).out.splitlines() == [
        str(folder / "image.png"),
        str(folder / "image-2.uri"),
    ]
    assert (folder / "image.png").read_bytes() == PNG
