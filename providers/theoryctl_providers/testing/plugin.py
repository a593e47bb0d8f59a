"""The pytest plugin: `def test_it(theoryctl)`. It loads the server when the first test asks for the fixture."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest

#: The setting that refuses, to every test, connections to other machines.
OFFLINE = "theoryctl_offline"

#: If the call of a test has passed, in the item's stash.
_PASSED = pytest.StashKey[bool]()

_IDLE = "theoryctl was asked nothing: was the client made before the test began? (docs/testing.md)"


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
    if item.get_closest_marker("theoryctl") is None:
        return
    names = getattr(item, "fixturenames", [])
    names[:] = ["theoryctl", *(name for name in names if name != "theoryctl")]
    from theoryctl_providers.testing.markers import told_by

    if told_by(item).get("offline"):
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
        _answer_as(request.node, instance)
        yield instance
        _judge(request.node, instance)


def _judge(item: pytest.Item, instance: Any) -> None:
    """Tell what is odd about the answers of a test: rules that never fire, and if it passed, what was not asked."""
    passed = item.stash.get(_PASSED, False)
    if passed and instance.missed:
        pytest.fail(instance.missed, pytrace=False)
    for told in (*instance.warnings, *([_IDLE] if passed and instance.is_idle else ())):
        item.warn(pytest.PytestWarning(told))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
    """Take note of a call that passed: of another, unused rules say nothing."""
    report = yield
    if call.when == "call":
        item.stash[_PASSED] = report.passed
    return report


def _answer_as(item: pytest.Item, instance: Any) -> None:
    """Have an instance answer as markers say. What is wrong with one fails the test, without a trace through here."""
    from theoryctl_providers.contract import ProviderError
    from theoryctl_providers.testing.markers import mistakes_of, told_by

    for mistake in mistakes_of(item):
        pytest.fail(f"the marker theoryctl: {mistake}", pytrace=False)
    try:
        instance.answer(**{name: value for name, value in told_by(item).items() if name != "offline"})
    except ProviderError as error:
        text = f"the marker theoryctl: {error.message}\nhint: {error.hint}"
        raise pytest.fail.Exception(text, pytrace=False) from None
