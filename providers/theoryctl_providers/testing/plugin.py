"""The pytest plugin: `def test_it(theoryctl)`. It loads the server when the first test asks for the fixture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the marker."""
    config.addinivalue_line("markers", "theoryctl(script=…, replay=…): what the fixture theoryctl answers")


@pytest.fixture(scope="session")
def _theoryctl_instances() -> Iterator[Any]:
    from theoryctl_providers.testing.instance import instances

    with instances() as begin:
        yield begin


@pytest.fixture
def theoryctl(request: pytest.FixtureRequest, _theoryctl_instances: Any) -> Iterator[Any]:
    """Serve mocks to this test alone, with the variables set that lead clients of each API there."""
    from theoryctl_providers.testing.instance import environment

    marker = request.node.get_closest_marker("theoryctl")
    with _theoryctl_instances() as instance, environment(instance.env):
        for name, value in (marker.kwargs if marker else {}).items():
            if name not in ("script", "replay"):
                pytest.fail(f"the marker theoryctl: expected script or replay, got {name}", pytrace=False)
            getattr(instance, name)(value)
        yield instance
