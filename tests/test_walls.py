"""The walls of the design, by reading imports: floors, homes of libraries, and what may be loaded when."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.source import (
    FILES,
    OF_HOST,
    OF_PROVIDERS,
    ROOMS,
    ROOT,
    imports,
    is_in,
    ours,
    package_of,
    room_of,
)

#: The rooms of each package, top down: imports go to a floor below. A new file in a room needs no edit here.
FLOORS = {
    "theoryctl": (
        ("__main__",),
        ("cli",),
        ("actions", "terminal"),
        ("results",),
        ("runtimes", "batch", "ledger"),
        ("images",),
        ("docker", "modal"),
        ("manifests",),
        ("instances", "registry", "requests"),
        ("settings",),
        ("authored", "refs", "secrets", "platforms", "settings_file", "units"),
        ("errors", "hints", "paths"),
        ("progress",),
    ),
    "theoryctl_providers": (
        ("__main__",),
        ("testing",),
        ("server", "conformance"),
        ("wires",),
        ("engine", "litellm"),
        ("mock", "lookup"),
        ("asgi", "authored", "inputs", "redact", "protocol", "deadline", "status"),
        ("blame",),
        ("contract",),
    ),
}

#: At most so many modules beside the rooms of a package.
BESIDE = {"theoryctl": 13, "theoryctl_providers": 10}

#: Packages whose `__init__` says something: doors. All others are empty.
DOORS = {
    "theoryctl",
    "theoryctl.ledger",
    "theoryctl_providers",
    "theoryctl_providers.conformance",
    "theoryctl_providers.contract",
    "theoryctl_providers.mock",
    "theoryctl_providers.testing",
}

#: The only places that import a library, in a call or at the top.
HOMES = {
    "typer": {"theoryctl.cli"},
    "rich": {"theoryctl.terminal"},
    "docker": {"theoryctl.docker"},
    "modal": {"theoryctl.modal"},
    "sqlite3": {"theoryctl.ledger"},
    "_sqlite3": {"theoryctl.ledger"},
    "pygal": {"theoryctl.ledger.report"},
    "httpx": {"theoryctl.registry", "theoryctl_providers.litellm"},
    "pydantic": {"theoryctl_providers.authored", "theoryctl.manifests.check"},
    "yaml": {"theoryctl_providers.authored", "theoryctl.manifests.edit"},
    "starlette": {"theoryctl_providers.asgi", "theoryctl_providers.wires", "theoryctl_providers.server"},
    "uvicorn": {"theoryctl_providers.server"},
    "litellm": {"theoryctl_providers.litellm"},
    "aiohttp": {"theoryctl_providers.litellm", "theoryctl.modal"},
    "requests": {"theoryctl_providers.litellm", "theoryctl.docker"},
}

#: What runs a provider: the embedded runtime in this process, the shim in a container on Modal, and the checks of its
#: conformance and sameness. And what reads the recordings for it, for the engine and the host are to refuse the same
#: ones. And the table of vendors, of which there is to be one, and what they bill beside tokens. And a batch, which
#: asks in this process without one for each line; and the content of the ledger, which passes the same redactor.
INSIDE = (
    "theoryctl.runtimes.embedded",
    "theoryctl.modal.theoryctl_shim",
    "theoryctl.requests.mock_flags",
    "theoryctl.actions.conformance",
    "theoryctl.actions.sameness",
    "theoryctl.actions.vendors",
    "theoryctl.batch.cost",
    "theoryctl.batch.engines",
    "theoryctl.batch.given_inputs",
    "theoryctl.batch.prices",
    "theoryctl.batch.requests",
    "theoryctl.batch.vendors.desk",
    "theoryctl.ledger.content",
)

#: What host and providers share: the contract, and the one reader and check of documents that people write.
SHARED_ROOMS = ("theoryctl_providers.contract", "theoryctl_providers.authored")

#: Libraries that cost a start-up, and so are imported inside the call that needs them.
HEAVY = {
    "asyncio",
    "docker",
    "dotenv",
    "filetype",
    "http.client",
    "httpx",
    "importlib.metadata",
    "jsonschema_rs",
    "litellm",
    "modal",
    "openai",
    "psutil",
    "pydantic",
    "pygal",
    "python_multipart",
    "rich",
    "sqlite3",
    "_sqlite3",
    "starlette",
    "tenacity",
    "tempfile",
    "uvicorn",
    "yaml",
}

#: Modules and rooms that are made of a heavy one; who uses them imports them inside the call.
MADE_OF = {
    "theoryctl.authored.script_file": {"pydantic", "yaml"},
    "theoryctl.docker.logins": {"docker"},
    "theoryctl.docker.sdk": {"docker"},
    "theoryctl.docker.ssh": {"tempfile"},
    "theoryctl.manifests.check": {"pydantic"},
    "theoryctl.manifests.edit": {"yaml"},
    "theoryctl.modal.theoryctl_server": {"modal"},
    "theoryctl.modal.theoryctl_shim": {"tempfile"},
    "theoryctl.terminal.live_markdown": {"rich"},
    "theoryctl.terminal.progress_bar": {"rich"},
    "theoryctl.terminal.rich_layout": {"rich"},
    "theoryctl.terminal.rich_markdown": {"pygments", "rich"},
    "theoryctl.terminal.spinner": {"rich"},
    "theoryctl_providers.asgi": {"asyncio", "starlette"},
    "theoryctl_providers.authored": {"pydantic", "yaml"},
    "theoryctl_providers.deadline": {"asyncio"},
    "theoryctl_providers.engine.loop": {"asyncio"},
    "theoryctl_providers.engine.produced": {"asyncio"},
    "theoryctl_providers.engine.retries": {"asyncio", "tenacity"},
    "theoryctl_providers.litellm.answers": {"httpx"},
    "theoryctl_providers.litellm.batches.anthropic": {"httpx"},
    "theoryctl_providers.litellm.batches.api": {"httpx"},
    "theoryctl_providers.litellm.batches.openai": {"httpx"},
    "theoryctl_providers.litellm.listening": {"httpx"},
    "theoryctl_providers.litellm.redirects": {"httpx"},
    "theoryctl_providers.litellm.stored_client": {"httpx"},
    "theoryctl_providers.litellm.transport": {"httpx"},
    "theoryctl_providers.litellm.connections": {"asyncio"},
    "theoryctl_providers.server": {"asyncio", "starlette", "uvicorn"},
    "theoryctl_providers.testing.instance": {"asyncio", "starlette", "uvicorn"},
    "theoryctl_providers.wires": {"asyncio", "python_multipart", "starlette", "tempfile"},
}

#: All that stands at the top of the repository: a file that a trial left there would be shipped.
TOP = {
    *(".ci", ".github", ".gitignore", "docs", "manifests", "providers", "tests", "theoryctl"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "pyproject.toml"),
    *("requirements-all.lock", "requirements-core.lock", "requirements-dev.lock"),
}


def test_nothing_else_stands_at_the_top_of_the_repository() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {name.partition("/")[0] for name in listed.splitlines()} == TOP


def floor_of(module: str) -> int | None:
    """The number of a module's floor, from the top; None for the door of a package."""
    package, _, room = room_of(module).partition(".")
    for number, floor in enumerate(FLOORS[package]):
        if room in floor:
            return number
    assert not room, f"give {package}.{room} a floor"
    return None


@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_downward_only(room: str) -> None:
    mine = floor_of(room)
    if mine is not None:
        pairs = [(module, other) for module in ROOMS[room] for other in ours(module)]
        beyond = [(module, other) for module, other in pairs if package_of(other) == package_of(room)]
        floors = {(module, other): floor_of(other) for module, other in beyond if room_of(other) != room}
        assert [pair for pair, floor in floors.items() if floor is not None and floor <= mine] == []


def test_no_module_needs_itself_on_any_way_round() -> None:
    waiting = {module: ours(module) for module in FILES if module not in DOORS}
    while free := {module for module, needed in waiting.items() if not needed & set(waiting)}:
        waiting = {module: needed for module, needed in waiting.items() if module not in free}
    assert waiting == {}


@pytest.mark.parametrize("package", FLOORS)
def test_few_modules_stand_beside_the_rooms(package: str) -> None:
    folder = FILES[package].parent
    assert len([file for file in folder.glob("*.py") if file.name != "__init__.py"]) <= BESIDE[package]


def test_only_doors_have_something_in_their_init() -> None:
    packages = {module for module, file in FILES.items() if file.name == "__init__.py"}
    assert {module for module in packages if ast.parse(FILES[module].read_text()).body} == DOORS


@pytest.mark.parametrize("room", OF_HOST)
def test_the_host_knows_the_contract_only_and_the_embedded_runtime_the_engine(room: str) -> None:
    for module in ROOMS[room]:
        beyond = {each for each in imports(FILES[module]) if is_in(each.module, "theoryctl_providers")}
        beyond -= {each for each in beyond if any(is_in(each.module, shared) for shared in SHARED_ROOMS)}
        assert {each for each in beyond if each.at_top or module not in INSIDE} == set(), module


def test_the_providers_never_know_the_host() -> None:
    for room in OF_PROVIDERS:
        for module in ROOMS[room]:
            assert {each.module for each in imports(FILES[module]) if is_in(each.module, "theoryctl")} == set(), module


def test_the_contract_needs_the_standard_library_only() -> None:
    for module, file in FILES.items():
        if is_in(module, "theoryctl_providers.contract"):
            roots = {package_of(each.module) for each in imports(file)} - {"theoryctl_providers"}
            assert roots <= sys.stdlib_module_names, module


@pytest.mark.parametrize("room", ROOMS)
def test_what_is_heavy_is_imported_inside_the_call_that_needs_it(room: str) -> None:
    for module in ROOMS[room]:
        top = {each.module for each in imports(FILES[module]) if each.at_top}
        heavy = {each for each in top if each in HEAVY or package_of(each) in HEAVY}
        mine = [made_of for place, made_of in MADE_OF.items() if is_in(module, place)]
        allowed = {each for each in heavy if any(package_of(each) in made_of for made_of in mine)}
        assert heavy - allowed == set(), module
        assert mine or not {each for each in top for place in MADE_OF if is_in(each, place)}, module


@pytest.mark.parametrize("library", HOMES)
def test_a_library_has_one_home(library: str) -> None:
    using = {name for name, file in FILES.items() for each in imports(file) if package_of(each.module) == library}
    assert using
    assert {module for module in using if not any(is_in(module, home) for home in HOMES[library])} == set()


@pytest.mark.parametrize(("name", "more"), [("theoryctl_shim", set()), ("theoryctl_server", {"modal"})])
def test_what_goes_to_modal_knows_nothing_of_the_host_and_loads_little(name: str, more: set[str]) -> None:
    found = imports(FILES[f"theoryctl.modal.{name}"])
    assert {each.module for each in found if is_in(each.module, "theoryctl")} == set()
    assert {package_of(each.module) for each in found if each.at_top} - sys.stdlib_module_names == more


def folders_in(room: str) -> set[str]:
    """The packages in a room."""
    return {name for name, file in FILES.items() if file.name == "__init__.py" and name.rpartition(".")[0] == room}


#: Parts of a room that must not know each other. A wire is a folder; what stands beside the wires is shared by them.
APART = {
    "theoryctl.runtimes": {f"theoryctl.runtimes.{name}" for name in ("docker", "embedded", "modal", "process")},
    "theoryctl_providers.wires": folders_in("theoryctl_providers.wires"),
}


@pytest.mark.parametrize("room", APART)
def test_no_runtime_imports_another_and_no_wire_another(room: str) -> None:
    parts = APART[room]
    assert len(parts) > 3 and all(any(is_in(name, part) for name in FILES) for part in parts)
    for module in FILES:
        if (own := ".".join(module.split(".")[:3])) in parts:
            assert {".".join(other.split(".")[:3]) for other in ours(module)} & (parts - {own}) == set(), module
