"""Modules that LiteLLM imports and seldom uses are imported, or run, when somebody takes a name of theirs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from theoryctl_providers.litellm.late import run_late, taken_late

Made = Callable[[str], ModuleType]

#: A package's modules beside its `__init__`.
MODULES = {"one": "class One: ...", "two": "class Two: ...\nclass Three: ...", "same": "same = 1"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package's folder, from which its modules are imported."""
    folder = tmp_path / "reexporting"
    folder.mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.startswith("reexporting")]:
        del sys.modules[name]


@pytest.fixture
def made(folder: Path) -> Made:
    """Import a package of such an `__init__`, its names taken late."""
    for name, source in MODULES.items():
        (folder / f"{name}.py").write_text(source)

    def make(source: str) -> ModuleType:
        (folder / "__init__.py").write_text(source)
        with taken_late("reexporting"):
            return import_module("reexporting")

    return make


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


#: The beginning of a module that tells a list of the test's each time it runs, which takes a while.
COUNTED = "import time, reexporting_told\nreexporting_told.ran.append(__name__)\ntime.sleep(0.05)\nearly = 1\n"


def run_lately(folder: Path, source: str) -> tuple[ModuleType, list[str]]:
    """A module of such a source in a package whose modules run late, and the names of those that have run."""
    told = ModuleType("reexporting_told")
    ran: list[str] = []
    told.ran = ran  # type: ignore[attr-defined]
    sys.modules["reexporting_told"] = told
    (folder / "__init__.py").write_text("")
    (folder / "late.py").write_text(COUNTED + source)
    with run_late("reexporting"):
        from reexporting import late  # type: ignore[import-not-found]
    return late, ran


def test_a_module_runs_once_when_a_name_of_it_is_first_taken(folder: Path) -> None:
    late, ran = run_lately(folder, "last = 2")
    assert ran == []
    with ThreadPoolExecutor(8) as pool:  # those that come while it runs wait for its end
        assert list(pool.map(lambda _: late.last, range(8))) == [2] * 8
    assert ran == ["reexporting.late"]
    with pytest.raises(AttributeError, match=r"module 'reexporting.late' has no attribute 'other'"):
        late.other  # noqa: B018


def test_a_module_may_be_asked_while_it_runs_and_have_a_getattr_of_its_own(folder: Path) -> None:
    source = "import reexporting.late as itself\nassert itself.early == 1\nassert not hasattr(itself, 'last')\n"
    late, ran = run_lately(folder, source + "def __getattr__(name): return name.upper()\nlast = 2")
    assert (late.other, late.last, len(ran)) == ("OTHER", 2, 1)


def test_a_module_that_fails_runs_again(folder: Path) -> None:
    late, ran = run_lately(
        folder, "import reexporting_told\nif len(reexporting_told.ran) < 2: raise OSError('no')\nlast = 2"
    )
    with pytest.raises(OSError, match="no"):
        late.last  # noqa: B018
    assert late.last == 2
    assert len(ran) == 2


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


@pytest.mark.slow("providers/theoryctl_providers/litellm/late.py", "tests/providers/litellm/*", "requirements-dev.lock")
def test_all_names_of_openais_types_are_what_they_are_without_it() -> None:
    late, ever = printed(LOAD + ORIGINS), printed(ORIGINS)
    assert len(ever) > 1_000
    assert late == ever


def test_litellm_loads_neither_types_that_no_call_uses_nor_a_command_line() -> None:
    script = "; import json, sys, openai; print(json.dumps(dict.fromkeys(sys.modules)))"
    found = printed(LOAD + script)
    assert len([name for name in found if name.startswith("openai.types.")]) < 500  # of 1,000
    assert not {"rich", "pygments", "openai.types.realtime", "cryptography.hazmat.bindings._rust"} & found.keys()


def test_oracles_requests_are_signed_all_the_same() -> None:
    """A client of Oracle's cloud signs with RSA: with a key of 1024 bits, for it is made faster."""
    script = """
import json
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from litellm.llms.oci.common_utils import OCISignerProtocol, sign_oci_request
key = generate_private_key(65537, 1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
options = {f"oci_{name}": "x" for name in ("user", "fingerprint", "tenancy")} | {"oci_region": "r", "oci_key": key}
headers, _ = sign_oci_request({}, options, {"a": 1}, "https://inference.invalid/chat")
print(json.dumps(headers))
"""
    assert 'algorithm="rsa-sha256"' in str(printed(LOAD + script)["authorization"])
