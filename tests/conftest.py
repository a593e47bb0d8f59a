"""Fixtures of all tests: a clean environment, and the command line, as a function and as a process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from tests import slow
from tests.command import Ran as Ran
from tests.command import call
from tests.docker.registry import Registry
from tests.pages import TOOLS
from tests.records import Recorder
from theoryctl.paths import file_lock

ROOT = Path(__file__).parent.parent
THEORYCTL = Path(sys.executable).parent / "theoryctl"
REF = "llm/litellm@1"
#: The details of usage that a mock, and a vendor that tells none, leaves unknown.
NO_DETAILS = {"cached_input_tokens": None, "cache_write_tokens": None, "reasoning_tokens": None}
#: The folder of the tests' dockerd, which `tests/docker/dockerd.sh env` promises; tests that want it fail without it.
PROMISED = os.environ.get("THEORYCTL_TEST_DOCKER")
#: Other Pythons with everything the tests have, to stand for images, apart by `:`; `.ci/run` promises those it has.
IMAGE_PYTHON = os.environ.get("THEORYCTL_TEST_IMAGE_PYTHON")
#: Shells beside bash whose completion is tested; `.ci/run` promises them, and on a machine that has them they are used.
SHELLS = os.environ.get("THEORYCTL_TEST_SHELLS") or ("here" if all(map(shutil.which, ("zsh", "fish"))) else None)
#: A bare Debian is made by debootstrap, as root; `.ci/run` promises it, and a machine that has both makes one.
_DEBOOTSTRAPS = bool(shutil.which("debootstrap")) and os.geteuid() == 0
DEBIAN = os.environ.get("THEORYCTL_TEST_DEBIAN") or ("here" if _DEBOOTSTRAPS else None)
#: A browser, where there is one.
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
#: Programs that pages use; `.ci/run` promises them too.
PAGE_TOOLS = os.environ.get("THEORYCTL_TEST_PAGE_TOOLS") or ("here" if all(map(shutil.which, TOOLS)) else None)
#: What some tests want, by fixture: the promise of it, and what is said without one.
_WANTED = {
    "docker": (
        PROMISED,
        'Docker, for there is no dockerd: tests/docker/dockerd.sh up; eval "$(tests/docker/dockerd.sh env)"',
    ),
    "chromium": (CHROMIUM, "a browser, for none is installed: apt-get install chromium"),
    "page_tools": (PAGE_TOOLS, "curl and sqlite3, for they are not installed: apt-get install curl sqlite3"),
    "other_shell": (SHELLS, "zsh and fish, for they are not installed: apt-get install zsh fish"),
    "bare_debian": (DEBIAN, "a bare Debian, for that wants root, and debootstrap: apt-get install debootstrap"),
    "image_python": (
        IMAGE_PYTHON,
        "a second Python, for none is named: make .venv-3.13/dev.stamp PYTHON=python3.13 VENV=.venv-3.13; "
        "export THEORYCTL_TEST_IMAGE_PYTHON=$PWD/.venv-3.13/bin/python",
    ),
}

settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

#: Modules that one worker runs as a whole: they share set-ups that take long, or names and ports of the tests' dockerd.
_TOGETHER = ("tests/docker/", "tests/openai/", "tests/packaging/", "tests/wires/")
#: Variables of the developer's own shell that would change what a test sees.
_FOREIGN = (
    "OPENAI_",
    "ANTHROPIC_",
    "REPLICATE_",
    "LLM_",
    "OLLAMA_",
    "THEORYCTL_",
    "XDG_",
    "LITELLM_",
    "AZURE_",
    "GEMINI_",
    "GOOGLE_",
)
_DOCKER = ("DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
_DISPLAY = ("NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE")


Cli = Callable[..., Ran]


@pytest.fixture(scope="session")
def checked_manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds the bundled manifests: to check one costs six times as much as the command after it."""
    folder = tmp_path_factory.mktemp("checked")
    for ref in (REF, "llm/mock@1"):
        assert call(("manifest", "show", ref), {**clean(), "THEORYCTL_CACHE_DIR": str(folder)}, folder).status == 0
    return folder


@pytest.fixture
def environment(tmp_path: Path, checked_manifests: Path) -> dict[str, str]:
    """The environment of somebody with no keys, no settings and no Docker, in a home of their own."""
    home = tmp_path / "home"
    shutil.copytree(checked_manifests, home / ".cache/theoryctl")
    nowhere = {"DOCKER_HOST": f"unix://{home}/docker.sock"}
    return {**clean(), **nowhere, "HOME": str(home), "TERM": "xterm-256color"}


def clean() -> dict[str, str]:
    """The variables of this process without those that would change what a test sees."""
    return {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN) and k not in _DISPLAY + _DOCKER}


@pytest.fixture
def working_folder(tmp_path: Path) -> Path:
    """The empty folder that commands run in unless `cwd` says otherwise."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def cli(environment: dict[str, str], working_folder: Path) -> Cli:
    """Run `theoryctl` with arguments inside this process: thirty times as fast as starting one."""

    def run(
        *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, stdin: str | bytes = ""
    ) -> Ran:
        return call(arguments, {**environment, **(env or {})}, cwd or working_folder, stdin)

    return run


@pytest.fixture
def theoryctl(environment: dict[str, str], working_folder: Path) -> Cli:
    """Run `theoryctl` with arguments as a process: where signals, start-up, several at a time or PYTHONPATH matter."""

    def run(
        *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, stdin: str | bytes = ""
    ) -> Ran:
        done = subprocess.run(
            [THEORYCTL, *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            env={**environment, **(env or {})},
            cwd=cwd or working_folder,
            timeout=120,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


def pytest_addoption(parser: pytest.Parser) -> None:
    slow.add_option(parser)
    parser.addoption("--write-records", action="store_true", help="write what tests show of vendors (tests/records.py)")


def pytest_configure(config: pytest.Config) -> None:
    """Let what tests start hear Ctrl-C, though they were started in the background and told not to; collect records
    where reports arrive: in the one process of a run, or in that above its workers."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config.rootpath, config.getoption("--write-records")))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that want something which nobody promised, and slow ones that are not wanted."""
    missing = {fixture for fixture, (promise, _) in _WANTED.items() if promise is None}
    left_out = {item for item in items if missing & set(getattr(item, "fixturenames", ()))}
    left_out.update(slow.left_out(config, items))
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


class _Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return module if module.startswith(_TOGETHER) else nodeid.partition("[")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Scheduling:
    """Give workers one function at a time, so that they end together, and whole modules where tests share something."""
    return _Scheduling(config, log)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say so, in one line for each."""
    for promise, line in _WANTED.values():
        if promise is None:
            terminalreporter.write_line(f"SKIPPED every test with {line}", yellow=True)


@pytest.fixture(scope="session")
def docker() -> dict[str, str]:
    """The variables that lead to the tests' dockerd, which answers."""
    subprocess.run(["docker", "version"], capture_output=True, check=True)
    # The wheels are fetched once for all tests.
    shared = {"THEORYCTL_CACHE_DIR": f"{PROMISED}/cache"}
    return shared | {name: os.environ[name] for name in ("DOCKER_HOST", "DOCKER_CONFIG", "THEORYCTL_BASE_IMAGE")}


@pytest.fixture(scope="session")
def pushed_layers(docker: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a registry (`Registry.has_layers_of`) that the image of the bundled manifests was pushed to, once
    for all tests: to compress it takes a processor twenty seconds, and Docker compresses no layer that is there."""
    folder, home = Path(f"{PROMISED}/registry"), tmp_path_factory.mktemp("home")
    with file_lock(folder.with_suffix(".lock")):
        build = ("image", "build", "--ref", "llm/mock@1", "--json")
        built = call(build, {**clean(), **docker, "HOME": str(home)}, home)
        assert built.status == 0, built.err
        with Registry(folder) as registry:
            registry.push(built.document["image_id"], "image")
    return folder


@pytest.fixture(scope="session")
def bare_debian() -> None:
    """Debootstrap runs."""
    subprocess.run(["debootstrap", "--version"], capture_output=True, check=True)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium, which starts without a screen."""
    assert CHROMIUM is not None
    return CHROMIUM


@pytest.fixture(scope="session")
def page_tools() -> None:
    """The programs run that commands on pages use."""
    for tool in TOOLS:
        subprocess.run([tool, "--version"], capture_output=True, check=True)


@pytest.fixture(params=["zsh", "fish"])
def other_shell(request: pytest.FixtureRequest) -> str:
    """A shell that is not bash, and runs."""
    shell = str(request.param)
    subprocess.run([shell, "-c", "true"], check=True)
    return shell


@pytest.fixture(scope="session", params=(IMAGE_PYTHON or "").split(":"))
def image_python(request: pytest.FixtureRequest) -> str:
    """A Python of another version than this one, which runs."""
    python = str(request.param)
    subprocess.run([python, "-c", "import modal, theoryctl_providers"], check=True)
    return python


def messages(text: str, **more: Any) -> str:
    """Inputs with one user message, as JSON."""
    return json.dumps({"messages": [{"role": "user", "content": text}], **more})
