"""The pytest plugin: `def test_it(theoryctl)`. It loads the server when the first test asks for the fixture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

#: The setting that refuses, to every test, connections to other machines.
OFFLINE = "theoryctl_offline"

_ARGUMENTS = ("script", "replay", "record", "offline")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tell pytest of the setting."""
    parser.addini(OFFLINE, "refuse connections to other machines in every test that records nothing", "bool")


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the marker."""
    told = "what the fixture theoryctl answers; the marker alone is enough"
    config.addinivalue_line("markers", f"theoryctl(script=…, replay=…, record='missing', offline=True): {told}")
    if config.getini(OFFLINE):
        _stay_offline(config)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give a marked test the fixture before all others, which may make the client that it leads here."""
    marker = item.get_closest_marker("theoryctl")
    if marker is None:
        return
    names = getattr(item, "fixturenames", [])
    if "theoryctl" not in names:
        names.insert(0, "theoryctl")
    if marker.kwargs.get("offline"):
        _stay_offline(item.config)


def _stay_offline(config: pytest.Config) -> None:
    from theoryctl_providers.testing.offline import Offline

    if not config.pluginmanager.has_plugin(Offline.__name__):
        config.pluginmanager.register(Offline(config.getini(OFFLINE)), Offline.__name__)


@pytest.fixture(scope="session")
def _theoryctl_instances() -> Iterator[Any]:
    from theoryctl_providers.testing.instance import instances

    with instances() as begin:
        yield begin


@pytest.fixture
def theoryctl(request: pytest.FixtureRequest, _theoryctl_instances: Any) -> Iterator[Any]:
    """Serve mocks to this test alone, with the variables set that lead clients of each API there."""
    from theoryctl_providers.testing.instance import environment

    with _theoryctl_instances() as instance, environment(instance.env):
        if marker := request.node.get_closest_marker("theoryctl"):
            _answer_as(marker, instance)
        yield instance
        if instance.is_strict and (unused := instance.unused):
            names = ", ".join(unused)
            pytest.fail(f"the script is strict; expected an answer of each rule, got none of {names}", pytrace=False)


def _answer_as(marker: pytest.Mark, instance: Any) -> None:
    """Have an instance answer as a marker says. What is wrong with it fails the test, without a trace through here."""
    from theoryctl_providers.contract import ProviderError

    for unknown in (*marker.args, *(name for name in marker.kwargs if name not in _ARGUMENTS)):
        pytest.fail(f"the marker theoryctl: expected {', '.join(_ARGUMENTS)}, got {unknown!r:.200}", pytrace=False)
    try:
        instance.answer(**{name: value for name, value in marker.kwargs.items() if name != "offline"})
    except ProviderError as error:
        pytest.fail(f"the marker theoryctl: {error.message}\nhint: {error.hint}", pytrace=False)
