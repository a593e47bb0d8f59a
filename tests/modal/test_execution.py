"""Calls that the tests' own Modal executes, and their ends."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.modal.sdk import Calling, Remote, Sdk, is_answered
from tests.modal.service import Modal
from tests.waiting import until

# What is executed, and where.


def test_a_deployed_function_runs_in_a_process_of_its_own(remote: Remote, modal: Modal) -> None:
    remote.deploy("print('written', flush=True); yield os.getpid(); yield it")
    first, second = remote.call({"a": [1]})
    assert second == {"a": [1]}
    assert [first] == [container.pid for container in modal.containers()]
    assert remote.call()[0] == first, "the container is used again"
    assert modal.logs.count("written\n") == 2


def test_a_container_has_one_file_in_root_and_leaves_the_machine_as_it_was(remote: Remote) -> None:
    before = sorted(os.listdir("/")), sorted(os.listdir(Path.home()))
    volume = "modal.Volume.from_name('files', create_if_missing=True, environment_name='dev')"
    remote.deploy("yield [os.getcwd(), __file__, os.listdir('/new/files')]", f"volumes={{'/new/files': {volume}}}")
    assert remote.call() == [["/root", "/root/remote.py", []]]
    assert (sorted(os.listdir("/")), sorted(os.listdir(Path.home()))) == before


def test_a_container_has_its_secrets_and_its_image_s_env_and_nothing_of_this_machine_s(
    remote: Remote, sdk: Sdk
) -> None:
    sdk("modal.Secret.objects.create('keys', {'KEY': 'canary'}, environment_name='dev')")
    secret = "modal.Secret.from_name('keys', environment_name='dev')"
    remote.deploy("yield dict(os.environ)", f"secrets=[{secret}], env={{'GIVEN': 'too'}}", OF_MINE="x")
    (found,) = remote.call()
    assert (found["KEY"], found["GIVEN"], found["MODAL_ENVIRONMENT"]) == ("canary", "too", "dev")
    assert not {"OF_MINE", "MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"} & set(found)


def test_large_values_travel_as_blobs_in_both_directions(remote: Remote, modal: Modal) -> None:
    remote.deploy("yield len(it); yield 'y' * 3_000_000")
    assert remote.call("'x' * 3_000_000") == [3_000_000, "y" * 3_000_000]
    assert {entry.container == "" for entry in modal.journal if entry.method == "BlobCreate"} == {True, False}


def test_items_arrive_while_the_function_still_runs(remote: Remote, calling: Calling, modal: Modal) -> None:
    remote.deploy("yield 'first'; time.sleep(60)")
    calling()
    assert len(modal.containers()) == 1


def test_what_the_function_raises_is_raised_for_the_caller(remote: Remote) -> None:
    remote.deploy("yield 1; raise ValueError('from afar')")
    assert remote.fail() == "modal.exception.RemoteError: ValueError('from afar')"


def test_a_function_that_cannot_be_imported_says_why(remote: Remote) -> None:
    remote.deploy("yield 1", "include_source=False")
    assert remote.fail() == "ModuleNotFoundError: No module named 'remote'"


def test_another_python_can_stand_for_the_image(remote: Remote, modal: Modal, image_python: str) -> None:
    modal.image_python = image_python
    remote.deploy("yield sys.version_info[:2]; yield sys.prefix")
    version, prefix = remote.call()
    assert prefix == str(Path(image_python).parent.parent)
    assert version != list(sys.version_info[:2])


def test_there_is_a_container_for_each_input_until_there_are_as_many_as_may_be(
    remote: Remote, calling: Calling, modal: Modal
) -> None:
    modal.cancel_unheard_calls()
    remote.deploy("yield 'first'; time.sleep(60)", "max_containers=2")
    first = calling()
    calling()
    assert len(modal.containers()) == 2
    third = calling(waits=True)
    first.kill()
    assert is_answered(third), "it has the container of the first"
    assert len(modal.containers()) == 2


def test_inputs_share_a_container_where_the_function_allows_it(remote: Remote, calling: Calling, modal: Modal) -> None:
    remote.deploy("yield 'first'; time.sleep(60)", wrap="modal.concurrent(max_inputs=2)")
    calling()
    calling()
    assert len(modal.containers()) == 1


# How a call ends otherwise.


def test_an_input_whose_container_is_killed_runs_anew_and_its_caller_gets_the_items_that_it_has_not_had(
    remote: Remote, calling: Calling, modal: Modal
) -> None:
    remote.deploy("yield 'first'; time.sleep(1); yield 'second'")
    process = calling()
    modal.kill_container()
    assert process.communicate()[0] == '"second"\n'
    assert len({entry.container for entry in modal.journal if entry.method == "FunctionCallPutDataOut"}) == 2


def test_the_attempts_at_an_input_can_be_limited(remote: Remote, calling: Calling, modal: Modal) -> None:
    modal.limit_attempts(1)
    remote.deploy("yield 'first'; time.sleep(it or 60)")
    process = calling()
    modal.kill_container()
    assert re.search(r"InternalFailure: Container ta-\w+ ended in the middle of a call", process.communicate()[1])
    assert remote.call(0.01) == ["first"]


def test_an_input_that_takes_too_long_is_a_timeout(remote: Remote, modal: Modal) -> None:
    remote.deploy("yield 1; time.sleep(60)", "timeout=1, startup_timeout=60")
    assert re.fullmatch(r"modal.exception.FunctionTimeoutError: Task's .* in-\w+ hit its timeout of 1s", remote.fail())
    until(lambda: "Successfully canceled input" in modal.logs)
    assert len(modal.containers()) == 1, "the container may go on"


def test_a_container_that_does_not_hear_is_killed_after_a_timeout(remote: Remote, modal: Modal) -> None:
    deaf = "import signal; signal.signal(signal.SIGUSR1, signal.SIG_IGN); yield 1; time.sleep(60)"
    remote.deploy(deaf, "timeout=1, startup_timeout=60")
    assert "FunctionTimeoutError" in remote.fail()
    until(lambda: not modal.containers())


def test_a_container_that_does_not_come_up_in_time_is_a_timeout(remote: Remote, modal: Modal) -> None:
    remote.deploy("yield 1", "startup_timeout=1")
    (Path(modal.folder) / "python").write_text("#!/bin/sh\nsleep 60\n")
    (Path(modal.folder) / "python").chmod(0o755)
    modal.image_python = str(modal.folder / "python")
    assert remote.fail() == "modal.exception.FunctionTimeoutError: Container did not start in 1s"


def test_a_call_that_nobody_listens_to_any_more_can_be_cancelled(
    remote: Remote, calling: Calling, modal: Modal
) -> None:
    modal.cancel_unheard_calls()
    remote.deploy("yield 'first'; time.sleep(60)")
    process = calling()
    process.kill()  # the client may miss a SIGINT that comes while it prints
    process.wait()
    until(lambda: "Successfully canceled input" in modal.logs)
    assert len(modal.containers()) == 1


# What is left behind.


def test_nothing_is_left_behind_even_when_the_test_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Modal() as service:
        kept = service.folder
        remote = Remote(Sdk(service, tmp_path))
        remote.deploy("yield os.getpid()")
        (pid,) = remote.call()
        raise RuntimeError
    assert not kept.exists()
    assert not Path(f"/proc/{pid}").exists()
