"""Apps, logs, secrets and volumes of the tests' own Modal, through modal's real client."""

from __future__ import annotations

import re

import pytest

from tests.modal.sdk import DIGEST, Calling, Remote, Sdk
from tests.modal.service import Modal
from tests.waiting import until

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


def test_the_first_deployment_s_calls_go_on_beside_the_second(remote: Remote, calling: Calling, modal: Modal) -> None:
    remote.deploy("yield 'first'; time.sleep(3); yield 'second'")
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


def test_an_app_is_found_tagged_and_stopped(remote: Remote, sdk: Sdk, calling: Calling, modal: Modal) -> None:
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


def test_an_environment_is_created_and_then_used(remote: Remote, sdk: Sdk, modal: Modal) -> None:
    sdk("modal.Environment.objects.create('staging')")
    remote.deploy("yield 1", environment="staging")
    assert set(modal.apps("staging")) == {"app"}


# Logs.


def test_logs_are_there_while_the_function_runs(remote: Remote, sdk: Sdk, calling: Calling, modal: Modal) -> None:
    remote.deploy("print('out'); print('err', file=sys.stderr); yield 'first'; time.sleep(60)")
    calling()
    text = """
    from datetime import datetime, timedelta, timezone
    now = datetime.now(timezone.utc)
    logs = modal.App.lookup("app", environment_name="dev").logs
    print(sorted((entry.source, entry.message) for entry in logs.tail(10)))
    print([entry.message for entry in logs.fetch(since=now - timedelta(hours=1), until=now, source="stderr")])
    print(sorted(entry.message for entry in logs.stream(timeout=2)))
    """
    until(lambda: "out" in modal.logs and "err" in modal.logs)
    assert sdk(text).out.splitlines() == [
        r"[('stderr', 'err\n'), ('stdout', 'out\n')]",
        r"['err\n']",
        r"['err\n', 'out\n']",
    ]


def test_following_logs_ends_with_the_app(remote: Remote, sdk: Sdk, calling: Calling) -> None:
    remote.deploy("print('written'); yield 'first'; time.sleep(60)")
    calling()
    app = "modal.App.lookup('app', environment_name='dev')"
    following = sdk.start(f"for entry in {app}.logs.stream():\n    print(entry.message, end='', flush=True)")
    assert following.stdout is not None
    assert following.stdout.readline() == "written\n"
    sdk(f"{app}.stop()")
    assert following.communicate(timeout=20) == ("", "")


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
