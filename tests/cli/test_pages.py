"""docs/concepts.md, privacy.md and uninstall.md are true: their commands run, and do what the pages say."""

from __future__ import annotations

import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.conftest import REF, ROOT, THEORYCTL, Cli
from tests.modal.service import Modal
from tests.packaging.test_readme import blocks


def text_of(page: str) -> str:
    return (ROOT / "docs" / f"{page}.md").read_text()


def run(kind: str, page: str, environment: dict[str, str], folder: Path) -> str:
    """Run the blocks of a kind on a page as one script, and return what it prints."""
    path = f"{THEORYCTL.parent}:{environment['PATH']}"
    script = "\n".join(blocks(text_of(page), kind))
    assert script
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        env={**environment, "PATH": path},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def kept(environment: dict[str, str]) -> list[str]:
    """The files that were written below the home."""
    home = Path(environment["HOME"])
    return [str(file.relative_to(home)) for file in home.rglob("*") if file.is_file()]


def test_the_concepts_can_be_tried(environment: dict[str, str], working_folder: Path) -> None:
    assert run("sh", "concepts", environment, working_folder).count("Mock answer") == 2
    sections = re.findall(r"^## (\w+)$", text_of("concepts"), re.M)
    assert sections == ["Ref", "Provider", "Mode", "Runtime", "Envelope"]


def test_what_is_written_stands_on_the_page_on_privacy(
    environment: dict[str, str], cli: Cli, working_folder: Path
) -> None:
    run("sh", "privacy", environment, working_folder)
    for arguments in (["manifest", "list"], ["local", "start", "--ref", REF, "--runtime", "process"]):
        assert cli(*arguments).status == 0
    cli(env={"_THEORYCTL_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "theoryctl local run --model a"})
    files = [
        file.replace(".local/state/theoryctl", "state").replace(".cache/theoryctl", "cache")
        for file in kept(environment)
    ]
    cli("local", "stop", "--all")
    known = re.findall(r"`((?:state|cache)/[^`]*)`", text_of("privacy"))
    assert len(files) >= 5
    assert [file for file in files if not any(fnmatch(file, pattern) for pattern in known)] == []


def test_after_uninstalling_nothing_is_left(environment: dict[str, str], theoryctl: Cli, working_folder: Path) -> None:
    assert theoryctl("local", "start", "--ref", REF, "--runtime", "process").status == 0
    path = f"{THEORYCTL.parent}:{environment['PATH']}"
    install = ["bash", "-c", "theoryctl --install-completion; true"]
    subprocess.run(install, env={**environment, "PATH": path}, check=True, capture_output=True)
    assert ".bash_completions/theoryctl.sh" in kept(environment)
    assert "stopped" in run("sh", "uninstall", environment, working_folder)
    assert kept(environment) == [".bashrc", ".bashrc.bak"]
    assert "theoryctl" not in (Path(environment["HOME"]) / ".bashrc").read_text()


def test_what_was_built_is_removed_from_docker(
    environment: dict[str, str], docker: dict[str, str], working_folder: Path
) -> None:
    run("sh docker", "uninstall", {**environment, **docker}, working_folder)


@pytest.mark.parametrize("page", ["concepts", "privacy", "uninstall", "troubleshooting"])
def test_a_command_that_a_page_names_exists(page: str) -> None:
    from tests.helptexts import every_command

    known = {" ".join(words) for words in every_command()}
    named = re.findall(r"theoryctl ((?:local|modal|image|manifest) [a-z-]+|doctor|explain|models)", text_of(page))
    assert [words for words in named if words not in known] == []


@pytest.mark.slow("docs/uninstall.md", "theoryctl/cli/modal.py", "theoryctl/actions/modal.py")
def test_what_was_deployed_is_removed_from_modal(environment: dict[str, str], cli: Cli, working_folder: Path) -> None:
    with Modal(environments=("prod",)) as modal:
        environment.update(modal.variables)
        image = f"ghcr.io/theoryctl/llm-litellm@sha256:{'0' * 64}"
        assert cli("modal", "start", "--ref", REF, "--env", "prod", "--oci", image).status == 0
        run("sh modal", "uninstall", environment, working_folder)
        assert cli("modal", "status", "--env", "prod").out == ""
