"""All hints of the source, by reading it: no placeholders, and no command or parameter that does not exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from tests.conftest import ROOT
from theoryctl.cli.app import app

HOST = sorted((ROOT / "theoryctl").rglob("*.py"))
PROVIDERS = sorted((ROOT / "providers" / "theoryctl_providers").rglob("*.py"))

#: Words that stand for something else, which whoever pastes them would have to fill in, and hints that are neither a
#: command nor an imperative sentence.
PLACEHOLDER = re.compile(r"\b(REF|DIR|FILE|PATH|SECONDS|SIZE|TEXT|IMAGE|ENVIRONMENT|NAME)\b(?!=)|…|for example|did you")

TREE: Any = typer.main.get_command(app)


def texts(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield inner.value


def is_hint(node: ast.AST) -> bool:
    if isinstance(node, ast.Assign):
        return re.search("hints?$", ast.unparse(node.targets[0]), re.IGNORECASE) is not None
    return isinstance(node, ast.keyword) and node.arg == "hint"


def hints_in(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if is_hint(node):
            yield from texts(node)


def test_no_hint_has_a_placeholder_or_is_a_question() -> None:
    for file in (*HOST, *PROVIDERS):
        assert [hint for hint in hints_in(file) if PLACEHOLDER.search(hint)] == [], file


def test_a_path_in_a_command_of_the_shell_is_quoted() -> None:
    for file in HOST:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr) and re.match(r"f'(ls|df|chmod|mkdir|mv|rm) ", ast.unparse(node)):
                values = [each.value for each in node.values if isinstance(each, ast.FormattedValue)]
                assert all(re.search("quoted?[(]", ast.unparse(value)) for value in values), (file, ast.unparse(node))


def calls(name: str) -> Iterator[tuple[Path, ast.Call]]:
    for file in HOST:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
                yield file, node


def parameters(path: str) -> set[str]:
    found, rest = TREE, path.split()
    while rest:
        found, words = found.named(typer.Context(found), rest)
        rest = rest[words:]
    return {parameter.name for parameter in found.params}


def test_every_command_of_a_hint_is_there_with_its_parameters() -> None:
    found = [(file, call) for file, call in calls("command") if file.parent.name != "cli" or file.stem == "hints"]
    assert len(found) > 15
    for file, call in found:
        path = call.args[0]
        assert isinstance(path, ast.Constant) and isinstance(path.value, str), file
        assert {word.arg for word in call.keywords if word.arg} <= parameters(path.value), (file, path.value)


def test_every_parameter_that_a_hint_changes_is_there() -> None:
    there = {name for group in TREE.commands for path in commands_of(group) for name in parameters(path)}
    changed = {word.arg for _, call in calls("again") for word in call.keywords if word.arg}
    assert changed and changed <= there


def commands_of(group: str) -> list[str]:
    found = TREE.get_command(typer.Context(TREE), group)
    return [f"{group} {name}" for name in found.commands] if hasattr(found, "commands") else [group]
