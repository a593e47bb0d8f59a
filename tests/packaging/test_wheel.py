"""The wheel: what is in it, and that it does the main job from any folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import REF, ROOT, THEORYCTL, Ran
from tests.packaging.clone import fresh_clone

UV = Path(sys.executable).parent / "uv"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a clone: what is built from a folder with leftovers proves nothing."""
    folder = tmp_path_factory.mktemp("dist")
    with fresh_clone(tmp_path_factory.mktemp("clone")) as clone:
        pip: list[str | Path] = [sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps"]
        command = [*pip, "-w", folder, clone]
        subprocess.run(command, check=True)
    (found,) = folder.glob("*.whl")
    return found


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_it_holds_the_two_packages_and_nothing_else(wheel: Path) -> None:
    assert {name.split("/")[0].split("-")[0] for name in names(wheel)} == {"theoryctl", "theoryctl_providers"}
    assert not [name for name in names(wheel) if "test" in name.split("/")[-1] or name.endswith(".pyc")]


def test_it_brings_the_manifests_the_image_context_and_the_schema(wheel: Path) -> None:
    for name in (
        "theoryctl/_bundled/manifests/llm/litellm@1.yaml",
        "theoryctl/_bundled/manifests/llm/mock@1.yaml",
        "theoryctl/_bundled/context/Dockerfile",
        "theoryctl/_bundled/context/requirements.lock",
        "theoryctl/errors.md",
    ):
        assert name in names(wheel)
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "theoryctl").rglob("*.py")}
    providers = ROOT / "providers"
    sources |= {str(path.relative_to(providers)) for kind in ("py", "json") for path in providers.rglob(f"*.{kind}")}
    assert {"theoryctl_providers/inputs/chat.schema.json", "theoryctl_providers/mock/recording.schema.json"} <= sources
    assert sources <= set(names(wheel))


def test_it_names_its_dependencies_and_version(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [name for name in names(wheel) if name.endswith("METADATA")]
        text = archive.read(metadata).decode()
    assert f"Version: {wheel.name.split('-')[1]}\n" in text
    for dependency in ("typer", "rich", "pydantic", "pyyaml", "jsonschema-rs", "docker"):
        assert f"Requires-Dist: {dependency}" in text
    for dependency, extra in (("litellm", "real"), ("google-auth", "real"), ("modal", "modal"), ("pip", "image")):
        assert re.search(rf"Requires-Dist: {dependency}\b.*; extra == '{extra}'", text)


def test_what_every_user_gets_is_small(venv: Path) -> None:
    (packages,) = venv.glob("lib/*/site-packages")
    assert len(list(packages.glob("*.dist-info"))) <= 40
    assert sum(file.lstat().st_size for file in packages.rglob("*") if file.is_file()) <= 62_000_000


@pytest.fixture(scope="module")
def venv(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel and what it needs, in a venv that was empty."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    # uv resolves what pip would, in a tenth of the time.
    subprocess.run([UV, "pip", "install", "--quiet", "--python", folder / "bin/python", wheel], check=True)
    return folder


def test_installed_into_an_empty_venv_it_does_the_main_job_from_any_folder(
    venv: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command: list[str | Path] = [venv / "bin/theoryctl", *["local", "run", "--ref", "llm/litellm@1", "--mode", "mock"]]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=elsewhere)
    assert (done.returncode, done.stdout[:11]) == (0, "Mock answer"), done.stderr
    command = [venv / "bin/theoryctl", "manifest", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=elsewhere)
    assert listed.stdout.count("\tbundled\n") == 2


def run(program: Path, *arguments: str, env: Mapping[str, str], cwd: Path) -> Ran:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, env=env, cwd=cwd, timeout=280)
    return Ran(done.returncode, done.stdout, done.stderr)


def pasted(hint: str, env: Mapping[str, str], cwd: Path) -> None:
    done = subprocess.run(hint, shell=True, env=env, cwd=cwd, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr


def test_installed_it_builds_the_image_that_the_checkout_builds_once_it_has_what_building_needs(
    venv: Path, tmp_path: Path, environment: dict[str, str], docker: dict[str, str]
) -> None:
    path = f"{UV.parent}:{environment['PATH']}"

    def start(theoryctl: Path, state: str) -> Ran:
        env = {**environment, **docker, "PATH": path, "THEORYCTL_STATE_DIR": str(tmp_path / state)}
        started = run(theoryctl, "local", "start", "--ref", "llm/mock@1", "--build", "--json", env=env, cwd=tmp_path)
        subprocess.run([theoryctl, "local", "stop", "--all"], capture_output=True, env=env, check=True)
        return started

    if not list(venv.glob("lib/*/site-packages/packaging")):
        pasted(
            start(venv / "bin/theoryctl", "without").document["error"]["hint"], {**os.environ, "PATH": path}, tmp_path
        )
    installed, checkout = start(venv / "bin/theoryctl", "installed"), start(THEORYCTL, "checkout")
    assert installed.document["digest"] == checkout.document["digest"]


def test_where_litellm_is_not_installed_nobody_is_told_that_it_is_loaded(
    venv: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    asking = {**environment, "OPENAI_API_KEY": "sk-canary-0123456789", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    ran = run(venv / "bin/theoryctl", *ASK, env=asking, cwd=tmp_path)
    assert "LiteLLM, which is not installed here" in ran.document["error"]["message"]
    assert "loading" not in ran.err


@pytest.mark.parametrize("form", ["pip", "uv"])
@pytest.mark.slow("pyproject.toml", "tests/packaging/test_wheel.py")
def test_into_a_new_venv_it_is_installed_in_eight_seconds(wheel: Path, tmp_path: Path, form: str) -> None:
    seconds = []
    for folder in (tmp_path / "cold", tmp_path / "warm", tmp_path / "again"):
        subprocess.run([UV, "venv", "-q", "--seed", "--python", sys.executable, folder], check=True)
        programs: dict[str, list[str | Path]] = {"pip": [folder / "bin/pip"], "uv": [UV, "pip"]}
        seconds.append(cpu_seconds([*programs[form], "install", "-q", wheel], VIRTUAL_ENV=str(folder)))
    print(f"{form}: {min(seconds[1:]):.1f} s of CPU, {seconds[0]:.1f} s before its cache was warm")
    assert min(seconds[1:]) <= 8


def cpu_seconds(command: list[str | Path], **variables: str) -> float:
    """Run a command and return what it took of one processor, which no other program takes away."""
    before = os.times()
    subprocess.run(command, check=True, env={**os.environ, **variables})
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


ASK = ("local", "run", "--ref", REF, "--mode", "real", "--prompt", "x", "--json")


@pytest.mark.parametrize(
    ("form", "package", "arguments", "afterwards"),
    [
        ("pip", "litellm", ASK, "ERR_UNREACHABLE"),
        ("uv", "litellm", ASK, "ERR_UNREACHABLE"),
        ("uv tool", "modal", ("modal", "status", "--json"), "ERR_MODAL_AUTH"),
        ("pipx", "modal", ("modal", "status", "--json"), "ERR_MODAL_AUTH"),
    ],
)
@pytest.mark.timeout(900)
@pytest.mark.slow(
    "pyproject.toml", "providers/theoryctl_providers/contract/packages.py", "tests/packaging/test_wheel.py"
)
def test_what_an_extra_brings_is_installed_by_the_command_that_the_error_says(
    wheel: Path,
    tmp_path: Path,
    environment: dict[str, str],
    form: str,
    package: str,
    arguments: tuple[str, ...],
    afterwards: str,
) -> None:
    env = {**os.environ, **tools(tmp_path)}
    program = install(form, wheel, tmp_path, env)
    asking = {**environment, "OPENAI_API_KEY": "sk-canary-0123456789", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    asking["MODAL_SERVER_URL"] = "http://127.0.0.1:9"
    missing = run(program, *arguments, env=asking, cwd=tmp_path).document["error"]
    assert package in missing["hint"] and "not installed" in missing["message"]
    pasted(missing["hint"], env, tmp_path)
    error = run(program, *arguments, env=asking, cwd=tmp_path).document["error"]
    assert error["code"] == afterwards
    if afterwards == "ERR_MODAL_AUTH":
        pasted(f"{error['hint'].partition('or run: ')[2]} --help", env, tmp_path)


def tools(folder: Path) -> dict[str, str]:
    """Variables that keep what pipx and uv install below a folder, and put them on the path."""
    binaries = folder / "bin"
    places = {"UV_TOOL_DIR": "uv-tools", "PIPX_HOME": "pipx"}
    own = {name: str(folder / place) for name, place in places.items()}
    path = f"{binaries}:{UV.parent}:{os.environ['PATH']}"
    return {**own, "UV_TOOL_BIN_DIR": str(binaries), "PIPX_BIN_DIR": str(binaries), "PATH": path}


def install(form: str, wheel: Path, folder: Path, env: dict[str, str]) -> Path:
    """Install the wheel as somebody would, and return the program."""
    venv, binaries = folder / "venv", folder / "bin"
    steps: dict[str, list[list[str | Path]]] = {
        "pip": [[sys.executable, "-m", "venv", venv], [venv / "bin/pip", "install", "-q", wheel]],
        "uv": [
            [UV, "venv", "-q", "--python", sys.executable, venv],
            [UV, "pip", "install", "-q", "-p", venv / "bin/python", wheel],
        ],
        "uv tool": [[UV, "tool", "install", "-q", "--python", sys.executable, wheel]],
        "pipx": [[UV, "tool", "install", "-q", "pipx"], [binaries / "pipx", "install", "-q", wheel]],
    }
    for step in steps[form]:
        subprocess.run(step, env=env, check=True, capture_output=True)
    return (venv / "bin" if form in ("pip", "uv") else binaries) / "theoryctl"
