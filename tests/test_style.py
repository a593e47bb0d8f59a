"""Rules of Plain English that a program can hold."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.source import FILES, ROOMS, tree_of

#: First words that are neither a verb nor the name of a thing.
RELATIVE = re.compile(
    r"(What|Who|Where|When|How|Why|Which|Whose|Whom|Whether|Wh\w+ever|That|Those|Nothing|So|"
    r"For|From|At|Of|As|With|Without)\b"
)


def docstrings(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    """The docstrings of a module, of all its names, and of the fields of its classes."""
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        if text := ast.get_docstring(node):
            yield name, text
        below = node.body if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else []
        for before, child in zip([None, *below], below, strict=False):
            if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                yield from docstrings(child, f"{name}.{child.name}")
            elif isinstance(before, ast.AnnAssign) and isinstance(child, ast.Expr):
                yield f"{name}.{ast.unparse(before.target)}", str(ast.literal_eval(child.value))


@pytest.mark.parametrize("room", ROOMS)
def test_a_docstring_begins_with_a_verb_or_with_the_name_of_the_thing(room: str) -> None:
    found = [each for module in ROOMS[room] for each in docstrings(tree_of(FILES[module]), module)]
    assert [f"{name}: {text.partition('.')[0]}" for name, text in found if RELATIVE.match(text)] == []
