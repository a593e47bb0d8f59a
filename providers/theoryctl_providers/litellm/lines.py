"""Lines and numbers of vendors' answers: legal ones that a reader of the usual ones fails at."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

#: The mark of the end of a stream in OpenAI's format.
END = "[DONE]"

#: The field of an event that has its content.
_DATA = "data:"


def loads(text: str) -> Any:
    """Return the value of a JSON document, with infinity for an integer that Python does not read for its length.

    Raises json.JSONDecodeError for what is no JSON, RecursionError for what is nested too deep.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # of an integer with more digits than `sys.get_int_max_str_digits`
        return json.loads(text, parse_int=_number)


def _number(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:
        return float(digits)


def is_json(text: str) -> bool:
    """Return whether a text is JSON that can be read here."""
    try:
        loads(text)
    except (ValueError, RecursionError):
        return False
    return True


class Newlines:
    """Ends each line with LF: those of server-sent events may end with CR or CRLF too (WHATWG HTML, section 9.2.5)."""

    __slots__ = ("_after_cr",)

    def __init__(self) -> None:
        self._after_cr = False

    def feed(self, chunk: bytes) -> bytes:
        """Return the chunk with such ends alone."""
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in chunk else chunk


class Events:
    """Joins the lines of data of a server-sent event (WHATWG HTML, section 9.2.6); other lines stay as they are.

    A line that is a document is not waited for: servers are seen that leave out the empty line between two events.
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: list[str] = []

    def feed(self, line: str) -> tuple[str, ...]:
        """Return the lines that are whole with this one."""
        if line[:5] == _DATA:
            if not self._held and _is_whole(line[5:].strip()):
                return (line,)
            self._held.append(line[5:] if self._held else line)
            return ()
        return (*self.end(), line) if self._held else (line,)

    def end(self) -> tuple[str, ...]:
        """Return the line that ends with its event; none where there is no such line."""
        held, self._held = self._held, []
        return (" ".join(held),) if held else ()


def _is_whole(data: str) -> bool:
    """Say whether the data of an event are a document: for the usual ones without reading it."""
    if data[-1:] == "}" and data.count("{") == data.count("}"):
        return True
    return data == END or is_json(data)


_LONG = re.compile(rf"\d{{{sys.int_info.default_max_str_digits}}}")


def readable(text: str) -> Any:
    """Return the value of a JSON document as LiteLLM can read it: each of its counts is an integer. Raises what `loads`
    does."""
    from theoryctl_providers.litellm.usage import in_integers

    return in_integers(loads(text))


def _readable_line(line: str) -> str:
    """A line without integers that are too long to be read."""
    if not _LONG.search(line):
        return line
    field, text = (_DATA, line[len(_DATA) :]) if line.startswith(_DATA) else ("", line)
    return f"{field}{json.dumps(readable(text))}" if is_json(text) else line


#: Lines of an event that say nothing of an answer: a comment, and what a browser remembers to connect again.
_IDLE = (":", "id:", "retry:")


def read_events() -> None:
    """Have LiteLLM read events of several lines, idle lines, and integers of any length. Called once, at loading."""
    from litellm.llms.custom_httpx import sse_lines

    class Splitter(sse_lines._SSELineSplitter):  # type: ignore[misc]  # LiteLLM is not there where this is checked
        def __init__(self) -> None:
            super().__init__()
            self._events = Events()

        def feed(self, text: str) -> tuple[str, ...]:
            return tuple(_readable_line(line) for line in self._joined(super().feed(text)))

        def flush(self) -> tuple[str, ...]:
            return tuple(map(_readable_line, (*self._joined(super().flush()), *self._events.end())))

        def _joined(self, lines: Iterable[str]) -> Iterator[str]:
            for line in lines:
                if not line.startswith(_IDLE):
                    yield from self._events.feed(line)

    sse_lines._SSELineSplitter = Splitter
