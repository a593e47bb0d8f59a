"""Versions of Modal's client, and of the Python of an image."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version
from typing import Any

import pytest
from grpclib import Status

from tests.conftest import REF, Cli
from tests.docker.conftest import error
from tests.modal.host.conftest import IMAGE
from tests.modal.host.running import Start
from tests.modal.service import Modal


@pytest.mark.parametrize("found", ["1.6.2", "1.5.3", "2.0.0"])
def test_a_client_of_modal_that_is_not_known_to_do_is_named_with_its_version(
    found: str, cli: Cli, modal: Modal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modal.__version__", found)
    ran = cli("modal", "status", "--json")
    assert error(ran) == (1, "ERR_PROVIDER")
    assert f"got {found}" in ran.document["error"]["message"]
    assert "pip install" in ran.document["error"]["hint"]
    assert modal.journal == []


def test_a_client_of_modal_that_lacks_something_is_named_with_its_version(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("modal.Environment")
    ran = cli("modal", "status", "--json")
    assert error(ran) == (1, "ERR_PROVIDER")
    assert "lacks Environment" in ran.document["error"]["message"]


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("modal._utils.http_utils", "_http_client_with_tls"),
        ("modal._utils.http_utils", None),
        ("modal._output.manager", None),
    ],
)
def test_a_newer_client_without_a_part_that_is_its_own_is_named_with_its_version(
    owner: str, name: str | None, cli: Cli, modal: Modal, monkeypatch: pytest.MonkeyPatch
) -> None:
    importlib.import_module("modal")  # whole, before a part of it is taken away
    monkeypatch.delattr(f"{owner}.{name}" if name else owner)
    if not name:
        monkeypatch.setitem(sys.modules, owner, None)
    ran = cli("modal", "start", "--ref", REF, "--oci", IMAGE, "--json")
    assert error(ran) == (1, "ERR_PROVIDER")
    assert f"{version('modal')} lacks {name or owner}" in ran.document["error"]["message"]


def test_a_newer_client_that_asks_otherwise_is_named_with_its_version(
    cli: Cli, modal: Modal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modal.client import _Client

    plain = _Client._call_unary

    async def call(*arguments: Any, **named: Any) -> Any:
        return await plain(*arguments, **named)

    monkeypatch.setattr(_Client, "_call_unary", call)
    ran = cli("modal", "status", "--json")
    assert error(ran) == (1, "ERR_PROVIDER")
    assert "lacks _call_unary(timeout=)" in ran.document["error"]["message"]


def test_a_client_that_modal_finds_too_old_is_no_matter_of_the_token(cli: Cli, modal: Modal) -> None:
    modal.refuse("ClientHello", Status.FAILED_PRECONDITION, message="The client version is too old")
    ran = cli("modal", "status", "--json")
    assert error(ran) == (1, "ERR_PROVIDER")
    assert "too old" in ran.document["error"]["message"]


def test_the_image_may_have_another_python_than_the_command_line(
    image_python: str, modal: Modal, start: Start, cli: Cli
) -> None:
    modal.image_python = image_python
    start()
    on_modal, here = (cli(where, "run", "--ref", REF, "--json").document for where in ("modal", "local"))
    assert on_modal["outputs"] == here["outputs"]
    streamed = cli("modal", "run", "--ref", REF, "--stream")
    assert streamed.out == cli("local", "run", "--ref", REF).out
