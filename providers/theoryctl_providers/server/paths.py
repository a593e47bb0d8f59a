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
    #: The number of characters of a template that stand for themselves.
    fixed: int = 0


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
            return self._unknown(scope, self._below(scope))
        place = places[0]
        if len(places) > 1:
            place = max(places, key=lambda place: _bears(place.dialect.marks, scope))
        app = place.apps.get(method)
        if app is None:
            return self._not_allowed(scope, place)
        if place.pattern is not None and (found := place.pattern.fullmatch(scope["path"])):
            scope["path_params"] = found.groupdict()
        return place.dialect, app

    def _add(self, dialect: Dialect) -> None:
        places: dict[str, Place] = {}
        for (method, path), app in dialect.routes.items():
            places.setdefault(path, _place(dialect, path)).apps[method] = app
        for path, place in places.items():
            if place.pattern is None:
                self._places.setdefault(path, []).append(place)
            else:
                self._templates.append(place)

    def _templated(self, path: str, method: str) -> list[Place]:
        """The places whose template fits best; those that answer the method, where there are some.

        A path with a verb, as in `models/NAME:generateContent`, is no model of that name.
        """
        fitting = [place for place in self._templates if place.pattern and place.pattern.fullmatch(path)]
        most = max((place.fixed for place in fitting), default=0)
        best = [place for place in fitting if place.fixed == most]
        return [place for place in best if method in place.apps] or best

    def _below(self, scope: Scope) -> Dialect:
        """The dialect with the longest prefix of a path; one whose mark the request bears goes before."""

        def rank(dialect: Dialect) -> tuple[bool, int]:
            reach = _reach(dialect.prefixes, scope["path"])
            return reach > 0 and _bears(dialect.marks, scope), reach

        return max(self._dialects, key=rank)

    def _unknown(self, scope: Scope, dialect: Dialect) -> tuple[Dialect, ASGIApp]:
        return dialect, refusal(dialect, self._usage(f"there is no {scope['method']} {scope['path']}"), 404)

    def _not_allowed(self, scope: Scope, place: Place) -> tuple[Dialect, ASGIApp]:
        allowed = sorted({*place.apps, "HEAD"} if "GET" in place.apps else place.apps)
        error = self._usage(f"there is no {scope['method']} {scope['path']}, only {' and '.join(allowed)}")
        headers = [(b"allow", ", ".join(allowed).encode())]  # RFC 9110, 15.5.6
        return place.dialect, refusal(place.dialect, error, 405, headers)

    def _usage(self, message: str) -> ProviderError:
        known = ", ".join(f"{each.example} ({each.name})" for each in self._dialects)
        return ProviderError("ERR_USAGE", message, hint=f"ask one of these: {known}")


def _place(dialect: Dialect, path: str) -> Place:
    if "{" not in path:
        return Place(dialect, {})
    return Place(dialect, {}, _pattern(path), len(re.sub(r"\{\w+\}", "", path)))


def _bears(marks: frozenset[bytes], scope: Scope) -> bool:
    return bool(marks) and any(name in marks for name, _ in scope["headers"])


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.*)", re.escape(template)), re.DOTALL)


def _reach(prefixes: Iterable[str], path: str) -> int:
    return max((len(prefix) for prefix in prefixes if path.startswith(prefix)), default=0)
