"""The pages of the documentation are true: their commands run, and do what the pages say."""

from __future__ import annotations

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.conftest import REF, ROOT, THEORYCTL, Cli
from tests.modal.host.images import image_with
from tests.modal.service import Modal
from tests.pages import blocks, run_page, wants_tools
from tests.real.vendor import Vendor
from tests.testing.test_missing import recording
from theoryctl_providers.contract import write_recordings

STOPPED = "stopped llm/litellm@1 (process)\n"

#: The pages whose commands need nothing, and what they print, in this order.
ANYWHERE = {
    "docs/batch.md": ("ok       3", '"id":"a","line', '"id":"b","line', "300 tokens", "page.html"),
    "docs/concepts.md": ("Mock answer", "Mock answer"),
    "docs/configuration.md": (
        "model\tanthropic/claude-sonnet-4-5\ttheoryctl.toml",
        "from anthropic/claude-sonnet-4-5",
        "from openai/gpt-4o-mini",
        STOPPED,
    ),
    "docs/getting-started.md": ("Mock answer", "Mock answer", '"content":"Mock answer', STOPPED),
    "docs/instances.md": (
        "llm/litellm@1\tprocess:scripted\trunning\thealthy",
        "stopped llm/litellm@1 (process:scripted)\n",
        STOPPED,
    ),
    "docs/mocks.md": (
        "Once upon a time.",
        'get_weather {"city": "Forlì"}',
        STOPPED,
        "llm/litellm@1 (process): no request was answered by rule 2,",
        "docs/answers.yaml: 7 rules, no problem\n",
        STOPPED,
    ),
    "docs/runs.md": ("llm/litellm@1\tmock\topenai/gpt-4o-mini", "openai/gpt-4o-mini|2", "openai/gpt-4o-mini\t2\t0"),
    "docs/testing.md": ("Mock answer", "/v1/chat/completions\t200\topenai/gpt-4o-mini\tmock", STOPPED),
    "docs/openai.md": ("Mock answer", "Mock answer", STOPPED),
    "docs/upgrading.md": (
        "nothing was started",
        "mode\tthe instance's, else mock",
        "Mock answer",
        '"city": "mock city",\n  "days": 0\n}\n{\n  "city": "mock city"\n}\n',
        "the same in embedded, process",
    ),
    "docs/wires.md": ('"type": "message"', "Mock answer", '"has_more": false', STOPPED, *("Mock answer", STOPPED) * 3),
}
#: The pages with commands for real mode.
REAL = {
    "docs/getting-started.md": ("Hello there!\n", "Hello there!\n"),
    "docs/mocks.md": (
        *("Hello there!\n",) * 3,
        *("planned\t", "same\t"),
        # Both are told that there is nothing to remove, on standard error.
        f"Hello there!\n\n\n{STOPPED}",
    ),
}
#: The pages with Python that runs as it stands, and what it prints first.
PYTHON = {
    "README.md": "Mock answer",
    "docs/python.md": "openai/gpt-4o-mini",
    "docs/runs.md": "success\n",
    "docs/mocks.md": "['one', 'two']\n",
}
#: The blocks that other tests run: page and kind, and the file of the tests.
ELSEWHERE = {
    ("README.md", "sh"): "packaging/test_readme.py",
    ("README.md", "sh real"): "packaging/test_readme.py",
    ("README.md", "sh setup"): "packaging/test_readme.py",
    ("docs/batch.md", "sh real"): "batch/test_vendor_batch.py",
    ("docs/ci.md", "python"): "docker/test_recipes.py",
    ("docs/ci.md", "sh"): "docker/test_pins.py",
    ("docs/ci.md", "sh docker"): "docker/test_recipes.py",
    ("docs/getting-started.md", "sh docker"): "docker/test_pages.py",
    ("docs/getting-started.md", "sh modal"): "cli/test_pages.py",
    ("docs/getting-started.md", "sh setup"): "packaging/test_readme.py",
    ("docs/modal.md", "console"): "modal/host/walkthrough.py",
    ("docs/privacy.md", "sh"): "cli/test_pages.py",
    ("docs/providers.md", "python"): "cli/test_pages.py",
    ("docs/testing.md", "python"): "cli/test_pages.py",
    ("docs/uninstall.md", "sh"): "cli/test_pages.py",
    ("docs/uninstall.md", "sh docker"): "docker/test_pages.py",
    ("docs/uninstall.md", "sh modal"): "cli/test_pages.py",
    ("docs/vendors.md", "sh"): "real/test_quick_starts.py",
}
PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", *(f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md"))]


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def test_every_block_of_commands_is_run_by_a_test() -> None:
    here = (
        {(page, "sh") for page in ANYWHERE}
        | {(page, "sh real") for page in REAL}
        | {(page, "python") for page in PYTHON}
    )
    found = {
        (page, kind) for page in PAGES for kind in re.findall(r"^```((?:sh|python|console)\b.*)$", text_of(page), re.M)
    }
    assert found == here | ELSEWHERE.keys()
    for (page, _), file in ELSEWHERE.items():
        assert page in (ROOT / "tests" / file).read_text()


WITH_TOOLS = [page for page in ANYWHERE if wants_tools("".join(blocks(page, "sh")))]


@pytest.mark.parametrize("page", [page for page in ANYWHERE if page not in WITH_TOOLS])
def test_what_a_page_shows_works_without_a_key(page: str, environment: dict[str, str], working_folder: Path) -> None:
    check_page(page, environment, working_folder)


@pytest.mark.usefixtures("page_tools")
@pytest.mark.parametrize("page", WITH_TOOLS)
def test_what_a_page_shows_with_other_tools_works_without_a_key(
    page: str, environment: dict[str, str], working_folder: Path
) -> None:
    check_page(page, environment, working_folder)


def check_page(page: str, environment: dict[str, str], working_folder: Path) -> None:
    """Run a page, whose commands print the texts that are listed for it, in their order. Of the files of the checkout,
    the page finds the script, at its place."""
    (working_folder / "docs").mkdir()
    (working_folder / "docs/answers.yaml").write_bytes((ROOT / "docs/answers.yaml").read_bytes())
    rest = run_page(page, "sh", environment, working_folder)
    for text in ANYWHERE[page]:
        before, found, rest = rest.partition(text)
        assert found, f"expected {text!r}, got {before!r}"


@pytest.mark.parametrize("page", REAL)
def test_what_a_page_shows_works_with_a_key(page: str, environment: dict[str, str], working_folder: Path) -> None:
    with Vendor() as vendor:
        keys = {**vendor.addresses, "OPENAI_API_KEY": "canary.4b1d7c90e2f85a36d1c7"}
        printed = run_page(page, "sh real", {**environment, **keys}, working_folder)
    for text in REAL[page]:
        before, found, printed = printed.partition(text)
        assert found, f"expected {text!r}, got {before!r}"


@pytest.mark.parametrize("page", PYTHON)
def test_the_python_of_a_page_runs(page: str, environment: dict[str, str], tmp_path: Path) -> None:
    script = "\n".join(blocks(page, "python"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert (done.stdout[: len(PYTHON[page])], done.stderr) == (PYTHON[page], "")


def test_the_provider_of_the_page_on_providers_runs_and_passes_its_test(tmp_path: Path) -> None:
    source, test = blocks("docs/providers.md", "python")
    (tmp_path / "acme_echo.py").write_text(source)
    (tmp_path / "test_acme_echo.py").write_text(test)
    script = (
        "from theoryctl_providers import run\n"
        "print(run({'messages': [{'role': 'user', 'content': 'a b'}]}, provider='acme_echo:Echo', mode='mock'))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "'text': 'a b '" in done.stdout
    command = [sys.executable, "-m", "pytest", "-q", "test_acme_echo.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "1 passed" in done.stdout, done.stdout


def test_the_tests_of_the_page_on_testing_pass(tmp_path: Path) -> None:
    first, *others = blocks("docs/testing.md", "python")
    assert len(first.splitlines()) == 4
    (tmp_path / "test_answer.py").write_text("\n\n".join((first, *others)))
    asked = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "2+2?"}]}
    write_recordings(tmp_path / "tests/recordings", [recording("It is four.", asked=asked)])
    (settings,) = blocks("docs/testing.md", "ini")
    (tmp_path / "pytest.ini").write_text(settings)
    command = [sys.executable, "-m", "pytest", "-q", "--strict-markers", "test_answer.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "5 passed" in done.stdout, done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_a_command_that_a_page_names_exists(page: str) -> None:
    from tests.helptexts import every_command

    known = {" ".join(words) for words in every_command()}
    groups = {words.partition(" ")[0] for words in known}
    named = re.findall(r"theoryctl ((?:local|modal|image|manifest) [a-z][a-z-]*|[a-z][a-z-]+)(?=[ `])", text_of(page))
    assert [words for words in named if words not in known | groups and words.split()[0] in groups] == []


def test_the_page_on_concepts_has_a_section_for_each() -> None:
    sections = re.findall(r"^## (\w+)$", text_of("docs/concepts.md"), re.M)
    assert sections == ["Ref", "Provider", "Mode", "Runtime", "Envelope"]


def test_every_variable_of_our_own_is_explained_on_a_page() -> None:
    sources = [*(ROOT / "theoryctl").rglob("*.py"), *(ROOT / "providers").rglob("*.py")]
    helped = {name for file in sources for name in re.findall(r"env: (THEORYCTL_\w+)", file.read_text())}
    read = {name for file in sources for name in re.findall(r"environ[^\n]*\"(THEORYCTL_\w+)\"", file.read_text())}
    assert len(helped | read) >= 9
    assert [name for name in sorted(helped | read) if name not in text_of("docs/configuration.md")] == []


def kept(environment: dict[str, str]) -> list[str]:
    """The files that were written below the home."""
    home = Path(environment["HOME"])
    return [str(file.relative_to(home)) for file in home.rglob("*") if file.is_file()]


def test_what_is_written_stands_on_the_page_on_privacy(
    environment: dict[str, str], cli: Cli, working_folder: Path
) -> None:
    run_page("docs/privacy.md", "sh", environment, working_folder)
    for arguments in (["manifest", "list"], ["local", "start", "--ref", REF, "--runtime", "process"]):
        assert cli(*arguments).status == 0
    cli(env={"_THEORYCTL_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "theoryctl local run --model a"})
    files = [
        file.replace(".local/state/theoryctl", "state").replace(".cache/theoryctl", "cache")
        for file in kept(environment)
    ]
    cli("local", "stop", "--all")
    known = re.findall(r"`((?:state|cache)/[^`]*)`", text_of("docs/privacy.md"))
    assert len(files) >= 5
    assert [file for file in files if not any(fnmatch(file, pattern) for pattern in known)] == []


def test_after_uninstalling_nothing_is_left(environment: dict[str, str], theoryctl: Cli, working_folder: Path) -> None:
    assert theoryctl("local", "start", "--ref", REF, "--runtime", "process").status == 0
    path = f"{THEORYCTL.parent}:{environment['PATH']}"
    install = ["bash", "-c", "theoryctl --install-completion; true"]
    subprocess.run(install, env={**environment, "PATH": path}, check=True, capture_output=True)
    assert ".bash_completions/theoryctl.sh" in kept(environment)
    assert "stopped" in run_page("docs/uninstall.md", "sh", environment, working_folder)
    assert kept(environment) == [".bashrc", ".bashrc.bak"]
    assert "theoryctl" not in (Path(environment["HOME"]) / ".bashrc").read_text()


IMAGE = f"ghcr.io/theoryctl/llm-litellm@sha256:{'0' * 64}"


@pytest.mark.slow("docs/uninstall.md", "theoryctl/cli/modal.py", "theoryctl/actions/modal.py")
def test_what_was_deployed_is_removed_from_modal(environment: dict[str, str], cli: Cli, working_folder: Path) -> None:
    with Modal(environments=("prod",)) as modal:
        environment.update(modal.variables)
        assert cli("modal", "start", "--ref", REF, "--env", "prod", "--oci", IMAGE).status == 0
        run_page("docs/uninstall.md", "sh modal", environment, working_folder)
        assert cli("modal", "status", "--env", "prod").out == ""


@pytest.mark.slow("docs/getting-started.md", "theoryctl/cli/modal.py", "theoryctl/actions/modal.py")
def test_the_last_step_of_getting_started_works(environment: dict[str, str], working_folder: Path) -> None:
    (working_folder / ".env").write_text("OPENAI_API_KEY=canary.4b1d7c90e2f85a36d1c7\n")
    (working_folder / "image").write_text(f"{IMAGE}\n")
    with Vendor() as vendor, Modal(environments=("prod",)) as modal:
        modal.image_python = image_with(working_folder, **vendor.addresses)
        printed = run_page("docs/getting-started.md", "sh modal", {**environment, **modal.variables}, working_folder)
    assert re.findall("Mock answer|Hello there!|stopped", printed) == ["Mock answer", "Hello there!", "stopped"]
