"""Images that are built here: when, from what, and what becomes of a build that fails."""

from __future__ import annotations

import os
import re
import select
import shutil
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import REF, ROOT, THEORYCTL, Cli
from tests.docker.conftest import Daemon, error, left_behind
from tests.docker.registry import Registry
from theoryctl.images.context import find_context
from theoryctl.manifests.model import Build

START = ("local", "start", "--ref", REF)
RUN = ("local", "run", "--ref", REF)

PROVIDER = """\
from theoryctl_providers import LLMProvider
from theoryctl_providers.contract import Delta, Finish


class Acme(LLMProvider):
    async def stream(self, request):
        yield Delta(text="Acme was here")
        yield Finish()
"""


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Give the project a manifest whose `image.build` and `provider` are these."""

    def make(build: str, provider: str = "litellm") -> Path:
        text = (ROOT / "manifests" / f"{REF}.yaml").read_text()
        text = text.replace("    context: providers", build).replace("provider: litellm", f"provider: {provider}")
        file = tmp_path / f"work/manifests/{REF}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return tmp_path / "work"

    return make


def wheel_project(folder: Path) -> Path:
    """A Python project with a provider, which an entry point names."""
    folder.mkdir(parents=True)
    (folder / "acme.py").write_text(PROVIDER)
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "acme"\nversion = "1"\n[project.entry-points."theoryctl.providers"]\nacme = "acme:Acme"\n'
        '[tool.hatch.build.targets.wheel]\nonly-include = ["acme.py"]\n'
    )
    return folder


def test_what_is_built_once_serves_every_ref_with_the_same_context(cli: Cli) -> None:
    assert cli(*START).status == 0
    other = cli("local", "start", "--ref", "llm/mock@1", "--json")
    assert other.status == 0
    assert "building" not in other.err and "up to date" in other.err
    assert other.document["pin"] is None


def test_a_context_that_changes_is_drift_for_what_runs_and_is_built_anew_by_the_next_start(
    cli: Cli, daemon: Daemon, local_image: Callable[[str], None]
) -> None:
    marker = time.time_ns()
    server = 'LABEL number={}\nENTRYPOINT ["python3", "-m", "theoryctl_providers", "--host", "0.0.0.0"]'
    base = ("--base-image", "ghcr.io/theoryctl/llm-mock:local")
    assert cli("local", "start", "--ref", "llm/mock@1").status == 0
    local_image(server.format(marker))
    first = cli(*START, *base, "--json")
    assert "building" in first.err
    local_image(server.format(marker + 1))
    assert error(cli(*START, *base, "--json")) == (6, "ERR_DIGEST_DRIFT")
    assert cli("local", "stop", "--ref", REF).status == 0
    second = cli(*START, *base, "--json")
    assert second.document["digest"] != first.document["digest"]
    assert daemon.inspect(second.document["container"])["Config"]["Labels"]["number"] == str(marker + 1)
    local_image(server.format(marker))
    assert cli("local", "stop", "--ref", REF).status == 0
    back = cli(*START, *base, "--json")
    assert (back.document["digest"], "building" in back.err) == (first.document["digest"], False)


def test_a_forced_build_replaces_what_runs(cli: Cli) -> None:
    first = cli(*START, "--json").document
    second = cli(*START, "--build", "--json")
    assert "building" in second.err
    assert (second.document["already_running"], second.document["container"] == first["container"]) == (False, False)


def test_an_image_that_somebody_built_on_ours_is_not_taken_for_it(cli: Cli, daemon: Daemon) -> None:
    ours = cli("local", "start", "--ref", "llm/mock@1", "--json").document["digest"]
    for number in range(4):
        daemon.image(f'FROM ghcr.io/theoryctl/llm-mock:local\nLABEL number={number}\nENTRYPOINT ["false"]')
    assert cli(*START, "--json").document["digest"] == ours


def test_a_build_is_called_what_it_was_told_and_done_again_without_the_cache(
    cli: Cli, daemon: Daemon, local_image: Callable[[str], None]
) -> None:
    local_image(f"LABEL number={time.time_ns()}\nRUN cat /proc/sys/kernel/random/uuid > /tmp/once")
    build = ("image", "build", "--ref", REF, "--json")
    first = cli(*build, "--tag", "test/mine:1").document
    assert (first["tag"], first["built"]) == ("docker.io/test/mine:1", True)
    assert daemon.inspect("test/mine:1")["Id"] == first["image_id"]
    again = cli(*build, "--tag", "test/mine:2").document
    assert (again["image_id"], again["built"]) == (first["image_id"], False)
    assert daemon.inspect("test/mine:2")["Id"] == first["image_id"]
    anew = cli(*build, "--no-cache").document
    assert anew["built"] and anew["image_id"] != first["image_id"]
    assert anew["size"] == daemon.inspect(anew["image_id"])["Size"]
    assert error(cli(*build, "--tag", f"test/mine@{first['image_id']}")) == (2, "ERR_USAGE")


def test_the_image_of_a_build_is_told_though_another_build_takes_its_name_at_once(
    cli: Cli, daemon: Daemon, docker: dict[str, str], local_image: Callable[[str], None]
) -> None:
    local_image(f"LABEL number={(number := time.time_ns())}")
    taken: list[str] = []

    def take(data: bytes, *, said: bool) -> bool:
        if said and b"Successfully tagged" in data:
            taken.append(daemon("tag", docker["THEORYCTL_BASE_IMAGE"], "ghcr.io/theoryctl/llm-litellm:local"))
        return True

    with between(docker["DOCKER_HOST"].removeprefix("unix://"), take) as address:
        built = cli("image", "build", "--ref", REF, "--json", env={"DOCKER_HOST": address}).document
    assert taken
    assert daemon.inspect(built["image_id"])["Config"]["Labels"]["number"] == str(number)


def test_a_change_of_code_rebuilds_only_what_comes_after_it(cli: Cli, daemon: Daemon, tmp_path: Path) -> None:
    context = tmp_path / "work/providers"
    shutil.copytree(ROOT / "providers", context, ignore=shutil.ignore_patterns("__pycache__", "Dockerfile"))
    shutil.copytree(ROOT / "manifests", tmp_path / "work/manifests")
    (context / "Dockerfile").write_text(
        (ROOT / "providers/Dockerfile").read_text() + f"# the project's own {time.time_ns()}\n"
    )

    def layers() -> list[str]:
        built = cli("image", "build", "--ref", REF, "--json")
        assert built.document["built"], built.err
        found: list[str] = daemon.inspect(built.document["image_id"])["RootFS"]["Layers"]
        return found

    before = layers()
    with (context / "theoryctl_providers/mock/provider.py").open("a") as code:
        code.write(f"# {time.time_ns()}\n")
    after = layers()
    assert len(before) == len(after)
    assert before[:-2] == after[:-2]
    assert before[-2:] != after[-2:]


@pytest.fixture(scope="module")
def foreign(docker: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry whose `base:arm` says that it is for arm64, and runs here all the same."""
    with Registry(tmp_path_factory.mktemp("registry")) as registry:
        digest = registry.push(docker["THEORYCTL_BASE_IMAGE"], "base")
        registry.relabel("base", digest, "arm64", "arm")
        yield registry


def test_an_image_is_built_for_the_platform_that_is_asked_for(
    cli: Cli, daemon: Daemon, foreign: Registry, local_image: Callable[[str], None]
) -> None:
    local_image("LABEL built=yes")
    build = ("image", "build", "--ref", REF, "--base-image", f"{foreign.address}/base:arm", "--json")
    built = cli(*build, "--platform", "linux/aarch64")
    assert (built.status, built.document["platform"]) == (0, "linux/arm64"), built.err
    assert daemon.inspect(built.document["image_id"])["Architecture"] == "arm64"
    only = ("image", "build", "--ref", REF, "--base-image", f"{foreign.address}/base:test", "--json")
    ran = cli(*only, "--platform", "linux/arm64")
    assert error(ran) == (6, "ERR_PLATFORM"), ran.out
    assert error(cli(*only, "--platform", "arm64")) == (2, "ERR_USAGE")


def test_a_base_without_the_folder_of_packages_that_its_python_names_gets_one(daemon: Daemon) -> None:
    # Debian's packages have none: what installs them makes it.
    step = re.search(r"^RUN (?:.*\\\n)*.*/theoryctl\.pth\"$", (ROOT / "providers/Dockerfile").read_text(), re.M)
    assert step is not None
    bare = 'RUN ["python3", "-c", "import shutil, site; shutil.rmtree(site.getsitepackages()[0])"]'
    image = daemon.image(f"FROM 127.0.0.1/test/python:base\n{bare}\n{step[0]}\n")
    shows = "import site; print(open(site.getsitepackages()[0] + '/theoryctl.pth').read())"
    assert "/opt/theoryctl/code\n" in daemon("run", "--rm", "--network", "none", image, "python3", "-c", shows)


def test_a_base_for_machines_that_this_one_cannot_run_says_what_to_set_up(cli: Cli, daemon: Daemon) -> None:
    daemon(
        "build", "--quiet", "--tag", "test/alien:1", "-",
        stdin=b"ARG BASE\nFROM 127.0.0.1/test/python:base\nRUN echo alien > /usr/local/bin/python3.11\n",
    )  # fmt: skip
    ran = cli("image", "build", "--ref", REF, "--base-image", "test/alien:1", "--json")
    assert error(ran) == (1, "ERR_BUILD"), ran.out
    assert "QEMU" in ran.document["error"]["hint"]


def test_a_scaffolded_provider_runs_from_its_image_and_answers_as_it_does_embedded(cli: Cli, theoryctl: Cli) -> None:
    ref = "acme/echo@1"
    assert cli("manifest", "new", ref).status == 0
    embedded = theoryctl("local", "run", "--ref", ref, "--mode", "mock", "--json").document
    assert cli("image", "build", "--ref", ref).status == 0
    assert cli("local", "start", "--ref", ref).status == 0
    ran = cli("local", "run", "--ref", ref, "--mode", "mock", "--json").document
    assert (ran["runtime"], ran["outputs"]) == ("docker", embedded["outputs"])


@pytest.mark.parametrize("form", ["folder", "wheel"])
def test_another_s_provider_gets_in_as_a_package(
    cli: Cli, project: Callable[..., Path], tmp_path: Path, form: str
) -> None:
    folder = wheel_project(tmp_path / "work/acme")
    name = "acme"
    if form == "wheel":
        pip: list[str | Path] = [THEORYCTL.parent / "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
        subprocess.run([*pip, "-w", folder, folder], check=True)
        name = f"acme/{next(folder.glob('*.whl')).name}"
    project(f"    context: providers\n    packages: [{name}]", provider="acme")
    assert cli(*START).status == 0
    ran = cli(*RUN, "--json")
    assert ran.status == 0, ran.err
    assert ran.document["outputs"][0]["text"] == "Acme was here"


@pytest.mark.parametrize(
    ("build", "said"),
    [
        ("    context: nowhere", "has no Dockerfile"),
        ("    context: providers\n    packages: [gone.whl]", "gone.whl"),
    ],
)
def test_a_context_or_package_that_is_not_there_is_a_fault_of_the_manifest(
    cli: Cli, project: Callable[..., Path], build: str, said: str
) -> None:
    project(build)
    ran = cli(*START, "--json")
    assert error(ran) == (3, "ERR_MANIFEST")
    assert said in ran.document["error"]["message"]


def test_a_build_that_fails_is_told_with_its_last_lines(cli: Cli, local_image: Callable[[str], None]) -> None:
    local_image("RUN echo no compiler today; exit 3")
    ran = cli(*START, "--json")
    assert error(ran) == (1, "ERR_BUILD")
    assert "no compiler today" in ran.document["error"]["message"]


def test_a_lock_that_cannot_be_met_is_told_in_pip_s_words(cli: Cli, project: Callable[..., Path]) -> None:
    work = project("    context: image")
    (work / "image").mkdir()
    (work / "image/Dockerfile").write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY wheelhouse /wheels\n")
    (work / "image/requirements.lock").write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    ran = cli(*START, "--json")
    assert error(ran) == (1, "ERR_BUILD")
    assert "DO NOT MATCH THE HASHES" in ran.document["error"]["message"]


def test_a_base_that_cannot_be_had_or_has_no_python_is_named(cli: Cli, daemon: Daemon) -> None:
    ran = cli(*START, "--base-image", "127.0.0.1:9/base:1", "--json")
    assert error(ran) == (5, "ERR_REGISTRY"), ran.out
    assert "127.0.0.1:9/base" in ran.document["error"]["message"]
    daemon("build", "--quiet", "--tag", "test/empty:1", "-", stdin=b"FROM scratch\nLABEL empty=yes\n")
    ran = cli(*START, "--base-image", "test/empty:1", "--json")
    assert error(ran) == (1, "ERR_BUILD"), ran.out
    assert "python3" in ran.document["error"]["message"]


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        (".dockerignore", b"\xff\n", 3, "ERR_MANIFEST"),
        ("requirements.lock", b"\xff\n", 1, "ERR_BUILD"),
        ("requirements.lock", b"six==1.17.0 ; python_versio < '4' --hash=sha256:00\n", 1, "ERR_BUILD"),
        ("Dockerfile", b"FORM x\n", 1, "ERR_BUILD"),
    ],
)
def test_a_file_of_a_context_that_cannot_be_read_is_named(
    cli: Cli, local_image: Callable[[str], None], tmp_path: Path, name: str, content: bytes, status: int, code: str
) -> None:
    local_image("LABEL odd=yes")
    (tmp_path / "work/image" / name).write_bytes(content)
    ran = cli("image", "build", "--ref", REF, "--json")
    assert error(ran) == (status, code), ran.out
    assert f"work/image/{name}" in ran.document["error"]["message"] + ran.document["error"]["hint"]


def test_an_image_of_nothing_has_no_layers(cli: Cli, local_image: Callable[[str], None], tmp_path: Path) -> None:
    local_image("")
    (tmp_path / "work/image/Dockerfile").write_text(f"FROM scratch\nLABEL number={time.time_ns()}\n")
    built = cli("image", "build", "--ref", REF, "--json")
    assert (built.status, built.document.get("layers")) == (0, 0), built.out


def test_every_module_of_a_package_counts_and_what_is_built_of_it_does_not(tmp_path: Path) -> None:
    def digest() -> str:
        return find_context(tmp_path, Build(context="providers", packages=("acme",))).digest

    folder = wheel_project(tmp_path / "acme")
    digests = [digest()]
    for name in ("src/acme/build/x.py", "src/acme/dist/x.py"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("")
        digests.append(digest())
    assert len(set(digests)) == 3
    for name in ("build/lib/acme.py", "dist/acme.whl", "src/acme/__pycache__/x.pyc"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    assert digest() == digests[-1]


@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_what_is_no_file_in_a_package_is_named_and_not_waited_for(
    cli: Cli, project: Callable[..., Path], tmp_path: Path, kind: str
) -> None:
    odd = wheel_project(tmp_path / "work/acme") / "odd"
    os.mkfifo(odd) if kind == "fifo" else odd.symlink_to("nowhere")
    project("    context: providers\n    packages: [acme]")
    ran = cli("image", "build", "--ref", REF, "--json")
    assert error(ran) == (3, "ERR_MANIFEST")
    assert str(odd) in ran.document["error"]["message"]


@pytest.mark.parametrize("answered", [False, True])
def test_a_daemon_that_breaks_off_a_build_is_told_as_such(
    cli: Cli, docker: dict[str, str], local_image: Callable[[str], None], answered: bool
) -> None:
    local_image(f"RUN sleep 2 && : {time.time_ns()}")
    with breaking_off(docker["DOCKER_HOST"].removeprefix("unix://"), answered=answered) as address:
        ran = cli("image", "build", "--ref", REF, "--json", env={"DOCKER_HOST": address})
    assert error(ran) == (5, "ERR_DOCKER"), ran.out
    assert "closed the connection" in ran.document["error"]["message"]


@contextmanager
def breaking_off(daemon: str, *, answered: bool) -> Iterator[str]:
    """The address of a way to the daemon that ends at a build, before its answer or after the first words of it."""
    asked, words = bytearray(), list[bytes]()

    def passes(data: bytes, *, said: bool) -> bool:
        asked.extend(b"" if said else data)
        if b"/build?" not in asked:
            return True
        words.extend([data] * said)
        return answered and len(words) < 2

    with between(daemon, passes) as address:
        yield address


@contextmanager
def between(daemon: str, passes: Callable[..., bool]) -> Iterator[str]:
    """The address of a way to the daemon, which asks before it passes on what was asked (`said=False`) or said; where
    that answers False, it ends."""

    class Way(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as there:
                there.connect(daemon)
                sides = {self.request: there, there: self.request}
                while True:
                    for side in select.select(list(sides), [], [])[0]:
                        data = side.recv(65536)
                        if not data or not passes(data, said=side is there):
                            return
                        sides[side].sendall(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Way) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_ctrl_c_during_a_build_leaves_no_container_and_the_next_start_builds(
    cli: Cli, daemon: Daemon, environment: dict[str, str], local_image: Callable[[str], None], tmp_path: Path
) -> None:
    marker = f"interrupted-{time.time_ns()}"
    local_image(f"RUN sleep 2; : {marker}; sleep 60")

    def building() -> bool:
        return marker in daemon("ps", "--all", "--no-trunc", "--format", "{{.Command}}")

    process = subprocess.Popen([THEORYCTL, *START], env=environment, cwd=tmp_path / "work", stderr=subprocess.PIPE)
    with process:
        while not building():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(2)
        assert process.wait(timeout=20) == 130
    deadline = time.monotonic() + 10
    while building() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not building()
    assert left_behind(daemon, environment) == []
    local_image(f"LABEL {marker}=yes")
    assert "building" in cli(*START).err


def test_a_build_that_was_killed_or_failed_leaves_no_image_after_the_next_one(
    cli: Cli, daemon: Daemon, environment: dict[str, str], local_image: Callable[[str], None], tmp_path: Path
) -> None:
    marker = f"killed-{time.time_ns()}"

    def left() -> list[str]:
        return daemon("images", "--all", "--quiet", "--filter", f"label={marker}").split()

    def building() -> bool:
        return f"run-{marker}" in daemon("ps", "--all", "--no-trunc", "--format", "{{.Command}}")

    local_image(f"LABEL {marker}=yes\nENV A=1\nRUN sleep 60; : run-{marker}")
    with subprocess.Popen(
        [THEORYCTL, *START], env=environment, cwd=tmp_path / "work", stderr=subprocess.PIPE
    ) as killed:
        while not building():
            assert killed.poll() is None
            time.sleep(0.05)
        killed.kill()
    assert left() != []
    deadline = time.monotonic() + 10
    while building() and time.monotonic() < deadline:
        time.sleep(0.1)
    local_image("RUN exit 3")
    failed = cli(*START, "--json")
    assert error(failed) == (1, "ERR_BUILD"), failed.out
    assert left() == []
    local_image(f"LABEL {marker}=yes\nRUN exit 3")
    assert error(cli(*START, "--json")) == (1, "ERR_BUILD")
    assert left() == []
