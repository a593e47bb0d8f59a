"""Unmodified clients of OpenAI's API, and instances that were really started for them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.conftest import _FOREIGN, REF, THEORYCTL
from tests.modal.service import Modal
from tests.openai.asking import Asked
from tests.providers.started import TOKEN, real, starting
from tests.real.vendor import Vendor, answers

#: What `local env` says of an instance.
Variables = dict[str, str]
StartProvider = Callable[..., Variables]
MakeClient = Callable[..., openai.OpenAI]

#: `@1` of a provider of the test's own, in the module `acme`.
MANIFEST = """\
ref: acme/test@1
title: A provider of this test
provider: acme:Provider
models:
  default: openai/test
inputs:
  type: object
example:
  messages: []
"""


def theoryctl(*arguments: str, env: Mapping[str, str]) -> Any:
    """The JSON that a command prints; it must succeed."""
    done = subprocess.run([THEORYCTL, *arguments, "--json"], capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Variables]:
    """The environment of somebody with nothing set, whose instances are stopped in the end."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    variables = {**clean, "HOME": str(tmp_path_factory.mktemp("home"))}
    yield variables
    theoryctl("local", "stop", "--all", env=variables)


#: What serves on Modal, or stands for it there. The same tests with it cost a minute more.
ON_MODAL = pytest.mark.slow(
    "theoryctl/modal/*",
    "theoryctl/actions/modal*",
    "providers/theoryctl_providers/server/*",
    "tests/modal/service/*",
    "tests/openai/*",
    "requirements-dev.lock",
)


@pytest.fixture(scope="module", params=["process", pytest.param("modal", marks=ON_MODAL)])
def instance(request: pytest.FixtureRequest, home: Variables) -> Iterator[Variables]:
    """A started mock of llm/litellm@1, here or on Modal: the variables that lead a client to it."""
    with _process(home) if request.param == "process" else served_on_modal(home) as variables:
        yield variables


@pytest.fixture(scope="module")
def local_instance(home: Variables) -> Iterator[Variables]:
    """The one of this machine, for what is about commands on it."""
    with _process(home) as variables:
        yield variables


@contextmanager
def _process(home: Variables) -> Iterator[Variables]:
    theoryctl("local", "start", "--ref", REF, "--runtime", "process", env=home)
    variables = theoryctl("local", "env", "--ref", REF, env=home)["variables"]
    assert isinstance(variables, dict)
    yield variables


@contextmanager
def served_on_modal(home: Variables) -> Iterator[Variables]:
    """An app with an endpoint, in the tests' own Modal."""
    with Modal() as modal:
        env = {**home, **modal.variables, "GIT_BRANCH": "main", "GIT_USER": "alice"}
        image = ("--oci", f"registry.test/theoryctl/llm@sha256:{'a' * 64}")
        theoryctl("modal", "start", "--ref", REF, *image, "--serve", "--max-containers", "1", env=env)
        variables = theoryctl("modal", "env", "--ref", REF, env=env)["variables"]
        assert isinstance(variables, dict)
        yield variables


@pytest.fixture
def start_provider(home: Variables, tmp_path: Path) -> Iterator[StartProvider]:
    """Start a provider from its source, which defines `Provider`."""
    env = {**home, "PYTHONPATH": str(tmp_path), "THEORYCTL_MANIFESTS": str(tmp_path / "manifests")}

    def start(source: str, *flags: str, **more: str) -> Variables:
        (tmp_path / "acme.py").write_text(source)
        (tmp_path / "manifests/acme").mkdir(parents=True)
        (tmp_path / "manifests/acme/test@1.yaml").write_text(MANIFEST)
        where = ("--ref", "acme/test@1")
        theoryctl("local", "start", *where, "--runtime", "process", *flags, env={**env, **more})
        variables = theoryctl("local", "env", *where, env=env)["variables"]
        assert isinstance(variables, dict)
        return variables

    yield start
    theoryctl("local", "stop", "--all", env=env)


@pytest.fixture
def pointed(instance: Variables, monkeypatch: pytest.MonkeyPatch) -> Variables:
    """This process's environment after `eval "$(theoryctl local env --ref …)"`."""
    for name, value in instance.items():
        monkeypatch.setenv(name, value)
    return instance


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    """Makes clients, each of the instance that these variables lead to, and closes them."""
    with ExitStack() as stack:

        def make(variables: Variables, **options: Any) -> openai.OpenAI:
            told = {"base_url": variables["OPENAI_BASE_URL"], "api_key": variables["OPENAI_API_KEY"], **options}
            return stack.enter_context(openai.OpenAI(**told))

        yield make


@pytest.fixture
def client(pointed: Variables) -> Iterator[openai.OpenAI]:
    """A client that is told nothing: the environment leads it."""
    with openai.OpenAI() as client:
        yield client


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    asked: list[Asked] = []
    with Vendor(lambda talk: asked[0].says(talk)) as vendor, starting(tmp_path_factory.mktemp("log")) as start:
        url = f"http://127.0.0.1:{start(real(vendor)).port}/v1"
        with openai.OpenAI(base_url=url, api_key=TOKEN) as client:
            asked.append(Asked(vendor, client))
            # The first call pays for what an instance does once, and some tests look at the clock.
            asked[0].chat(answers(), streamed=False)
            yield asked[0]


@pytest.fixture
def asked(running: Asked) -> Asked:
    return running
