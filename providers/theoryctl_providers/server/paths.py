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
    """A path of a dialect, or with a pattern several, and who answers each method there."""

    dialect: Dialect
    apps: dict[str, ASGIApp]
    pattern: re.Pattern[str] | None = None


class Paths:
    """The routes of several dialects. One of them has to have "/" among its prefixes."""

    def __init__(self, dialects: Sequence[Dialect]) -> None:
        self._dialects = dialects
        self._places: dict[str, list[Place]] = {}
        self._templates: list[Place] = []
        for dialect in dialects:
            self._add(dialect)

    def find(self, scope: Scope) -> tuple[Dialect, ASGIApp]:
        """The dialect that a request speaks, and the application for it: one that refuses, where nobody answers.

        Of several dialects with the path, the one counts whose mark the request bears, else the first.
        """
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        places = self._places.get(scope["path"]) or self._templated(scope["path"], method)
        if not places:
            return self._unknown(scope, self._below(scope), 404)
        place = places[0]
        if len(places) > 1:
            place = max(places, key=lambda place: _bears(place.dialect.marks, scope))
        app = place.apps.get(method)
        if app is None:
            return self._unknown(scope, place.dialect, 405)
        if place.pattern is not None and (found := place.pattern.fullmatch(scope["path"])):
            scope["path_params"] = found.groupdict()
        return place.dialect, app

    def _add(self, dialect: Dialect) -> None:
        places: dict[str, Place] = {}
        for (method, path), app in dialect.routes.items():
            pattern = _pattern(path) if "{" in path else None
            places.setdefault(path, Place(dialect, {}, pattern)).apps[method] = app
        for path, place in places.items():
            if place.pattern is None:
                self._places.setdefault(path, []).append(place)
            else:
                self._templates.append(place)

    def _templated(self, path: str, method: str) -> list[Place]:
        """The places whose template fits; those that answer the method, where there are some."""
        fitting = [place for place in self._templates if place.pattern and place.pattern.fullmatch(path)]
        return [place for place in fitting if method in place.apps] or fitting

    def _below(self, scope: Scope) -> Dialect:
        """The dialect with the longest prefix of a path; one whose mark the request bears goes before."""

        def rank(dialect: Dialect) -> tuple[bool, int]:
            reach = _reach(dialect.prefixes, scope["path"])
            return reach > 0 and _bears(dialect.marks, scope), reach

        return max(self._dialects, key=rank)

    def _unknown(self, scope: Scope, dialect: Dialect, status: int) -> tuple[Dialect, ASGIApp]:
        known = ", ".join(f"{each.example} ({each.name})" for each in self._dialects)
        message = f"there is no {scope['method']} {scope['path']}"
        error = ProviderError("ERR_USAGE", message, hint=f"ask one of these: {known}")
        return dialect, refusal(dialect, error, status)


def _bears(marks: frozenset[bytes], scope: Scope) -> bool:
    return bool(marks) and any(name in marks for name, _ in scope["headers"])


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.*)", re.escape(template)), re.DOTALL)


def _reach(prefixes: Iterable[str], path: str) -> int:
    return max((len(prefix) for prefix in prefixes if path.startswith(prefix)), default=0)
