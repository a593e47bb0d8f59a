"""The walls of the design, by reading imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
HOST = sorted((ROOT / "theoryctl").rglob("*.py"))
PROVIDERS = sorted((ROOT / "providers" / "theoryctl_providers").rglob("*.py"))

#: Imports go from a higher level to a lower one only.
LEVELS = {
    "theoryctl.terminal": 0,
    "theoryctl.requests": 0,
    "theoryctl.instances": 0,
    "theoryctl.manifests": 0,
    "theoryctl.actions": 0,
    "theoryctl.authored": 0,
    "theoryctl.docker": 0,
    "theoryctl.registry": 0,
    "theoryctl": 0,
    "theoryctl.errors": 0,
    "theoryctl.refs": 1,
    "theoryctl.paths": 1,
    "theoryctl.platforms": 1,
    "theoryctl.registry.login": 0,
    "theoryctl.registry.retries": 1,
    "theoryctl.registry.documents": 0,
    "theoryctl.authored.yaml_document": 1,
    "theoryctl.requests.attachments": 1,
    "theoryctl.requests.input_flags": 1,
    "theoryctl.secrets": 1,
    "theoryctl.requests.saved_outputs": 2,
    "theoryctl.manifests.model": 2,
    "theoryctl.results": 3,
    "theoryctl.authored.model_check": 2,
    "theoryctl.authored.script_file": 3,
    "theoryctl.requests.mock_flags": 4,
    "theoryctl.requests.result_folder": 1,
    "theoryctl.actions.recordings": 7,
    "theoryctl.manifests.check": 3,
    "theoryctl.manifests.cache": 4,
    "theoryctl.instances.client": 4,
    "theoryctl.progress": 0,
    "theoryctl.registry.reference": 2,
    "theoryctl.registry.client": 3,
    "theoryctl.docker.daemon": 1,
    "theoryctl.images": 3,
    "theoryctl.images.context": 3,
    "theoryctl.images.wheelhouse": 3,
    "theoryctl.images.choice": 4,
    "theoryctl.images.pull": 5,
    "theoryctl.images.build": 6,
    "theoryctl.images.resolve": 4,
    "theoryctl.images.push": 6,
    "theoryctl.actions.images": 9,
    "theoryctl.docker.containers": 3,
    "theoryctl.runtimes.base": 6,
    "theoryctl.runtimes.embedded": 7,
    "theoryctl.runtimes.process": 7,
    "theoryctl.runtimes.docker": 7,
    "theoryctl.runtimes": 8,
    "theoryctl.runtimes.find": 8,
    "theoryctl.manifests.catalog": 5,
    "theoryctl.actions.instances": 9,
    "theoryctl.actions.start": 10,
    "theoryctl.actions.manifests": 6,
    "theoryctl.manifests.edit": 2,
    "theoryctl.actions.new_provider": 6,
    "theoryctl.actions.run": 10,
    "theoryctl.cli": 11,
    "theoryctl.cli.command": 11,
    "theoryctl.durations": 1,
    "theoryctl.instances.records": 2,
    "theoryctl.modal.git": 1,
    "theoryctl.terminal.format": 1,
    "theoryctl.modal": 2,
    "theoryctl.modal.theoryctl_shim": 2,
    "theoryctl.modal.names": 2,
    "theoryctl.modal.deployment": 3,
    "theoryctl.modal.sdk": 3,
    "theoryctl.modal.logs": 3,
    "theoryctl.modal.apps": 4,
    "theoryctl.modal.deploy": 4,
    "theoryctl.modal.attachments": 4,
    "theoryctl.modal.secret_sync": 5,
    "theoryctl.actions.modal": 6,
    "theoryctl.actions.sync_secrets": 6,
    "theoryctl.runtimes.modal": 7,
    "theoryctl.results.modal": 2,
    "theoryctl.results.images": 2,
    "theoryctl.terminal.modal_text": 4,
    "theoryctl.actions.targets": 9.5,
    "theoryctl.cli.options": 12,
    "theoryctl.cli.modal": 13,
    "theoryctl.cli.local": 13,
    "theoryctl.cli.manifest": 13,
    "theoryctl.cli.image": 13,
    "theoryctl.cli.app": 14,
    "theoryctl.terminal.text": 6,
    "theoryctl.terminal.answer_stream": 0,
    "theoryctl.terminal.rich_layout": 7,
    "theoryctl.terminal.live_markdown": 8,
    "theoryctl.terminal.streams": 1,
    "theoryctl.terminal.spinner": 0,
    "theoryctl.terminal.terminal": 9,
    "theoryctl.cli.dispatch": 15,
    "theoryctl.__main__": 16,
}

#: What runs a provider: the embedded runtime in this process, the shim in a container on Modal. And what reads the
#: recordings for it, for the engine and the host are to refuse the same ones.
INSIDE = ("theoryctl.runtimes.embedded", "theoryctl.modal.theoryctl_shim", "theoryctl.requests.mock_flags")

DOCKER = {"theoryctl.docker.daemon"}

HEAVY = {
    "asyncio",
    "docker",
    "dotenv",
    "filelock",
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
    "python_multipart",
    "rich",
    "starlette",
    "tenacity",
    "tempfile",
    "uvicorn",
    "yaml",
}

#: Modules and rooms that are made of a heavy one; who uses them imports them inside the call.
MADE_OF = {
    "theoryctl.terminal.spinner": {"rich"},
    "theoryctl.modal.theoryctl_shim": {"tempfile"},
    "theoryctl.authored.yaml_document": {"yaml"},
    "theoryctl.manifests.check": {"pydantic"},
    "theoryctl.authored.model_check": {"pydantic"},
    "theoryctl.authored.script_file": {"pydantic"},
    "theoryctl.terminal.rich_layout": {"rich"},
    "theoryctl.terminal.live_markdown": {"rich"},
    "theoryctl.manifests.edit": {"yaml"},
    "theoryctl_providers.asgi": {"asyncio", "starlette"},
    "theoryctl_providers.deadline": {"asyncio"},
    "theoryctl_providers.engine.retries": {"asyncio", "tenacity"},
    "theoryctl_providers.server": {"asyncio", "starlette", "uvicorn"},
    "theoryctl_providers.wires": {"asyncio", "python_multipart", "starlette", "tempfile"},
}


@dataclass(frozen=True)
class Import:
    """One imported module; `at_top` when it is loaded with the module that imports it."""

    module: str
    at_top: bool


def name_of(file: Path) -> str:
    base = ROOT / "providers" if file in PROVIDERS else ROOT
    return ".".join(file.relative_to(base).with_suffix("").parts).removesuffix(".__init__")


def is_in(module: str, place: str) -> bool:
    return f"{module}.".startswith(f"{place}.")


def imports(file: Path) -> Iterator[Import]:
    yield from _visit(ast.parse(file.read_text()).body, at_top=True)


def _visit(body: list[Any], *, at_top: bool) -> Iterator[Import]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, at_top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where things come from"
            yield Import(str(node.module), at_top)
            yield from (Import(f"{node.module}.{alias.name}", at_top) for alias in node.names)
        elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            inner = at_top and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            for field in ("body", "orelse", "finalbody", "handlers", "cases"):
                yield from _visit(getattr(node, field, []), at_top=inner)


def host_imports(file: Path) -> set[str]:
    return {found.module for found in imports(file) if found.module in LEVELS}


@pytest.mark.parametrize("file", HOST, ids=name_of)
def test_imports_go_downward_only(file: Path) -> None:
    mine = name_of(file)
    assert mine in LEVELS, f"give {mine} a level"
    packages = {mine, *(mine.rsplit(".", n)[0] for n in range(1, mine.count(".") + 1))}
    upward = {other for other in host_imports(file) - packages if LEVELS[other] >= LEVELS[mine]}
    assert upward == set()


@pytest.mark.parametrize("file", HOST, ids=name_of)
def test_the_host_knows_the_contract_only_and_the_embedded_runtime_the_engine(file: Path) -> None:
    found = {each.module for each in imports(file) if each.module.startswith("theoryctl_providers")}
    beyond = {module for module in found if not module.startswith("theoryctl_providers.contract")}
    if name_of(file) not in INSIDE:
        assert beyond == set()
    else:
        assert not {each for each in imports(file) if each.module in beyond and each.at_top}


@pytest.mark.parametrize("file", PROVIDERS, ids=name_of)
def test_the_providers_never_know_the_host(file: Path) -> None:
    assert {each.module for each in imports(file) if each.module.partition(".")[0] == "theoryctl"} == set()


def test_the_contract_is_the_ground_floor_and_needs_the_standard_library_only() -> None:
    import sys

    seen: set[str] = set()
    todo = ["theoryctl_providers.contract"]
    by_name = {name_of(file): file for file in PROVIDERS}
    while todo:
        for each in imports(by_name[todo.pop()]):
            module = each.module if each.module in by_name else each.module.partition(".")[0]
            if module in by_name and module not in seen:
                seen.add(module)
                todo.append(module)
            elif module not in by_name and each.module.partition(".")[0] != "theoryctl_providers":
                assert module in sys.stdlib_module_names
    assert not {module for module in seen if module.rpartition(".")[2] in ("engine", "mock", "litellm", "registry")}


@pytest.mark.parametrize("file", [*HOST, *PROVIDERS], ids=name_of)
def test_what_is_heavy_is_imported_inside_the_call_that_needs_it(file: Path) -> None:
    top = {each.module for each in imports(file) if each.at_top}
    heavy = {module for module in top if module in HEAVY or module.partition(".")[0] in HEAVY}
    mine = [made_of for place, made_of in MADE_OF.items() if is_in(name_of(file), place)]
    allowed = {module for module in heavy if any(module.partition(".")[0] in made_of for made_of in mine)}
    assert heavy - allowed == set()
    if not mine:
        assert not {module for module in top for place in MADE_OF if is_in(module, place)}


def test_the_shim_knows_nothing_of_the_host_and_loads_the_standard_library_alone() -> None:
    import sys

    (shim,) = [file for file in HOST if name_of(file) == "theoryctl.modal.theoryctl_shim"]
    found = list(imports(shim))
    assert {each.module for each in found if each.module.partition(".")[0] == "theoryctl"} == set()
    assert {each.module.partition(".")[0] for each in found if each.at_top} <= sys.stdlib_module_names


def test_one_module_imports_the_sdk_of_modal_and_one_that_of_docker() -> None:
    for sdk, home in (("modal", {"theoryctl.modal.sdk", "theoryctl.modal.theoryctl_shim"}), ("docker", DOCKER)):
        using = {name_of(file) for file in HOST for each in imports(file) if each.module.partition(".")[0] == sdk}
        assert using == home


def test_no_runtime_imports_another() -> None:
    runtimes = [
        file
        for file in HOST
        if file.parent.name == "runtimes" and file.name not in ("__init__.py", "base.py", "find.py")
    ]
    names = {name_of(file) for file in runtimes}
    assert names
    for file in runtimes:
        assert host_imports(file) & (names - {name_of(file)}) == set()


def test_only_the_ui_prints() -> None:
    for file in [*HOST, *PROVIDERS]:
        if name_of(file) == "theoryctl.terminal.terminal":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "typer.echo", "typer.secho", "sys.stdout.write", "sys.stderr.write"), (
                    file
                )
