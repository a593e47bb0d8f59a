"""The tests' own Modal, held against modal's real client and container entrypoint."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from grpclib import Status

from tests.modal.conftest import Sdk, client
from tests.modal.service import Modal

DIGEST = "sha256:" + "a" * 64
DEPLOY = """
import sys
sys.path.insert(0, ".")
import remote
image = modal.Image.from_registry("registry.test/provider@{digest}").entrypoint([])
app = modal.App({name!r})
app.function(image=image, {options})(remote.answer)
app.deploy(environment_name={environment!r}, tag={tag!r})
"""
CALL = """
import json
for item in modal.Function.from_name({name!r}, "answer", environment_name={environment!r}).remote_gen({argument}):
    print(json.dumps(item), flush=True)
"""


class Remote:
    """A function that is deployed and called."""

    def __init__(self, sdk: Sdk, folder: Path) -> None:
        self.sdk = sdk
        self.folder = folder

    def deploy(
        self, body: str, options: str = "", name: str = "app", environment: str = "dev", tag: str = "", **how: Any
    ) -> str:
        """Deploy a generator of one argument, `it`, with this body; returns what the client said of a failure."""
        body = textwrap.indent(textwrap.dedent(body), "    ")
        (self.folder / "remote.py").write_text(f"import modal, os, sys, time\ndef answer(it):\n{body}\n")
        values = {"name": name, "options": options, "environment": environment, "tag": tag, "digest": DIGEST}
        return self.sdk(DEPLOY.format(**values), **how).err

    def call(self, argument: object = None, name: str = "app", environment: str = "dev") -> list[Any]:
        """The items that it yields."""
        return [json.loads(line) for line in self.sdk(_call(argument, name, environment)).out.splitlines()]

    def fail(self, argument: object = None, name: str = "app", environment: str = "dev") -> str:
        """The last line of the traceback of a call."""
        return self.sdk(_call(argument, name, environment), fails=True).err.strip().splitlines()[-1]


def _call(argument: object = None, name: str = "app", environment: str = "dev") -> str:
    return CALL.format(name=name, environment=environment, argument=argument)


@pytest.fixture
def remote(sdk: Sdk, tmp_path: Path) -> Remote:
    return Remote(sdk, tmp_path)


@pytest.fixture
def calling(modal: Modal, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start a call, and return once its first item is there."""
    started = []

    def start() -> subprocess.Popen[str]:
        environment = {**os.environ, **modal.variables, "MODAL_PAYLOAD_FORMAT": "cbor"}
        argv = [sys.executable, "-c", f"import modal\n{_call()}"]
        pipe = subprocess.PIPE
        process = subprocess.Popen(argv, env=environment, cwd=tmp_path, text=True, stdout=pipe, stderr=pipe)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == '"first"\n'
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def until(true: Callable[[], Any]) -> None:
    """Wait for something that happens within seconds."""
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


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
    assert remote.sdk(_call("'x' * 3_000_000")).out.split() == ["3000000", json.dumps("y" * 3_000_000)]
    assert {entry.container == "" for entry in modal.journal if entry.method == "BlobCreate"} == {True, False}


def test_items_arrive_while_the_function_still_runs(
    remote: Remote, calling: Callable[[], subprocess.Popen[str]], modal: Modal
) -> None:
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


# How a call ends otherwise.


def test_a_container_that_is_killed_ends_its_call_and_the_next_one_gets_another(
    remote: Remote, calling: Callable[[], subprocess.Popen[str]], modal: Modal
) -> None:
    remote.deploy("yield 'first'; time.sleep(it or 60)")
    process = calling()
    modal.kill_container()
    assert re.search(r"InternalFailure: Container ta-\w+ ended in the middle of a call", process.communicate()[1])
    assert remote.call(0.01) == ["first"]


def test_an_input_that_takes_too_long_is_a_timeout(remote: Remote, modal: Modal) -> None:
    remote.deploy("yield 1; time.sleep(60)", "timeout=1")
    assert re.fullmatch(r"modal.exception.FunctionTimeoutError: Task's .* in-\w+ hit its timeout of 1s", remote.fail())
    until(lambda: "Successfully canceled input" in modal.logs)
    assert len(modal.containers()) == 1, "the container may go on"


def test_a_container_that_does_not_hear_is_killed_after_a_timeout(remote: Remote, modal: Modal) -> None:
    deaf = "import signal; signal.signal(signal.SIGUSR1, signal.SIG_IGN); yield 1; time.sleep(60)"
    remote.deploy(deaf, "timeout=1")
    assert "FunctionTimeoutError" in remote.fail()
    until(lambda: not modal.containers())


def test_a_container_that_does_not_come_up_in_time_is_a_timeout(remote: Remote, modal: Modal) -> None:
    remote.deploy("yield 1", "startup_timeout=1")
    (Path(modal.folder) / "python").write_text("#!/bin/sh\nsleep 60\n")
    (Path(modal.folder) / "python").chmod(0o755)
    modal.image_python = str(modal.folder / "python")
    assert remote.fail() == "modal.exception.FunctionTimeoutError: Container did not start in 1s"


def test_a_call_that_nobody_listens_to_any_more_is_cancelled(
    remote: Remote, calling: Callable[[], subprocess.Popen[str]], modal: Modal
) -> None:
    remote.deploy("yield 'first'; time.sleep(60)")
    process = calling()
    process.send_signal(signal.SIGINT)
    process.wait()
    until(lambda: "Successfully canceled input" in modal.logs)
    assert len(modal.containers()) == 1


# Apps.


def test_the_image_s_digest_and_the_deployment_s_tag_are_written_down(remote: Remote, modal: Modal) -> None:
    remote.deploy("yield 1", tag="first")
    assert modal.dockerfile("app") == [f"FROM registry.test/provider@{DIGEST}", "FROM base", "ENTRYPOINT []"]
    assert [one.deployment_tag for one in modal.apps()["app"].deployments] == ["first"]


def test_a_second_deployment_takes_the_place_of_the_first(remote: Remote, modal: Modal) -> None:
    remote.deploy("yield 'old'")
    assert remote.call() == ["old"]
    before = modal.apps()["app"].id
    remote.deploy("yield 'new'")
    assert remote.call() == ["new"]
    assert modal.apps()["app"].id == before
    until(lambda: len(modal.containers()) == 1)


def test_the_first_deployment_s_calls_go_on_beside_the_second(
    remote: Remote, calling: Callable[[], subprocess.Popen[str]], modal: Modal
) -> None:
    remote.deploy("yield 'first'; time.sleep(5); yield 'second'")
    process = calling()
    remote.deploy("yield 'new'")
    assert remote.call() == ["new"]
    assert process.communicate()[0] == '"second"\n'
    until(lambda: len(modal.containers()) == 1)


def test_apps_and_environments_stand_side_by_side(remote: Remote, modal: Modal) -> None:
    remote.deploy("yield 'one'", name="one")
    remote.deploy("yield 'two'", name="two")
    remote.deploy("yield 'main'", name="two", environment="main")
    assert [remote.call(name="one"), remote.call(name="two"), remote.call(name="two", environment="main")] == [
        ["one"],
        ["two"],
        ["main"],
    ]
    assert (set(modal.apps()), set(modal.apps("main"))) == ({"one", "two"}, {"two"})


def test_an_app_is_found_tagged_and_stopped(
    remote: Remote, sdk: Sdk, calling: Callable[[], subprocess.Popen[str]], modal: Modal
) -> None:
    remote.deploy("yield 'first'; time.sleep(60)")
    process = calling()
    text = """
    apps = modal.Environment.from_name("dev").apps
    app = modal.App.lookup("app", environment_name="dev")
    app.set_tags({"key": "value"})
    print([one.name for one in apps.list()], app.get_tags(), app.info().lifecycle.version)
    app.stop()
    print(apps.list())
    """
    assert sdk(text).out == "['app'] {'key': 'value'} 1\n[]\n"
    assert "RemoteError: App was stopped" in process.communicate()[1]
    until(lambda: not modal.containers())
    assert "App 'app' not found in environment 'dev'" in remote.fail()


def test_an_image_that_cannot_be_had_fails_the_deployment(remote: Remote, modal: Modal) -> None:
    modal.fail_builds("manifest unknown\n")
    assert "ImageBuildError: Image build for im-" in remote.deploy("yield 1", fails=True)
    assert modal.apps() == {}


# Logs.


def test_logs_are_there_while_the_function_runs(
    remote: Remote, sdk: Sdk, calling: Callable[[], subprocess.Popen[str]], modal: Modal
) -> None:
    remote.deploy("print('out'); print('err', file=sys.stderr); yield 'first'; time.sleep(60)")
    calling()
    text = """
    from datetime import datetime, timedelta, timezone
    now = datetime.now(timezone.utc)
    logs = modal.App.lookup("app", environment_name="dev").logs
    print(sorted((entry.source, entry.message) for entry in logs.tail(10)))
    print([entry.message for entry in logs.fetch(since=now - timedelta(hours=1), until=now, source="stderr")])
    print(sorted(entry.message for entry in logs.stream(timeout=0.5)))
    """
    until(lambda: "out" in modal.logs and "err" in modal.logs)
    assert sdk(text).out.splitlines() == [
        r"[('stderr', 'err\n'), ('stdout', 'out\n')]",
        r"['err\n']",
        r"['err\n', 'out\n']",
    ]


# Secrets.


def test_a_secret_is_created_merged_listed_and_deleted(sdk: Sdk, modal: Modal) -> None:
    sdk("""
    secrets, where = modal.Secret.objects, {"environment_name": "dev"}
    secrets.create("keys", {"A": "1", "B": "2"}, **where)
    secrets.create("keys", {"C": "3"}, allow_existing=True, **where)
    secret = modal.Secret.from_name("keys", required_keys=["A"], **where)
    secret.hydrate()
    secret.update({"B": "4", "D": "5"})
    assert [one.name for one in secrets.list(**where)] == ["keys"]
    """)
    assert modal.secrets() == {"keys": {"A": "1", "B": "4", "D": "5"}}
    sdk("modal.Secret.objects.delete('keys', environment_name='dev')")
    assert modal.secrets() == {}


def test_a_deleted_secret_is_gone_for_what_was_deployed_with_it(remote: Remote, sdk: Sdk) -> None:
    sdk("modal.Secret.objects.create('keys', {'KEY': '1'}, environment_name='dev')")
    remote.deploy("yield 1", "secrets=[modal.Secret.from_name('keys', environment_name='dev')]")
    sdk("""
    modal.Secret.objects.delete("keys", environment_name="dev")
    modal.Secret.objects.create("keys", {"KEY": "2"}, environment_name="dev")
    """)
    assert re.fullmatch(r"modal.exception.RemoteError: Secret st-\w+ not found", remote.fail())


def test_the_journal_does_not_show_a_value_by_itself(sdk: Sdk, modal: Modal) -> None:
    sdk("modal.Secret.objects.create('keys', {'KEY': 'canary'})")
    assert "canary" in str(modal.requests("SecretGetOrCreate"))
    assert "canary" not in repr(modal.journal)
    assert "canary" not in repr(modal._state.secrets)


# Volumes.

_FILL = """
import io
volume = modal.Volume.from_name("files", create_if_missing=True, environment_name="dev", version={version})
with volume.batch_upload() as batch:
    batch.put_file(io.BytesIO(b"small"), "/a/small")
    batch.put_file(io.BytesIO(bytes(9_000_000) + b"end"), "/large")
"""


@pytest.mark.parametrize("version", [1, 2])
def test_files_go_to_a_volume_and_come_back(sdk: Sdk, modal: Modal, version: int) -> None:
    sdk(_FILL.format(version=version))
    folder = modal.volumes()["files"]
    assert (folder / "a/small").read_bytes() == b"small"
    text = """
    volume = modal.Volume.from_name("files", environment_name="dev")
    print(sorted((entry.path, entry.size) for entry in volume.listdir("/", recursive=True) if entry.type == 1))
    data = b"".join(volume.read_file("large"))
    assert data == bytes(9_000_000) + b"end"
    volume.remove_file("/a", recursive=True)
    try:
        volume.listdir("/a")
    except modal.exception.NotFoundError as error:
        print(error)
    modal.Volume.objects.delete("files", environment_name="dev")
    """
    assert sdk(text).out.splitlines() == ["[('a/small', 5), ('large', 9000003)]", "No such file or directory: '/a'"]
    assert modal.volumes() == {}


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_is_not_overwritten_unless_that_is_asked_for(sdk: Sdk, version: int) -> None:
    sdk(_FILL.format(version=version))
    assert "FileExistsError: '/a/small' already exists" in sdk(_FILL.format(version=version), fails=True).err
    sdk(_FILL.format(version=version).replace("batch_upload()", "batch_upload(force=True)"))


def test_a_container_sees_a_new_file_once_it_looks_again(remote: Remote, sdk: Sdk, modal: Modal) -> None:
    sdk("modal.Volume.objects.create('files', environment_name='dev')")
    body = """
    volume = modal.Volume.from_name("files", environment_name="dev")
    if it == "look again":
        volume.reload()
    elif it == "write":
        open("/data/files/mine", "w").close()
        volume.commit()
    elif it == "with an open file":
        kept = open("/data/files/large")
        volume.reload()
    yield sorted(os.listdir("/data/files"))
    """
    remote.deploy(body, "volumes={'/data/files': modal.Volume.from_name('files', environment_name='dev')}")
    assert remote.call("'at first'") == [[]]
    sdk(_FILL.format(version=2))
    assert remote.call("'once more'") == [[]]
    assert remote.call("'look again'") == [["a", "large"]]
    assert remote.call("'write'") == [["a", "large", "mine"]]
    assert (modal.volumes()["files"] / "mine").exists()
    assert "open files" in remote.fail("'with an open file'")


# What is refused.


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modal.App.lookup('none', environment_name='prod')", "NotFoundError: Environment 'prod' not found"),
        (
            "modal.App.lookup('none', environment_name='dev')",
            "NotFoundError: App 'none' not found in environment 'dev'",
        ),
        ("modal.Secret.from_name('none').hydrate()", "NotFoundError: Secret 'none' not found in environment 'main'"),
        ("modal.Secret.from_name('x' * 65).hydrate()", "InvalidError: Invalid Secret name: "),
        ("modal.Secret.from_name('a b').hydrate()", "InvalidError: Invalid Secret name: "),
        ("modal.Volume.from_name('none').hydrate()", "NotFoundError: Volume 'none' not found in environment 'main'"),
        (
            "modal.Secret.objects.create('keys', {'A': '1'})\n"
            "modal.Secret.from_name('keys', required_keys=['A', 'B', 'C']).hydrate()",
            "NotFoundError: Secret is missing key(s): B, C",
        ),
        (
            "modal.Secret.objects.create('keys', {})\nmodal.Secret.objects.create('keys', {})",
            "AlreadyExistsError: Secret 'keys' already exists in environment 'main'",
        ),
        ("modal.Environment.objects.create('dev')", "AlreadyExistsError: Environment 'dev' already exists"),
        ("modal.Environment.from_name('none').hydrate()", "NotFoundError: Environment 'none' not found"),
        ("modal.Queue.from_name('none').hydrate()", "UnimplementedError: the tests' Modal has no QueueGetOrCreate"),
    ],
)
def test_a_refusal_says_what_was_refused(sdk: Sdk, text: str, said: str) -> None:
    assert said in sdk(text, fails=True).err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("rpc", "said"),
    [
        ("AppPublish(request(app_id=app, name='x' * 65))", "Invalid App name"),
        ("AppPublish(request(app_id=app, name='a', deployment_tag='x' * 51))", "Invalid tag"),
        ("AppPublish(request(app_id=app, name='a', tags={'key': 'x' * 64}))", "Invalid tag"),
        ("AppSetTags(request(app_id=app, tags={'key': 'a b'}))", "Invalid tag"),
        ("VolumeGetOrCreate(request(deployment_name='x' * 65, object_creation_type=1))", "Invalid Volume name"),
    ],
)
def test_what_the_client_refuses_itself_is_refused_here_as_well(sdk: Sdk, rpc: str, said: str) -> None:
    name = rpc.partition("(")[0]
    sdk(f"""
    import asyncio, os, grpclib.client
    from modal_proto import api_grpc, api_pb2
    async def main():
        host, port = os.environ["MODAL_SERVER_URL"].removeprefix("http://").split(":")
        token = {{f"x-modal-token-{{it}}": os.environ[f"MODAL_TOKEN_{{it.upper()}}"] for it in ("id", "secret")}}
        async with grpclib.client.Channel(host, int(port)) as channel:
            stub = api_grpc.ModalClientStub(channel)
            app = (await stub.AppCreate(api_pb2.AppCreateRequest(), metadata=token)).app_id
            request = api_pb2.{name}Request
            try:
                await stub.{rpc[:-1]}, metadata=token)
            except grpclib.GRPCError as error:
                assert error.status.name == "INVALID_ARGUMENT" and {said!r} in error.message, error
            else:
                raise AssertionError("it was taken")
    asyncio.run(main())
    """)


@pytest.mark.parametrize("variables", [{"MODAL_TOKEN_SECRET": "as-wrong"}, {"MODAL_TOKEN_ID": "ak-wrong"}])
def test_a_wrong_token_is_refused(sdk: Sdk, variables: dict[str, str]) -> None:
    assert "AuthError: Token validation failed" in sdk("modal.App.lookup('app')", fails=True, **variables).err


def test_a_token_can_be_revoked_and_a_container_does_not_need_it(
    remote: Remote, calling: Callable[[], subprocess.Popen[str]], modal: Modal
) -> None:
    remote.deploy("yield 'first'; time.sleep(1); yield 'second'")
    process = calling()
    modal.revoke()
    assert "Token validation failed" in remote.fail()
    until(lambda: "FunctionPutOutputs" in {entry.method for entry in modal.journal})
    process.kill()


# When the service is not well.


def test_requests_are_refused_as_often_as_asked_and_the_client_tries_again(sdk: Sdk, modal: Modal) -> None:
    modal.refuse("EnvironmentGetOrCreate", Status.UNAVAILABLE, times=2)
    sdk("modal.Environment.from_name('dev').hydrate()")
    assert len(modal.requests("EnvironmentGetOrCreate")) == 3
    modal.refuse("SecretGetOrCreate", Status.RESOURCE_EXHAUSTED, message="slow down")
    failed = sdk("modal.Secret.from_name('none').hydrate()", fails=True, MODAL_MAX_THROTTLE_WAIT="1")
    assert "ResourceExhaustedError: slow down" in failed.err


def test_requests_can_be_left_without_an_answer(sdk: Sdk, modal: Modal) -> None:
    modal.hang("AppGetOrCreate")
    with pytest.raises(subprocess.TimeoutExpired):
        sdk("modal.App.lookup('app')", timeout=2)


def test_a_call_outlives_its_connection(
    remote: Remote, calling: Callable[[], subprocess.Popen[str]], modal: Modal
) -> None:
    remote.deploy("yield 'first'; time.sleep(1); yield 'second'")
    process = calling()
    modal.drop_connections()
    out, err = process.communicate()
    assert out == '"second"\n', err


def test_a_call_does_not_outlive_the_service_which_can_come_back(
    remote: Remote, calling: Callable[[], subprocess.Popen[str]], modal: Modal
) -> None:
    remote.deploy("yield 'first'; time.sleep(it or 60)")
    process = calling()
    modal.go_away()
    assert "ConnectionRefusedError" in process.communicate()[1]
    modal.come_back()
    assert remote.call(0.01) == ["first"]


# What is left behind.


def test_nothing_is_left_behind_even_when_the_test_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Modal() as service:
        kept = service.folder
        remote = Remote(client(service, tmp_path), tmp_path)
        remote.deploy("yield os.getpid()")
        (pid,) = remote.call()
        raise RuntimeError
    assert not kept.exists()
    assert not Path(f"/proc/{pid}").exists()
