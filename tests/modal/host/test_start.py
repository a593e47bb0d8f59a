"""`theoryctl modal start`, `status` and `stop`: an app by its digest."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import REF, ROOT, Cli, Ran
from tests.docker.conftest import error
from tests.docker.registry import Registry
from tests.modal.host.conftest import APP, DIGEST, IMAGE
from tests.modal.host.running import running
from tests.modal.sdk import Sdk
from tests.modal.service import Modal

Start = Callable[..., Ran]
#: What a Secret holds that no key was put into yet.
EMPTY = {"THEORYCTL_APP": APP}
OTHER = "sha256:" + "b" * 64


def pin(folder: Path, digest: str) -> None:
    """Give the project a manifest of the ref that pins this digest for linux/amd64."""
    file = folder / "work/manifests" / f"{REF}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = (ROOT / "manifests" / f"{REF}.yaml").read_text()
    pinned = f"repository: registry.test/theoryctl/llm\n  digests: {{linux/amd64: {digest}}}"
    file.write_text(text.replace("repository: ghcr.io/theoryctl/llm-litellm", pinned))


def test_what_is_deployed_is_the_image_by_its_digest_with_what_the_manifest_allows(modal: Modal, start: Start) -> None:
    document = start(REF, "--json").document
    assert (document["app"], document["environment"], document["image"]) == (APP, "dev", IMAGE)
    assert document["dashboard"] == f"https://modal.com/id/{document['app_id']}"
    assert modal.dockerfile(APP) == [f"FROM {IMAGE}", "FROM base", "ENTRYPOINT []"]
    definitions = {one.handle.function_name: one.definition for one in modal.apps()[APP].functions.values()}
    assert set(definitions) == {"generate", "mock", "answer", "mock_answer"}
    for definition in definitions.values():
        assert definition is not None
        assert (definition.timeout_secs, definition.startup_timeout_secs, definition.concurrency_limit) == (140, 300, 4)
        assert (definition.max_concurrent_inputs, definition.resources.milli_cpu) == (16, 1000)
        assert definition.resources.memory_mb == 1024


def test_one_file_of_the_host_goes_to_modal_and_nothing_of_the_repository_it_is_run_in(
    modal: Modal, start: Start, tmp_path: Path
) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path / "work"], check=True)
    start()
    sent = [file.filename for request in modal.requests("MountGetOrCreate") for file in request.files]
    assert sent == ["/root/theoryctl_shim.py"]
    (published,) = modal.requests("AppPublish")
    assert not published.HasField("commit_info")
    assert len(published.deployment_tag) == 43


def test_people_see_where_it_is_and_what_happens_on_the_way(start: Start) -> None:
    ran = start()
    assert f"deploying {APP} to Modal (dev) from {IMAGE}" in ran.err
    assert APP in ran.out and "https://modal.com/id/ap-" in ran.out


def test_the_same_digest_again_is_said_and_another_one_is_deployed(start: Start, cli: Cli, modal: Modal) -> None:
    assert start(REF, "--json").document["same_digest"] is False
    assert start(REF, "--json").document["same_digest"] is True
    again = cli("modal", "start", "--ref", REF, "--oci", f"registry.test/theoryctl/llm@{OTHER}")
    assert (again.status, f"FROM registry.test/theoryctl/llm@{OTHER}" in modal.dockerfile(APP)) == (0, True)
    assert "the same as before" not in again.out


def test_without_oci_it_is_what_the_manifest_pins(cli: Cli, modal: Modal, tmp_path: Path) -> None:
    pin(tmp_path, OTHER)
    assert cli("modal", "start", "--ref", REF, "--json").document["digest"] == OTHER
    assert modal.dockerfile(APP)[0] == f"FROM registry.test/theoryctl/llm@{OTHER}"


@pytest.mark.parametrize("oci", [[], ["--oci", "registry.test/theoryctl/llm:latest"]])
def test_what_has_no_digest_is_not_deployed(cli: Cli, modal: Modal, oci: list[str]) -> None:
    assert error(cli("modal", "start", "--ref", REF, *oci, "--json")) == (6, "ERR_NOT_PINNED")
    assert modal.journal == []


def test_without_a_pushed_image_the_hint_is_the_whole_way_from_a_manifest_of_theoryctls_own_on(
    cli: Cli, modal: Modal, tmp_path: Path
) -> None:
    start = ("modal", "start", "--ref", REF, "--env", "main", "--registry-secret", "mine", "--json")
    way = (
        f"theoryctl image push --ref {REF} --platform linux/amd64 && theoryctl image pin --ref {REF} "
        f"--platform linux/amd64 && theoryctl modal start --ref {REF} --env main --registry-secret mine"
    )
    export = f"theoryctl manifest export {REF} --to ./manifests"
    edit = f"set image.repository in {{}}manifests/{REF}.yaml to a repository that you may push to, then: "
    assert cli(*start).document["error"]["hint"] == f"{export}, then {edit.format('./')}{way}"
    assert cli(*export.split()[1:]).status == 0
    assert cli(*start).document["error"]["hint"] == f"{edit.format('')}{way}"
    file = tmp_path / "work/manifests" / f"{REF}.yaml"
    own = file.read_text().replace("ghcr.io/theoryctl/", "ghcr.io/me/")
    file.write_text(own)
    assert cli(*start).document["error"]["hint"] == way
    built = own.index("  build:")
    file.write_text(own[:built] + own[own.index("\n", own.index("context:", built)) + 1 :])
    assert cli(*start).document["error"]["hint"] == way.partition(" && ")[2]
    assert modal.journal == []


def test_a_run_of_another_image_than_the_manifest_pins_is_refused_and_status_says_why(
    start: Start, cli: Cli, tmp_path: Path
) -> None:
    start()
    assert cli("modal", "run", "--ref", REF).status == 0
    pin(tmp_path, OTHER)
    ran = cli("modal", "run", "--ref", REF, "--json")
    assert error(ran) == (6, "ERR_DIGEST_DRIFT")
    assert DIGEST in ran.err and OTHER in ran.err
    (row,) = cli("modal", "status", "--json").document["deployments"]
    assert row["drift"] == "digest"
    start()  # whoever chose another digest on purpose keeps it until the pin changes
    assert cli("modal", "run", "--ref", REF).status == 0


def test_an_app_that_was_rolled_back_is_told_and_its_image_is_not_taken_for_the_last_one(
    start: Start, cli: Cli, modal: Modal
) -> None:
    start()
    assert cli("modal", "start", "--ref", REF, "--oci", f"registry.test/theoryctl/llm@{OTHER}").status == 0
    assert cli("modal", "run", "--ref", REF).status == 0
    (row,) = cli("modal", "status", "--json").document["deployments"]
    assert row["drift"] is None
    modal.roll_back(APP)
    (row,) = cli("modal", "status", "--json").document["deployments"]
    assert row["drift"] == "rollback"
    ran = cli("modal", "run", "--ref", REF, "--json")
    assert error(ran) == (6, "ERR_DIGEST_DRIFT")
    assert DIGEST in ran.document["error"]["message"] and OTHER in ran.document["error"]["message"]
    synced = cli("modal", "sync-secrets", "--ref", REF, "--json", env={"OPENAI_API_KEY": "sk-x"})
    assert error(synced) == (6, "ERR_DIGEST_DRIFT")
    start()
    assert cli("modal", "run", "--ref", REF).status == 0


def test_a_rollback_brings_the_image_before_back_says_the_drift_and_runs_go_on(
    start: Start, cli: Cli, modal: Modal, tmp_path: Path
) -> None:
    rollback = ("modal", "rollback", "--ref", REF)
    start()
    assert error(cli(*rollback, "--json")) == (2, "ERR_USAGE")
    pin(tmp_path, OTHER)
    assert cli("modal", "start", "--ref", REF).status == 0
    assert cli("modal", "sync-secrets", "--ref", REF, env={"OPENAI_API_KEY": "sk-x"}).status == 0  # the same image
    done = cli(*rollback)
    assert done.status == 0, done.err
    assert modal.dockerfile(APP)[0] == f"FROM {IMAGE}"
    assert "drift        digest" in done.out
    assert f"the manifest pins {'b' * 12}, which deploys again: theoryctl modal start --ref {REF} --env dev" in done.err
    assert f"to pin this one: theoryctl image pin --ref {REF} --oci {IMAGE}" in done.err
    assert modal.secrets()[APP]["OPENAI_API_KEY"] == "sk-x"
    assert cli("modal", "run", "--ref", REF, "--json").document["meta"]["image"] == IMAGE
    undone = cli(*rollback, "--json").document
    assert (undone["digest"], undone["replaced"], undone["drift"]) == (OTHER, IMAGE, None)
    assert cli("modal", "run", "--ref", REF).status == 0


def test_a_rollback_leaves_the_apps_of_others_alone(start: Start, cli: Cli, modal: Modal) -> None:
    others = {"GIT_BRANCH": "topic", "GIT_USER": "bob"}
    start(env=others)
    start(REF, "--oci", f"registry.test/theoryctl/llm@{OTHER}", env=others)
    before = len(modal.journal)
    assert error(cli("modal", "rollback", "--ref", REF, "--json")) == (5, "ERR_FUNCTION_NOT_FOUND")
    assert not [entry for entry in modal.journal[before:] if entry.method == "AppPublish"]


def test_a_private_image_is_pulled_with_credentials_of_a_secret_of_its_own(
    start: Start, modal: Modal, cli: Cli
) -> None:
    credentials = {"REGISTRY_USERNAME": "bob", "REGISTRY_PASSWORD": "canary-registry"}
    ran = start(REF, env=credentials)
    assert modal.secrets()[f"{APP}-registry"] == credentials
    assert modal.secrets()[APP] == EMPTY
    assert "canary" not in ran.out + ran.err
    assert "canary" not in str(modal.requests("FunctionCreate"))
    half = cli("modal", "start", "--ref", REF, "--oci", IMAGE, "--json", env={"REGISTRY_USERNAME": "bob"})
    assert error(half) == (2, "ERR_USAGE")


def test_a_secret_for_pulls_may_be_named(start: Start, modal: Modal, sdk: Sdk) -> None:
    sdk("modal.Secret.objects.create('pull', {'REGISTRY_USERNAME': 'a', 'REGISTRY_PASSWORD': 'b'}, "
        "environment_name='dev')")  # fmt: skip
    start(REF, "--registry-secret", "pull")
    base, _ = modal.requests("ImageGetOrCreate")
    assert base.image.image_registry_config.secret_id


def test_an_image_that_cannot_be_pulled_is_an_error_that_says_where_its_log_is(cli: Cli, modal: Modal) -> None:
    modal.fail_builds("manifest unknown\n")
    ran = cli("modal", "start", "--ref", REF, "--oci", IMAGE, "--json")
    assert error(ran) == (5, "ERR_MODAL")
    assert IMAGE in ran.err and "modal image logs im-" in ran.err
    assert (modal.apps(), modal.secrets(), modal.volumes()) == ({}, {}, {})


def test_the_lines_of_a_build_come_while_it_runs_and_not_where_quiet_is_wanted(
    modal: Modal, environment: dict[str, str], tmp_path: Path, cli: Cli
) -> None:
    modal.log_builds("Pulling layer 1 of 2\n\x1b[32mpulled 10 %\rpulled 100 %\x1b[0m\n\nSaving image")
    with running(environment, tmp_path, "start", "--ref", REF, "--oci", IMAGE) as process:
        assert process.stdout is not None and process.stderr is not None
        lines = [next(process.stderr).decode() for _ in range(3)]
        assert lines[1:] == ["Pulling layer 1 of 2\n", "pulled 100 %\n"]
        assert process.poll() is None, "the build has not ended"
        modal.release_builds()
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err.decode().splitlines()[0]) == (0, "Saving image"), err
    assert b"pulled" not in out
    image = f"registry.test/theoryctl/llm@{OTHER}"
    quiet = cli("modal", "start", "--ref", REF, "--oci", image, "--quiet")
    assert (quiet.status, quiet.err) == (0, "")
    assert len(modal.requests("ImageJoinStreaming")) == 4, "two layers, twice"


def test_a_deployment_that_is_interrupted_leaves_nothing(
    modal: Modal, environment: dict[str, str], tmp_path: Path
) -> None:
    modal.hang("ImageGetOrCreate")
    with running(environment, tmp_path, "start", "--ref", REF, "--oci", IMAGE) as process:
        while not modal.requests("ImageGetOrCreate"):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, b"ERR_INTERRUPTED" in err) == (130, True), err.decode()
    assert (modal.apps(), modal.secrets(), modal.volumes()) == ({}, {}, {})


def test_the_manifest_says_how_modal_scales_and_where_and_status_shows_it(
    start: Start, cli: Cli, modal: Modal, tmp_path: Path
) -> None:
    pin(tmp_path, DIGEST)
    file = tmp_path / "work/manifests" / f"{REF}.yaml"
    scaling = "min_containers: 2\n  buffer_containers: 1\n  scaledown_window: 300\n  region: us-east"
    text = file.read_text().replace("resources:\n", f"resources:\n  {scaling}\n  nonpreemptible: true\n  gpu: T4\n")
    file.write_text(text)
    modal.hold_containers()
    start()
    one = {each.handle.function_name: each.definition for each in modal.apps()[APP].functions.values()}
    real, mock = one["generate"], one["mock"]
    assert real is not None and mock is not None
    assert (real.autoscaler_settings.min_containers, real.autoscaler_settings.buffer_containers) == (2, 1)
    assert (mock.autoscaler_settings.min_containers, mock.autoscaler_settings.buffer_containers) == (0, 0)
    for each in (real, mock):
        assert each.autoscaler_settings.scaledown_window == 300
        assert (list(each.scheduler_placement.regions), each.scheduler_placement.nonpreemptible) == (["us-east"], True)
    (row,) = cli("modal", "status", "--json").document["deployments"]
    assert (row["resources"]["min_containers"], row["resources"]["region"]) == (2, "us-east")
    shown = "2 to 4 containers, 1 spare, idle for 300 s, nonpreemptible, us-east, GPU T4"
    assert cli("modal", "status").out.rstrip().endswith(f"\t{shown}\t-")
    assert shown in cli("manifest", "show", REF).out


def test_status_is_a_table_of_what_is_deployed(start: Start, cli: Cli, modal: Modal) -> None:
    assert cli("modal", "status").err == "nothing is deployed in dev\n"
    start()
    start("llm/mock@1")
    rows = [line.split("\t") for line in cli("modal", "status").out.splitlines()]
    assert {row[6] for row in rows} == {"0 to 4 containers"}
    assert [row[:5] for row in rows] == [
        [REF, APP, "dev", "a" * 12, "-"],
        ["llm/mock@1", "main-alice-llm-mock-v1", "dev", "a" * 12, "-"],
    ]
    (row,) = cli("modal", "status", "--ref", "llm/mock@1", "--json").document["deployments"]
    assert (row["ref"], row["branch"], row["user"], row["timeout"]) == ("llm/mock@1", "main", "alice", 30)


def test_status_shows_nothing_that_others_deployed_by_other_means(cli: Cli, sdk: Sdk) -> None:
    sdk("modal.App.lookup('someone-elses-llm-litellm-v1', environment_name='dev', create_if_missing=True)")
    assert cli("modal", "status", "--json").document["deployments"] == []
    assert error(cli("modal", "run", "--ref", REF, "--json")) == (5, "ERR_FUNCTION_NOT_FOUND")


def test_verify_reads_back_what_is_deployed(cli: Cli, start: Start, docker: dict[str, str], tmp_path: Path) -> None:
    with Registry(tmp_path / "registry") as registry:
        digest = registry.publish("me/llm", architecture="amd64", tags=("latest",))
        file = tmp_path / f"work/manifests/{REF}.yaml"
        file.parent.mkdir(parents=True)
        text = (ROOT / "manifests" / f"{REF}.yaml").read_text()
        file.write_text(text.replace("ghcr.io/theoryctl/llm-litellm", f"{registry.address}/me/llm"))
        assert cli("image", "pin", "--ref", REF).status == 0
        verify = ("image", "verify", "--ref", REF, "--runtime", "modal", "--json")
        nothing = cli(*verify)
        assert (nothing.status, nothing.document["digests"][-1]) == (0, {"where": "modal, dev", "digest": None})
        assert cli("modal", "start", "--ref", REF).status == 0
        same = cli(*verify, "--env", "dev")
        assert (same.status, same.document["digests"][-1]["digest"]) == (0, digest), same.err
        start()
        other = cli(*verify)
        assert (other.status, other.document["digests"][-1]["digest"]) == (6, DIGEST)
        assert cli("image", "verify", "--ref", REF, "--env", "dev").status == 2
