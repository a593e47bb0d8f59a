"""docs/clients.md names every client that is tried."""

from __future__ import annotations

from tests.clients.agents import HERE, OPENAI2, OPENAI3
from tests.clients_page import CLIENTS, FRAMEWORKS
from tests.conftest import ROOT


def test_every_framework_that_is_tried_stands_in_the_table() -> None:
    tried = [each for each in FRAMEWORKS if each.file == "clients/test_agents.py"]
    assert len(tried) == len({**HERE, **OPENAI2, **OPENAI3}) == 12


def test_what_the_table_calls_slow_is_what_the_suite_leaves_out() -> None:
    for client in CLIENTS:
        text = (ROOT / "tests" / client.file).read_text()
        assert client.slow <= ("pytest.mark.slow(" in text), client
