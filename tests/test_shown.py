"""The walls around what is shown: the standard streams, the paths of servers, and the words of the command line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commandtree import commands
from tests.source import FILES, PROVIDERS, ROOMS, ROOT, is_in, name_of, package_of, tree_of

#: The JSON Schemas that come with the providers.
DOCUMENTS = sorted((ROOT / "providers" / "theoryctl_providers").rglob("*.json"))

#: Paths of a server, wherever they stand in a text.
PATHS = re.compile(r"(?<![\w.])/(v1/|healthz)")


def test_no_file_but_a_wires_own_knows_its_paths() -> None:
    for module in FILES:
        if package_of(module) == "theoryctl_providers" and not is_in(module, "theoryctl_providers.wires"):
            texts = set(texts_in(FILES[module])) - set(docstrings_in(FILES[module]))
            assert {text for text in texts if PATHS.search(text)} == set(), module


def texts_in(file: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def docstrings_in(file: Path) -> Iterator[str]:
    """The texts that stand alone, as docstrings do."""
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


#: Modules beside the terminal that touch a standard stream.
TOUCHES_STREAMS = {
    # Its log on Modal, where nothing of the host is.
    "theoryctl.modal.theoryctl_shim": {"os.write(2, …)"},
    # Keeps what the SDK prints off the screen.
    "theoryctl.modal.sdk": {"redirect_stdout"},
    # The last line of a server that does not start, after all that a provider has printed.
    "theoryctl_providers.__main__": {"sys.stdout", "sys.stderr", "os.write(2, …)"},
    # The server's log: one write a line, so that lines of several threads stay whole.
    "theoryctl_providers.server.log": {"os.write(2, …)"},
}

#: Names that lead to a standard stream, called or handed on.
STREAMS = re.compile(
    r"print|(typer|click)\.s?echo|echo_via_pager|pprint(\.pp|\.pprint)?|(sys\.)?(__)?(stdout|stderr)(__)?"
    r"|(contextlib\.)?redirect_(stdout|stderr)|os\.write\([12], …\)"
)


def names_in(file: Path) -> Iterator[str]:
    """Every name and dotted name that is read or imported, and `os.write` with the number of its stream."""
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.ImportFrom) and node.module == "sys":
            yield from (f"sys.{alias.name}" for alias in node.names)
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
            yield ast.unparse(node)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "os.write":
            yield f"os.write({ast.unparse(node.args[0])}, …)"


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "theoryctl.terminal"])
def test_only_the_terminal_touches_the_standard_streams(room: str) -> None:
    for module in ROOMS[room]:
        touched = {name for name in names_in(FILES[module]) if STREAMS.fullmatch(name)}
        assert touched == TOUCHES_STREAMS.get(module, set()), module


@pytest.mark.parametrize(
    "line",
    [
        "sys.stdout.buffer.write(b'')",
        "print('', file=file)",
        "send(sys.stderr)",
        "out = sys.__stdout__",
        "from sys import stdout",
        "show = print",
        "os.write(1, b'')",
    ],
)
def test_each_way_to_a_standard_stream_is_seen(line: str, tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(line)
    assert any(STREAMS.fullmatch(name) for name in names_in(file))


#: The words that can stand after `theoryctl`.
FIRST_WORDS = {path[0] for path, _ in commands() if path}

#: A flag such as `--mode`, or a command of ours: in what is shown, these are for the command line alone to say.
COMMAND_LINE = re.compile(rf"(?<![\w-])--[a-z]|\btheoryctl ({'|'.join(FIRST_WORDS)})\b")

#: The server's own program has flags of its own.
PROGRAM = "theoryctl_providers.__main__"


def strings_of(file: Path) -> Iterator[str]:
    """Every string constant, those in f-strings too; of documents all that they say. Docstrings are not shown."""
    if file.suffix == ".json":
        yield file.read_text()
        return
    tree = tree_of(file)
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value


def test_providers_say_what_to_change_and_leave_the_command_line_to_say_how() -> None:
    for file in (*PROVIDERS, *DOCUMENTS):
        if name_of(file) != PROGRAM:
            assert [text for text in strings_of(file) if COMMAND_LINE.search(text)] == [], file.name
