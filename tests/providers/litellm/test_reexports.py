"""A package that only re-exports names imports each of its modules when somebody takes a name of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from theoryctl_providers.litellm.reexports import taken_late

Made = Callable[[str], ModuleType]

#: A package's modules beside its `__init__`.
MODULES = {"one": "class One: ...", "two": "class Two: ...\nclass Three: ...", "same": "same = 1"}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    """Import a package of such an `__init__`, its names taken late."""
    folder = tmp_path / "reexporting"
    folder.mkdir()
    for name, source in MODULES.items():
        (folder / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)

    def make(source: str) -> ModuleType:
        (folder / "__init__.py").write_text(source)
        with taken_late("reexporting"):
            return import_module("reexporting")

    yield make
    for name in [name for name in sys.modules if name.partition(".")[0] == "reexporting"]:
        del sys.modules[name]


def loaded() -> set[str]:
    return {name for name in MODULES if f"reexporting.{name}" in sys.modules}


RE_EXPORTS = "from __future__ import annotations\nfrom .one import One as One\nfrom .two import Two, Three as Drei\n"


def test_no_module_is_imported_before_a_name_of_it_is_taken(made: Made) -> None:
    package = made(RE_EXPORTS)
    assert loaded() == set()
    assert package.Drei.__qualname__ == "Three"
    assert loaded() == {"two"}
    assert package.Drei is package.two.Three is package.Drei


def test_names_can_be_imported_listed_and_asked_for(made: Made) -> None:
    package = made(RE_EXPORTS)
    assert {"One", "Two", "Drei"} <= set(dir(package))
    assert not hasattr(package, "Four")
    found: dict[str, object] = {}
    exec("from reexporting import *", found)
    assert {"One", "Two", "Drei"} <= found.keys()


@pytest.mark.parametrize(
    "more",
    ["from .two import *", "x = 1", "import os", "from os import path", "from . import two", "from .same import same"],
)
def test_a_package_that_does_more_is_imported_as_ever(made: Made, more: str) -> None:
    made(f"{RE_EXPORTS}{more}\n")
    assert {"one", "two"} <= loaded()


def printed(script: str) -> Mapping[str, object]:
    """The JSON object that a process prints."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    found: Mapping[str, object] = json.loads(done.stdout)
    return found


LOAD = "from theoryctl_providers.litellm.loading import import_litellm; import_litellm()"

#: Where each name of OpenAI's packages of types comes from.
ORIGINS = """
import json, pkgutil, sys, openai.types
from importlib import import_module
packages = [each.name for each in pkgutil.walk_packages(openai.types.__path__, "openai.types.") if each.ispkg]
found = {}
for package in map(import_module, ["openai.types", *packages]):
    for name in dir(package):
        item = getattr(package, name)
        if not name.startswith("_") and name != "annotations" and type(item).__name__ != "module":
            found[f"{package.__name__}.{name}"] = f"{getattr(item, '__module__', '')}.{getattr(item, '__name__', '')}"
print(json.dumps(found))
"""


@pytest.mark.slow(
    "providers/theoryctl_providers/litellm/reexports.py", "tests/providers/litellm/*", "requirements-dev.lock"
)
def test_all_names_of_openais_types_are_what_they_are_without_it() -> None:
    late, ever = printed(LOAD + ORIGINS), printed(ORIGINS)
    assert len(ever) > 1_000
    assert late == ever


def test_litellm_loads_neither_types_that_no_call_uses_nor_a_command_line() -> None:
    script = "; import json, sys, openai; print(json.dumps(dict.fromkeys(sys.modules)))"
    found = printed(LOAD + script)
    assert len([name for name in found if name.startswith("openai.types.")]) < 500  # of 1,000
    assert not {"rich", "pygments", "openai.types.realtime"} & found.keys()
