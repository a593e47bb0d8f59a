"""Modules that run when somebody takes a name of theirs, not when they are imported."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from threading import RLock
from types import ModuleType
from typing import Any

#: Module and attribute behind each name of a package.
Names = Mapping[str, tuple[str, str]]


def taken_late(package: str) -> AbstractContextManager[None]:
    """Import meanwhile no module of a package, or of those below it, for the sake of a re-export alone.

    A package that does more than that is imported as ever; what is imported already stays as it is.
    """
    return _loaded_by(_ReExporting, package)


def run_late(package: str) -> AbstractContextManager[None]:
    """Run meanwhile no module of a package that is imported, the package among them, before a name of it is taken.

    That is for modules that others import whole: `from package import module`.
    """
    return _loaded_by(_Running, package)


@contextmanager
def _loaded_by(loader: type[SourceFileLoader], package: str) -> Iterator[None]:
    finder = _Finder(loader, package)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder(MetaPathFinder):
    def __init__(self, loader: type[SourceFileLoader], package: str) -> None:
        self._loader, self._package = loader, package

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not f"{name}.".startswith(f"{self._package}."):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or type(spec.loader) is not SourceFileLoader:
            return None
        spec.loader = self._loader(name, spec.loader.path)
        return spec


class _Running(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        module.__getattr__ = _running(module, super().exec_module)  # type: ignore[method-assign]  # PEP 562


def _running(module: ModuleType, run: Callable[[ModuleType], None]) -> Callable[[str], Any]:
    lock, begun = RLock(), False

    def take(name: str) -> Any:
        nonlocal begun
        with lock:  # another thread waits for the whole module; this one may ask for more while it runs
            if not begun:
                begun = True
                try:
                    run(module)
                except BaseException:
                    begun = False
                    raise
        if vars(module)["__getattr__"] is not take:
            return getattr(module, name)
        if name not in vars(module):
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        return vars(module)[name]

    return take


class _ReExporting(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        if not self.is_package(module.__name__):
            super().exec_module(module)
            return
        names = reexported(self.get_data(self.path))
        if names is None:
            super().exec_module(module)
            return
        module.__getattr__ = _taking(module, names)  # type: ignore[method-assign]  # PEP 562
        module.__dir__ = lambda: sorted({*vars(module), *names})  # type: ignore[method-assign]
        module.__all__ = list(names)  # type: ignore[attr-defined]  # `import *` would find none


def reexported(source: bytes) -> Names | None:
    """Return the module and the attribute behind each name of a package; None where it does more than to re-export."""
    names: dict[str, tuple[str, str]] = {}
    for statement in ast.parse(source).body:
        if not isinstance(statement, ast.ImportFrom) or statement.module is None:
            return None
        if statement.module == "__future__":
            continue
        if statement.level != 1:
            return None
        names |= {each.asname or each.name: (statement.module, each.name) for each in statement.names}
    # An import binds a module in its package: a name that is also a module's would be the one or the other.
    modules = {module.partition(".")[0] for module, _ in names.values()}
    return None if "*" in names or modules & names.keys() else names


def _taking(package: ModuleType, names: Names) -> Callable[[str], Any]:
    modules = {module for module, _ in names.values()}

    def take(name: str) -> Any:
        if name in modules:
            return import_module(f".{name}", package.__name__)
        if name not in names:
            raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")
        module, attribute = names[name]
        value = getattr(import_module(f".{module}", package.__name__), attribute)
        setattr(package, name, value)
        return value

    return take
