"""What is deployed from one Python runs in an image that has another."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from grpclib import Status

from tests.conftest import REF, Cli, Ran
from tests.docker.conftest import error
from tests.modal.service import Modal


@pytest.mark.parametrize("version", ["1.6.2", "1.5.3", "2.0.0"])
def test_a_client_of_modal_that_is_not_known_to_do_is_named_with_its_version(
    version: str, cli: Cli, modal: Modal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modal.__version__", version)
    ran = cli("modal", "status", "--json")
    assert error(ran) == (1, "ERR_PROVIDER")
    assert f"got {version}" in ran.document["error"]["message"]
    assert "pip install" in ran.document["error"]["hint"]
    assert modal.journal == []


def test_a_client_of_modal_that_lacks_something_is_named_with_its_version(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("modal.Environment")
    ran = cli("modal", "status", "--json")
    assert error(ran) == (1, "ERR_PROVIDER")
    assert "lacks Environment" in ran.document["error"]["message"]


def test_a_client_that_modal_finds_too_old_is_no_matter_of_the_token(cli: Cli, modal: Modal) -> None:
    modal.refuse("ClientHello", Status.FAILED_PRECONDITION, message="The client version is too old")
    ran = cli("modal", "status", "--json")
    assert error(ran) == (1, "ERR_PROVIDER")
    assert "too old" in ran.document["error"]["message"]


def test_the_image_may_have_another_python_than_the_command_line(
    image_python: str, modal: Modal, start: Callable[..., Ran], cli: Cli
) -> None:
    modal.image_python = image_python
    start()
    on_modal, here = (cli(where, "run", "--ref", REF, "--json").document for where in ("modal", "local"))
    assert on_modal["outputs"] == here["outputs"]
    streamed = cli("modal", "run", "--ref", REF, "--stream")
    assert streamed.out == cli("local", "run", "--ref", REF).out
