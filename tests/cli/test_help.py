"""Help: everywhere, with examples that work."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, THEORYCTL, Cli, Ran
from tests.docker.registry import Registry
from tests.helptexts import every_command, examples_of, help_of
from tests.mocks.written import recorded
from tests.modal.service import Modal
from tests.pages import wants_tools
from theoryctl.platforms import host_platform
from theoryctl_providers.contract import write_recordings

COMMANDS = every_command()


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words) or "theoryctl")
def test_a_command_has_help_under_h_too_within_80_columns(words: tuple[str, ...], cli: Cli) -> None:
    text = help_of(*words)
    assert text.startswith(f"Usage: {' '.join(('theoryctl', *words))}")
    assert cli(*words, "-h", env={"COLUMNS": "80", "TERM": "dumb"}).out == text
    before_examples = text.partition("\nExamples:\n")[0]
    assert max(map(len, before_examples.splitlines())) <= 80


def test_a_narrow_terminal_has_every_word_of_a_summary(cli: Cli) -> None:
    for words in [words for words in COMMANDS if "\nCommands:\n" in help_of(*words)]:
        wide, narrow = (cli(*words, "-h", env={"COLUMNS": columns, "TERM": "dumb"}).out for columns in ("80", "60"))
        assert narrow.partition("\nExamples:\n")[0].split() == wide.partition("\nExamples:\n")[0].split()


def summary_of(*words: str) -> str:
    return help_of(*words).split("\n\n")[1].strip()


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words) or "theoryctl")
def test_a_summary_is_one_short_sentence_that_stands_alone(words: tuple[str, ...]) -> None:
    summary = summary_of(*words)
    assert summary.endswith(".") and ". " not in summary and "\n" not in summary
    assert len(summary) <= 60


@pytest.mark.parametrize("words", COMMANDS[1:], ids=" ".join)
def test_a_group_lists_its_commands_by_their_summaries(words: tuple[str, ...]) -> None:
    above = words[:-1] if "\nCommands:\n" in help_of(*words[:-1]) else words[:-2]
    listed = help_of(*above).partition("\nCommands:\n")[2]
    assert re.search(
        rf"^  {' '.join(words[len(above) :])} +{re.escape(summary_of(*words).rstrip('.'))}", listed, re.MULTILINE
    )


def test_a_word_that_is_required_stands_as_it_is_typed() -> None:
    assert help_of("local", "batch").startswith("Usage: theoryctl local batch [OPTIONS] LINES\n")
    assert help_of("mocks", "check").startswith("Usage: theoryctl mocks check [OPTIONS] FILE...\n")


def test_every_command_has_an_example() -> None:
    leaves = [words for words in COMMANDS if not any(other[: len(words)] == words != other for other in COMMANDS)]
    assert len(leaves) >= 5
    assert [words for words in leaves if not examples_of(*words)] == []


@pytest.fixture
def home(environment: dict[str, str], cli: Cli, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder as the examples expect it: manifests, files to read, an env file; a started llm/mock@1 for its users."""
    folder = Path(environment["HOME"])
    shutil.copy(ROOT / "README.md", folder)
    (folder / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "answers.yaml", folder / "docs")
    shutil.copytree(ROOT / "manifests", folder / "manifests")
    line = {"messages": [{"role": "user", "content": "Say hello."}]}
    (folder / "lines.jsonl").write_text(json.dumps(line))
    write_recordings(folder / "recordings", [recorded("Hi", "Hello!")])
    (folder / ".env").write_text("OPENAI_API_KEY=sk-canary-0123456789\n")
    if "example" in request.fixturenames and wants_instance(request.getfixturevalue("example")):
        assert cli("local", "start", "--ref", "llm/mock@1", "--runtime", "process").status == 0
    yield folder
    assert cli("local", "stop", "--all").status == 0


EXAMPLES = sorted({line for words in COMMANDS for line in examples_of(*words)})


def wants_instance(example: str) -> bool:
    return any(word in example for word in ("llm/mock@1", "local status", "local stop"))


def wants_modal(example: str) -> bool:
    return "theoryctl modal" in example


def wants_docker(example: str) -> bool:
    starts = "local start" in example and "process" not in example
    return starts or "theoryctl image" in example or "theoryctl doctor" in example


EVERYWHERE = [example for example in EXAMPLES if not wants_docker(example) and not wants_modal(example)]


def words_of(example: str) -> list[str] | None:
    """The words of an example that is one command of ours; None where a shell has to read it."""
    is_plain = example.startswith("theoryctl ") and not set(example) & set(";&|<>()$`*")
    return shlex.split(example)[1:] if is_plain else None


def in_a_shell(example: str, environment: dict[str, str], folder: Path) -> Ran:
    variables = {**environment, "PATH": f"{THEORYCTL.parent}:{environment['PATH']}"}
    done = subprocess.run(["bash", "-c", example], capture_output=True, text=True, env=variables, cwd=folder)
    return Ran(done.returncode, done.stdout, done.stderr)


Example = Callable[[str], None]


@pytest.fixture
def works(cli: Cli, environment: dict[str, str], home: Path) -> Example:
    """See that an example works, in this process if it is a command of ours, and else in a shell."""

    def run(example: str) -> None:
        assert "theoryctl " in example
        words = words_of(example)
        ran = in_a_shell(example, environment, home) if words is None else cli(*words, cwd=home)
        assert (ran.status, ran.err.count("error ")) == (0, 0), ran.err

    return run


@pytest.mark.parametrize("example", [example for example in EVERYWHERE if not wants_tools(example)])
def test_an_example_works(example: str, works: Example) -> None:
    works(example)


@pytest.mark.usefixtures("page_tools")
@pytest.mark.parametrize("example", [example for example in EVERYWHERE if wants_tools(example)])
def test_an_example_with_other_tools_works(example: str, works: Example) -> None:
    works(example)


@pytest.mark.parametrize("example", [example for example in EXAMPLES if wants_docker(example)])
def test_an_example_with_docker_works(
    example: str,
    environment: dict[str, str],
    home: Path,
    works: Example,
    docker: dict[str, str],
    pushed_layers: Path,
    tmp_path: Path,
) -> None:
    """A registry on loopback stands for the public one that examples name."""
    environment.update(docker)
    with Registry(tmp_path / "registry") as registry:
        registry.has_layers_of(pushed_layers, "theoryctl/llm-litellm")
        architecture = host_platform().rpartition("/")[2]
        registry.publish("theoryctl/llm-litellm", architecture=architecture, tags=("1", "latest"))
        for manifest in (home / "manifests").rglob("*.yaml"):
            manifest.write_text(manifest.read_text().replace("ghcr.io", registry.address))
        works(example.replace("ghcr.io", registry.address))


def test_the_examples_with_modal_work_one_after_the_other(
    environment: dict[str, str], home: Path, works: Example
) -> None:
    """The tests' own Modal stands for the real one, and a pin for an image that was pushed."""
    manifest = home / "manifests/llm/litellm@1.yaml"
    pinned = f"llm-litellm\n  digests: {{linux/amd64: sha256:{'0' * 64}}}\n"
    manifest.write_text(manifest.read_text().replace("llm-litellm\n", pinned))
    examples = [example for words in COMMANDS for example in examples_of(*words) if wants_modal(example)]
    assert "start" in examples[0]
    subprocess.run(["git", "init", "--quiet", home], check=True)
    with Modal(environments=("prod", "dev")) as modal:
        environment.update(modal.variables, GIT_BRANCH="main", GIT_USER="alice")
        for example in examples:
            if "rollback" in example:
                works(f"{examples[0]} --oci me/llm@sha256:{'1' * 64}")
            works(example)


def test_the_version_is_printed(cli: Cli) -> None:
    from theoryctl_providers import __version__

    assert cli("--version").out == f"theoryctl {__version__}\n"
    assert cli("-V").status == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_shown_and_knows_the_commands(cli: Cli, shell: str) -> None:
    # The shell a person sits in is detected; a test sits in none.
    script = cli("--show-completion", shell, env={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"})
    assert (script.status, "_THEORYCTL_COMPLETE" in script.out) == (0, True)
    asked = {"_THEORYCTL_COMPLETE": "complete_bash", "COMP_WORDS": "theoryctl man", "COMP_CWORD": "1"}
    assert cli(env=asked).out.split() == ["manifest"]
