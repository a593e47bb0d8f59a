"""`theoryctl modal run`: the envelope of any run, streams, attachments, and what may go wrong."""

from __future__ import annotations

import asyncio
import hashlib
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from grpclib import Status
from modal.types import LogEntry

from tests.conftest import REF, THEORYCTL, Cli, Ran, hearing_ctrl_c, messages
from tests.docker.conftest import error
from tests.modal.host.conftest import APP, IMAGE
from tests.modal.host.images import image_with
from tests.modal.sdk import until
from tests.modal.service import Modal
from theoryctl.errors import ModalRefused
from theoryctl.modal import calls, theoryctl_shim
from theoryctl.modal.starting import failed_start

Start = Callable[..., Ran]
Acme = Callable[..., str]
Asked = Callable[..., Ran]
MEBIBYTE = 1 << 20


def test_the_envelope_is_that_of_an_embedded_run_but_for_runtime_and_meta(start: Start, cli: Cli) -> None:
    start()
    on_modal, here = (cli(where, "run", "--ref", REF, "--json").document for where in ("modal", "local"))
    differing = {key for key in here if here[key] != on_modal[key]}
    assert differing == {"run_id", "runtime", "meta"}
    assert (on_modal["runtime"], on_modal["meta"]["image"]) == ("modal", IMAGE)
    assert on_modal["meta"]["platform"] == "linux/amd64"
    timeout = here["meta"]["resources"]["timeout"]
    assert on_modal["meta"]["resources"] == {"cpu": 1.0, "memory": 1024, "timeout": timeout}


def test_people_get_the_answer_alone_on_standard_output_whole_or_as_it_comes(start: Start, cli: Cli) -> None:
    start()
    whole, streamed = cli("modal", "run", "--ref", REF), cli("modal", "run", "--ref", REF, "--stream")
    assert whole.out == streamed.out == cli("local", "run", "--ref", REF).out
    assert f"modal: {APP} in dev" in whole.err


def test_a_stream_comes_in_pieces_while_the_provider_works(
    acme: Acme, start: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    ref = acme("Slow")
    start(ref)
    with running(environment, tmp_path / "work", "run", "--ref", ref, "--prompt", "x", "--stream") as process:
        assert process.stdout is not None
        assert process.stdout.read(4) == b"0 1 "
        assert process.poll() is None


def test_what_is_wrong_is_found_before_modal_is_asked(cli: Cli, modal: Modal) -> None:
    for more, expected in (
        (["--mode", "odd"], (2, "ERR_USAGE")),
        (["--inputs-json", "{"], (3, "ERR_INPUTS")),
        (["--attach", "a=nowhere"], (3, "ERR_ATTACHMENT")),
        (["--mode", "real"], (3, "ERR_INPUTS")),
        (["--env", "en-x"], (2, "ERR_USAGE")),
        (["--timeout", "-1"], (2, "ERR_USAGE")),
    ):
        assert error(cli("modal", "run", "--ref", REF, *more, "--json")) == expected
    assert modal.journal == []


def test_what_is_not_deployed_is_an_error_that_names_the_command(cli: Cli) -> None:
    ran = cli("modal", "run", "--ref", REF, "--json")
    assert error(ran) == (5, "ERR_FUNCTION_NOT_FOUND")
    assert ran.document["runtime"] == "modal"
    assert ran.document["error"]["hint"] == f"theoryctl modal start --ref {REF} --env dev"


def test_an_environment_that_is_not_there_is_an_error_with_the_command_that_creates_it(cli: Cli) -> None:
    for command in (["run"], ["start", "--oci", IMAGE], ["logs"], ["stop"]):
        ran = cli("modal", *command, "--ref", REF, "--env", "nope", *(["--json"] if command != ["logs"] else []))
        assert ran.status == 5
        assert "ERR_MODAL_ENVIRONMENT" in ran.err and "modal environment create nope" in ran.err


def test_a_refused_input_is_refused_there_as_it_is_here(start: Start, cli: Cli) -> None:
    start()
    bad = ["--inputs-json", messages("x", temprature=1), "--json"]
    on_modal, here = (cli(where, "run", "--ref", REF, *bad) for where in ("modal", "local"))
    assert (on_modal.status, on_modal.document["error"]) == (here.status, here.document["error"])


# -- attachments ------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    sizes = {"small": 1000, "edge": MEBIBYTE - 1000, "large": MEBIBYTE + 1, "other": 3 * MEBIBYTE}
    made = {}
    for name, size in sizes.items():
        made[name] = tmp_path / f"{name}.bin"
        made[name].write_bytes(name.encode() + bytes(range(250)) * (size // 250 + 1))
        with made[name].open("r+b") as file:
            file.truncate(size)
    return made


def attached(*files: Path) -> list[str]:
    return [word for file in files for word in ("--attach", f"{file.stem}={file}")]


def digests(*files: Path) -> str:
    return "".join(f"{file.stem} {hashlib.sha256(file.read_bytes()).hexdigest()}\n" for file in files)


def test_small_attachments_travel_inside_the_call(
    acme: Acme, start: Start, asked: Asked, modal: Modal, files: dict[str, Path]
) -> None:
    ref = acme("Files")
    start(ref)
    ran = asked(ref, "x", "--mode", "real", *attached(files["small"], files["edge"]))
    assert ran.out.strip() == digests(files["small"], files["edge"]).strip()
    assert uploads(modal) == []


def test_large_ones_go_through_the_volume_once_and_are_seen_by_a_container_that_is_older(
    acme: Acme, start: Start, asked: Asked, modal: Modal, cli: Cli, files: dict[str, Path]
) -> None:
    ref = acme("Files")
    start(ref)
    once: list[str] = []
    for _ in range(2):
        ran = asked(ref, "x", "--mode", "real", *attached(files["large"], files["small"]))
        assert ran.out.strip() == digests(files["large"], files["small"]).strip()
        once = once or uploads(modal)
    assert uploads(modal) == once
    assert set(once) == {f"sha256/{hashlib.sha256(files['large'].read_bytes()).hexdigest()}"}
    assert modal.requests("VolumeReload") == []
    assert asked(ref, "x", "--mode", "real", *attached(files["other"])).out.strip() == digests(files["other"]).strip()
    assert (len(set(uploads(modal))), len(modal.requests("VolumeReload"))) == (2, 1)
    assert cli("modal", "stop", "--ref", ref).status == 0
    assert modal.volumes() == {}


def test_in_mock_mode_nothing_is_uploaded_for_the_digest_is_all_that_counts(
    start: Start, cli: Cli, modal: Modal, files: dict[str, Path]
) -> None:
    start()
    said = [cli(where, "run", "--ref", REF, *attached(*files.values()), "--json") for where in ("modal", "local")]
    assert said[0].document["outputs"] == said[1].document["outputs"]
    assert said[0].document["meta"]["attachments"] == said[1].document["meta"]["attachments"]
    assert uploads(modal) == []


def uploads(modal: Modal) -> list[str]:
    """Where files were put in volumes."""
    return [file.path for request in modal.requests("VolumePutFiles2") for file in request.files if file.size]


# -- failures ---------------------------------------------------------------------------------------------------------


def running(environment: dict[str, str], folder: Path, *command: str) -> Any:
    """A command under way, which is killed at the end of the block."""

    class Running(subprocess.Popen[bytes]):
        def __exit__(self, *error: Any) -> None:
            self.kill()
            super().__exit__(*error)

    with hearing_ctrl_c():
        line = [str(THEORYCTL), "modal", *command]
        return Running(line, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _interrupt_without_cancel(modal: Modal, process: subprocess.Popen[bytes]) -> None:
    modal.refuse("FunctionCallCancel", Status.UNIMPLEMENTED)
    process.send_signal(signal.SIGINT)


Break = Callable[[Modal, subprocess.Popen[bytes]], None]
BREAKS: dict[str, tuple[Break, int, str]] = {
    "Ctrl-C": (lambda _, process: process.send_signal(signal.SIGINT), 130, "ERR_INTERRUPTED"),
    "Ctrl-C, and Modal ends no call": (_interrupt_without_cancel, 130, "ERR_INTERRUPTED"),
    "the network gone": (lambda modal, _: modal.go_away(), 5, "ERR_MODAL_UNAVAILABLE"),
    "the container killed": (lambda modal, _: modal.kill_container(), 5, "ERR_MODAL_UNAVAILABLE"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_breaks_off_in_the_middle_is_an_error_with_an_exit_status(
    name: str, acme: Acme, start: Start, modal: Modal, environment: dict[str, str], tmp_path: Path
) -> None:
    what, status, code = BREAKS[name]
    ref = acme("Slow")
    start(ref)
    with running(environment, tmp_path / "work", "run", "--ref", ref, "--prompt", "x", "--stream") as process:
        assert process.stdout is not None
        process.stdout.read(4)
        begin = time.monotonic()
        what(modal, process)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, code in err.decode()) == (status, True), err.decode()
    assert b"Traceback" not in err and b"99" not in out
    assert time.monotonic() - begin < 30
    until(lambda: not any(container.inputs for container in modal.containers()))
    assert ("part 99" in modal.logs) == (name == "the network gone"), "the call goes on, and nobody listens"


def test_a_provider_that_fails_is_an_error_of_its_own(acme: Acme, start: Start, asked: Asked) -> None:
    ref = acme("Raise")
    start(ref)
    ran = asked(ref, "x", "--json")
    assert error(ran) == (1, "ERR_PROVIDER")
    assert "a bug of the provider's" in ran.document["error"]["message"]


WHOLE = "".join(f"{number} " for number in range(20))
CRASHES = {
    "once, before a part was shown": ("0 1", (0, None), WHOLE),
    "once, after a part was shown": ("3 1", (5, "ERR_MODAL_UNAVAILABLE"), "0 1 2 "),
    "each time, before a part was shown": ("0 9", (1, "ERR_PROVIDER"), ""),
    "each time, after a part was shown": ("3 9", (1, "ERR_PROVIDER"), "0 1 2 "),
}


@pytest.mark.parametrize("crash", CRASHES)
def test_a_request_whose_container_is_lost_runs_once_more_and_two_answers_are_never_mixed(
    crash: str, acme: Acme, start: Start, asked: Asked, tmp_path: Path
) -> None:
    what, (status, code), shown = CRASHES[crash]
    begun = tmp_path / "begun"
    ref = acme("Crash")
    start(ref)
    ran = asked(ref, f"{what} {begun}", "--stream")
    assert (ran.status, code is None or code in ran.err) == (status, True), ran.err
    assert ran.out.strip() == shown.strip()
    assert begun.read_text() == "xx"


def test_a_request_that_is_interrupted_while_its_container_starts_is_never_run(
    acme: Acme, start: Start, modal: Modal, environment: dict[str, str], tmp_path: Path
) -> None:
    ref, begun = acme("Crash"), tmp_path / "begun"
    start(ref)
    modal.hold_containers()
    with running(environment, tmp_path / "work", "run", "--ref", ref, "--prompt", f"99 0 {begun}") as process:
        until(lambda: modal.requests("FunctionMap"))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, b"ERR_INTERRUPTED" in err) == (130, True), err.decode()
    modal.release_containers()
    until(lambda: modal.requests("FunctionPutOutputs"))
    assert not begun.exists()


def test_a_container_that_cannot_start_is_told_with_the_last_lines_of_its_log(
    start: Start, cli: Cli, modal: Modal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(calls, "LOOK_SECONDS", 0.3)
    broken = tmp_path / "python"
    broken.write_text(
        "#!/bin/sh\necho 'Traceback (most recent call last)'\necho 'ImportError: no such library'\nexit 1\n"
    )
    broken.chmod(0o755)
    modal.image_python = str(broken)
    start()
    ran = cli("modal", "run", "--ref", REF, "--json")
    assert error(ran) == (1, "ERR_PROVIDER")
    assert "cannot start" in ran.document["error"]["message"]
    assert "ImportError: no such library" in ran.document["error"]["message"]
    assert "modal logs" in ran.document["error"]["hint"]


def test_a_container_of_another_request_that_fails_or_is_slow_says_nothing_of_this_one() -> None:
    now = datetime.now(timezone.utc)
    entries = [
        LogEntry("Traceback (most recent call last)\n", now, "stderr", "fu-1", ["fc-1", "in-1", "ta-1"]),
        LogEntry("a warning\n", now, "stderr", "fu-1", ["ta-2"]),
        LogEntry("another\n", now, "stderr", "fu-1", ["ta-3"]),
    ]
    assert failed_start(entries) == []
    entries.append(LogEntry("Runner failed with exit code: 2\n", now, "system", "fu-1", ["ta-3"]))
    assert failed_start(entries) == ["another", "Runner failed with exit code: 2"]


def test_an_app_that_an_older_theoryctl_deployed_is_told_and_not_taken_for_a_bug() -> None:
    with pytest.raises(ModalRefused, match="another version of theoryctl"):
        calls.Order().take({"event": "event: started"})


def test_who_waits_for_a_container_is_told_so(
    start: Start, cli: Cli, modal: Modal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "LOOK_SECONDS", 0.3)
    start()
    modal.hold_containers()
    threading.Timer(1, modal.release_containers).start()
    ran = cli("modal", "run", "--ref", REF)
    assert ran.status == 0
    assert "the container is starting (1 s)" in ran.err
    assert re.search(r"the container has started, after \d+ s", ran.err)


def test_a_request_that_begins_after_its_caller_gave_up_is_refused() -> None:
    call = {"until": time.time() - 1, "image": IMAGE}

    async def items() -> list[dict[str, Any]]:
        return [item async for item in theoryctl_shim.generate(call)]

    assert asyncio.run(items())[-1]["error"]["code"] == "ERR_TIMEOUT"


def test_a_provider_that_hangs_is_ended_by_modal(acme: Acme, start: Start, asked: Asked) -> None:
    ref = acme("Hang", timeout=1)
    start(ref)
    ran = asked(ref, "x", "--json")
    assert error(ran) == (124, "ERR_TIMEOUT")
    assert "resources.timeout" in ran.document["error"]["hint"]


def test_more_time_than_it_was_deployed_for_is_refused(start: Start, cli: Cli) -> None:
    start()
    assert cli("modal", "run", "--ref", REF, "--timeout", "120").status == 0
    ran = cli("modal", "run", "--ref", REF, "--timeout", "121", "--json")
    assert error(ran) == (2, "ERR_USAGE")
    assert "resources.timeout" in ran.document["error"]["hint"]


def test_an_image_without_theoryctls_code_is_an_error_that_says_so(
    start: Start, cli: Cli, modal: Modal, tmp_path: Path
) -> None:
    site = tmp_path / "broken" / "theoryctl_providers"
    site.mkdir(parents=True)
    (site / "__init__.py").write_text("raise ImportError('no such library')")
    modal.image_python = image_with(tmp_path, site.parent)
    start()
    ran = cli("modal", "run", "--ref", REF, "--json")
    assert error(ran) == (1, "ERR_PROVIDER")
    assert "no such library" in ran.document["error"]["message"]


def test_requests_at_the_same_time_share_a_container_and_each_gets_its_own_answer(
    start: Start, theoryctl: Cli, modal: Modal, acme: Acme
) -> None:
    ref = acme("Slow")
    start(ref)

    def ask(words: str) -> Ran:
        return theoryctl("modal", "run", "--ref", ref, "--prompt", words, "--json")

    assert ask("x").status == 0
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(ask, ("a", "b"))
    assert len(modal.containers()) == 1
    assert (first.status, first.document["outputs"]) == (0, second.document["outputs"])


def test_the_token_may_be_in_modals_own_file(
    start: Start, theoryctl: Cli, modal: Modal, environment: dict[str, str], tmp_path: Path
) -> None:
    start()
    token, secret = (environment.pop(name) for name in ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"))
    file = tmp_path / "modal.toml"
    environment["MODAL_CONFIG_PATH"] = str(file)
    file.write_text(f'[default]\ntoken_id = "{token}"\ntoken_secret = "{secret}"\n')
    assert theoryctl("modal", "run", "--ref", REF).status == 0
    for broken in ("[default", 'token_id = "x"'):
        file.write_text(broken)
        assert error(theoryctl("modal", "run", "--ref", REF, "--json")) == (4, "ERR_MODAL_AUTH")


@pytest.mark.parametrize("variables", [{"MODAL_TOKEN_ID": ""}, {"MODAL_TOKEN_SECRET": ""}, {"MODAL_TOKEN_ID": "wrong"}])
def test_without_a_valid_token_there_is_an_error_at_once(cli: Cli, modal: Modal, variables: dict[str, str]) -> None:
    begin = time.monotonic()
    for command in (["run", "--ref", REF], ["status"], ["start", "--ref", REF, "--oci", IMAGE]):
        ran = cli("modal", *command, "--json", env=variables)
        assert error(ran) == (4, "ERR_MODAL_AUTH")
        assert "modal token new" in ran.document["error"]["hint"]
    assert time.monotonic() - begin < 15
    assert modal.apps() == {}


def test_a_token_that_was_revoked_is_an_error(start: Start, cli: Cli, modal: Modal) -> None:
    start()
    modal.revoke()
    assert error(cli("modal", "run", "--ref", REF, "--json")) == (4, "ERR_MODAL_AUTH")


def test_a_modal_that_does_not_answer_is_given_up_within_seconds(cli: Cli, modal: Modal) -> None:
    for vanish in (partial(modal.hang, "ClientHello"), modal.go_away):
        vanish()
        begin = time.monotonic()
        ran = cli("modal", "run", "--ref", REF, "--json")
        assert error(ran) == (5, "ERR_MODAL_UNAVAILABLE")
        assert ran.document["error"]["retryable"] is True
        assert 4 < time.monotonic() - begin < 12
    modal.come_back()


@pytest.mark.parametrize(
    ("method", "status", "expected"),
    [
        ("FunctionMap", Status.RESOURCE_EXHAUSTED, (5, "ERR_MODAL_UNAVAILABLE")),
        ("FunctionMap", Status.UNAVAILABLE, (5, "ERR_MODAL_UNAVAILABLE")),
        ("ClientHello", Status.RESOURCE_EXHAUSTED, (5, "ERR_MODAL_UNAVAILABLE")),
        ("AppGetOrCreate", Status.PERMISSION_DENIED, (4, "ERR_PERMISSION")),
        ("AppGetTags", Status.INVALID_ARGUMENT, (5, "ERR_MODAL")),
    ],
)
def test_what_modal_refuses_is_said_in_its_own_words(
    method: str, status: Status, expected: tuple[int, str], start: Start, cli: Cli, modal: Modal
) -> None:
    start()
    modal.refuse(method, status, message="because of the weather")
    ran = cli("modal", "run", "--ref", REF, "--json")
    assert error(ran) == expected
    assert "because of the weather" in ran.document["error"]["message"]


def test_a_request_is_tried_again_where_modal_was_away_for_a_moment(start: Start, cli: Cli, modal: Modal) -> None:
    start()
    modal.refuse("FunctionMap", Status.UNAVAILABLE, times=1)
    assert cli("modal", "run", "--ref", REF).status == 0
