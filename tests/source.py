"""The code of both packages as tests of it see it: modules, rooms, and imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
HOST = sorted((ROOT / "theoryctl").rglob("*.py"))
PROVIDERS = sorted((ROOT / "providers" / "theoryctl_providers").rglob("*.py"))


@dataclass(frozen=True)
class Import:
    """One imported module; `at_top` when it is loaded with the module that imports it."""

    module: str
    at_top: bool


def name_of(file: Path) -> str:
    base = ROOT / "providers" if file.is_relative_to(ROOT / "providers") else ROOT
    return ".".join(file.relative_to(base).with_suffix("").parts).removesuffix(".__init__")


FILES = {name_of(file): file for file in [*HOST, *PROVIDERS]}


def is_in(module: str, place: str) -> bool:
    return f"{module}.".startswith(f"{place}.")


def package_of(module: str) -> str:
    return module.partition(".")[0]


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


#: The modules of each room. A test looks at a room at a time, because one for each module costs more than it does.
ROOMS = {room: tuple(each for each in FILES if room_of(each) == room) for room in map(room_of, FILES)}
OF_HOST = [room for room in ROOMS if package_of(room) == "theoryctl"]
OF_PROVIDERS = [room for room in ROOMS if package_of(room) == "theoryctl_providers"]


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


@cache
def imports(file: Path) -> tuple[Import, ...]:
    return tuple(_visit(tree_of(file).body, at_top=True))


def _visit(body: list[Any], *, at_top: bool) -> Iterator[Import]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, at_top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where things come from"
            yield Import(str(node.module), at_top)
            yield from (Import(f"{node.module}.{alias.name}", at_top) for alias in node.names)
        else:
            typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            inner = at_top and not typing and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            for field in ("body", "orelse", "finalbody", "handlers", "cases"):
                yield from _visit(getattr(node, field, []), at_top=inner)


def ours(module: str) -> set[str]:
    """The modules of ours that one names, whether for types, in a call, or at its top; packages by their contents."""
    found = {each.module for each in imports(FILES[module])} & set(FILES)
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)} - {module}
