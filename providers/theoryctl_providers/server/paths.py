"""Find the dialect of a request's path, and the application that answers it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from starlette.types import ASGIApp, Scope

from theoryctl_providers.contract import ProviderError
from theoryctl_providers.server.refusals import refusal
from theoryctl_providers.wires.dialect import Dialect


class Place(NamedTuple):
    """A path of a dialect, and who answers each method there."""

    dialect: Dialect
    apps: dict[str, ASGIApp]


class Paths:
    """The routes of several dialects. One of them has to have "/" among its prefixes."""

    def __init__(self, dialects: Sequence[Dialect]) -> None:
        self._dialects = dialects
        self._places: dict[str, Place] = {}
        self._templates: list[tuple[re.Pattern[str], Place]] = []
        for dialect in dialects:
            self._add(dialect)

    def find(self, scope: Scope) -> tuple[Dialect, ASGIApp]:
        """The dialect that a request speaks, and the application for it: one that refuses, where nobody answers."""
        method, path = scope["method"], scope["path"]
        place = self._places.get(path) or self._templated(scope)
        app = place and place.apps.get("GET" if method == "HEAD" else method)
        if place is not None and app is not None:
            return place.dialect, app
        dialect = self._below(path) if place is None else place.dialect
        return dialect, refusal(dialect, self._unknown(method, path), 404 if place is None else 405)

    def _add(self, dialect: Dialect) -> None:
        for (method, path), app in dialect.routes.items():
            self._places.setdefault(path, Place(dialect, {})).apps[method] = app
        for path in [path for path in self._places if "{" in path]:
            self._templates.append((_pattern(path), self._places.pop(path)))

    def _templated(self, scope: Scope) -> Place | None:
        for pattern, place in self._templates:
            if found := pattern.fullmatch(scope["path"]):
                scope["path_params"] = found.groupdict()
                return place
        return None

    def _below(self, path: str) -> Dialect:
        """The dialect with the longest prefix of a path."""
        return max(self._dialects, key=lambda dialect: _reach(dialect.prefixes, path))

    def _unknown(self, method: str, path: str) -> ProviderError:
        known = ", ".join(f"{dialect.example} ({dialect.name})" for dialect in self._dialects)
        return ProviderError("ERR_USAGE", f"there is no {method} {path}", hint=f"ask one of these: {known}")


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.*)", re.escape(template)), re.DOTALL)


def _reach(prefixes: Iterable[str], path: str) -> int:
    return max((len(prefix) for prefix in prefixes if path.startswith(prefix)), default=0)
