"""What is deployed from one Python runs in an image that has another."""

from __future__ import annotations

from collections.abc import Callable

from tests.conftest import REF, Cli, Ran
from tests.modal.service import Modal


def test_the_image_may_have_another_python_than_the_command_line(
    image_python: str, modal: Modal, start: Callable[..., Ran], cli: Cli
) -> None:
    modal.image_python = image_python
    start()
    on_modal, here = (cli(where, "run", "--ref", REF, "--json").document for where in ("modal", "local"))
    assert on_modal["outputs"] == here["outputs"]
    streamed = cli("modal", "run", "--ref", REF, "--stream")
    assert streamed.out == cli("local", "run", "--ref", REF).out
