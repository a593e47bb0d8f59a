"""The recipes of docs/ci.md, carried out: by compose and testcontainers themselves, and as a CI would by Docker."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT, THEORYCTL
from tests.docker.conftest import Daemon
from tests.docker.registry import free_port
from tests.packaging.runner import Runner, action
from tests.pages import blocks, run_page

PAGE = "docs/ci.md"
#: Tests of somebody's own, without a word of theoryctl.
TESTS = """\
import json, os, unittest, urllib.request

class TestAnswer(unittest.TestCase):
    def test_it(self):
        body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "2+2?"}]}).encode()
        headers = {"authorization": f"Bearer {os.environ['OPENAI_API_KEY']}", "content-type": "application/json"}
        request = urllib.request.Request(f"{os.environ['OPENAI_BASE_URL']}/chat/completions", body, headers)
        self.assertIn("Mock answer", urllib.request.urlopen(request, timeout=10).read().decode())
"""
PASSED = re.compile(r"Ran 1 test in .*\n\nOK\n")


def recipe(kind: str) -> Any:
    """A block of YAML on the page; every scalar is a text."""
    (block,) = blocks(PAGE, f"yaml {kind}")
    return yaml.load(block, yaml.BaseLoader)


@pytest.fixture
def project(working_folder: Path) -> Path:
    """A folder with tests."""
    (working_folder / "test_answer.py").write_text(TESTS)
    return working_folder


@pytest.fixture
def runner(environment: dict[str, str], project: Path, tmp_path: Path) -> Runner:
    variables = {"PATH": f"{THEORYCTL.parent}:{environment['PATH']}", "RUNNER_TEMP": str(tmp_path)}
    contexts = {"github": {"job": "test"}, "strategy": {"job-index": 0}, "runner": {"temp": tmp_path}, "steps": {}}
    return Runner({**environment, **variables}, project, contexts)


@contextmanager
def served(daemon: Daemon, image: str, variables: Mapping[str, str], *flags: str) -> Iterator[None]:
    """A container as a service of a CI: with variables, and waited for."""
    given = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
    container = daemon("run", "--detach", *given, *flags, image).strip()
    try:
        end = time.monotonic() + 30
        while daemon.inspect(container)["State"]["Health"]["Status"] != "healthy":
            assert time.monotonic() < end, daemon("logs", container)
            time.sleep(0.1)
        yield
    finally:
        daemon("rm", "--force", container)


def test_every_recipe_is_tried_here() -> None:
    kinds = re.findall(r"^```yaml (.*)$", (ROOT / PAGE).read_text(), re.MULTILINE)
    assert kinds == ["action", "github", "gitlab", "compose"]


def test_four_lines_run_the_tests_of_a_job(runner: Runner) -> None:
    (block,) = blocks(PAGE, "yaml action")
    assert len(block.splitlines()) == 4
    (step,) = recipe("action")
    (runner.workspace / "answers.yaml").write_text("rules:\n  - answers:\n      - text: Mock answer by a rule\n")
    repository, _, path = step["uses"].partition("@")[0].partition("/.github/")
    assert repository == "theoryctl/theoryctl"
    action(ROOT / ".github" / path, runner, **step["with"])
    assert not runner.failed and "1 passed" in runner.printed, runner.printed


def test_a_service_of_github_answers_the_steps_of_its_job(image: str, daemon: Daemon, runner: Runner) -> None:
    (job,) = recipe("github")["jobs"].values()
    (service,) = job["services"].values()
    assert (service["image"], service["ports"]) == ("${{ vars.MODEL_IMAGE }}", ["8000:8000"])
    port = str(free_port())
    with served(daemon, image, service["env"], "--publish", f"127.0.0.1:{port}:8000"):
        runner.environment |= {name: value.replace("8000", port) for name, value in job["env"].items()}
        runner.run(job["steps"])
    assert not runner.failed and PASSED.search(runner.printed), runner.printed


def test_a_service_of_gitlab_answers_the_script_of_its_job(image: str, daemon: Daemon, project: Path) -> None:
    """https://docs.gitlab.com/ci/services/: on a network of the job, by its alias, with the variables of the job."""
    (job,) = recipe("gitlab").values()
    (service,) = job["services"]
    assert service["name"] == "$MODEL_IMAGE"
    variables = {name: value.replace("$THEORYCTL_TOKEN", job["variables"]["THEORYCTL_TOKEN"])
                 for name, value in job["variables"].items()}  # fmt: skip
    network = f"job-{project.parent.name}"
    daemon("network", "create", network)
    try:
        with served(daemon, image, variables, "--network", network, "--network-alias", service["alias"]):
            given = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
            place = ("--network", network, "--volume", f"{project}:/builds", "--workdir", "/builds")
            script = "\n".join(["set -e", *job["script"]])
            base = daemon.variables["THEORYCTL_BASE_IMAGE"]
            printed = subprocess.run(
                ["docker", "run", "--rm", *given, *place, base, "sh", "-c", script], capture_output=True, text=True
            ).stderr
    finally:
        daemon("network", "rm", network)
    assert PASSED.search(printed), printed


@pytest.mark.slow("docs/ci.md", "providers/Dockerfile", "tests/docker/test_recipes.py", "tests/docker/dockerd.sh")
def test_compose_waits_for_the_model_and_ends_as_the_tests_do(
    image: str, daemon: Daemon, project: Path, environment: dict[str, str]
) -> None:
    (block,) = blocks(PAGE, "yaml compose")
    (project / "compose.yaml").write_text(block)
    base = daemon.variables["THEORYCTL_BASE_IMAGE"]
    (project / "Dockerfile").write_text(f"FROM {base}\nCOPY test_answer.py .\n")
    told = {**environment, "MODEL_IMAGE": image}
    compose = ["docker-compose", "--file", "compose.yaml", "--project-name", project.parent.name]

    def up() -> subprocess.CompletedProcess[str]:
        run = [*compose, "up", "--build", "--exit-code-from", "tests"]
        return subprocess.run(run, cwd=project, env=told, capture_output=True, text=True, timeout=120)

    try:
        passed = up()
        assert (passed.returncode, "OK" in passed.stdout) == (0, True), passed.stdout + passed.stderr
        (project / "test_answer.py").write_text(TESTS.replace("Mock answer", "Other answer"))
        assert up().returncode == 1
    finally:
        subprocess.run([*compose, "down", "--rmi", "local"], cwd=project, env=told, capture_output=True, check=True)


@pytest.mark.slow("docs/ci.md", "providers/Dockerfile", "tests/docker/test_recipes.py", "tests/docker/dockerd.sh")
def test_testcontainers_starts_the_model_for_a_session_of_pytest(
    image: str, daemon: Daemon, project: Path, environment: dict[str, str]
) -> None:
    (fixture,) = blocks(PAGE, "python")
    (project / "conftest.py").write_text(fixture)
    # What removes containers that a killed session left is an image of testcontainers' own.
    told = {**environment, "MODEL_IMAGE": image, "TESTCONTAINERS_RYUK_DISABLED": "true"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:theoryctl"]
    done = subprocess.run(command, cwd=project, env=told, capture_output=True, text=True)
    assert "1 passed" in done.stdout, done.stdout
    left = daemon("ps", "--all", "--quiet", "--filter", "label=org.testcontainers")  # testcontainers/core/labels.py
    assert left == ""


def test_the_steps_that_hold_a_provider_pass(environment: dict[str, str], working_folder: Path) -> None:
    printed = run_page(PAGE, "sh docker", environment, working_folder)
    assert printed.splitlines()[-1] == "the same in embedded, process, docker"
    assert "The image of docker is `" in (working_folder / "report.md").read_text()
