"""Fixtures of the tests of the provider seam."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from tests.providers.engine.seam import HERE
from theoryctl_providers import lookup


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """An importable module for the classes of one test."""
    module = ModuleType(HERE)
    monkeypatch.setitem(sys.modules, HERE, module)
    monkeypatch.setattr(lookup, "_loaded", {})
    return module
