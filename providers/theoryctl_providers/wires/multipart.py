"""Multipart bodies (RFC 7578), part by part as they come."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod

from python_multipart.multipart import MultipartParser, parse_options_header

# It warns of what clients do wrong, on standard error.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


def boundary_of(content_type: str) -> bytes | None:
    """Return the boundary of a form, empty where none is named; None for another type of body."""
    kind, options = parse_options_header(content_type)
    return options.get(b"boundary", b"") if kind == b"multipart/form-data" else None


class Parts(ABC):
    """Takes the parts of a form. What it raises goes through the parser, whose own errors are ValueErrors."""

    def __init__(self) -> None:
        self._field, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}

    @abstractmethod
    def begin(self, name: str, filename: str | None) -> None:
        """Begin a part; `filename` is None for a field of text."""

    @abstractmethod
    def data(self, data: bytes) -> None:
        """Take some bytes of the part that was begun last."""

    def parser(self, boundary: bytes) -> MultipartParser:
        """Return a parser whose `write` takes the body in pieces. Raises ValueError for an empty boundary."""
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._headers.clear,
                "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": lambda data, start, end: self.data(data[start:end]),
            },
        )

    def _header_end(self) -> None:
        self._headers[bytes(self._field).lower()] = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name, filename = options.get(b"name", b""), options.get(b"filename")
        self.begin(name.decode("utf-8", "replace"), None if filename is None else filename.decode("utf-8", "replace"))
