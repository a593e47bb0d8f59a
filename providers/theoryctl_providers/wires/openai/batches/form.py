"""The form of `POST /v1/files`: multipart with a file and fields of text, held in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from python_multipart.multipart import MultipartParser, parse_options_header

from theoryctl_providers.contract import ProviderError


@dataclass(slots=True)
class Part:
    """A part of a form; `filename` is None for a field of text."""

    name: str
    filename: str | None
    data: bytearray


def parts_of(content_type: str, body: bytes) -> dict[str, Part]:
    """The parts of a form by name. Raises ProviderError `ERR_INPUTS` for a body that is no form."""
    kind, options = parse_options_header(content_type)
    form = _Form()
    try:
        if kind != b"multipart/form-data":
            raise ValueError(f"its type is {kind.decode('latin-1')!r:.100}")
        parser = MultipartParser(options.get(b"boundary", b""), form.callbacks())  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except ValueError as error:  # MultipartParseError and an empty boundary
        message = f"the body is not multipart/form-data: {error}"
        raise ProviderError("ERR_INPUTS", message, hint="send file and purpose as a form") from None
    return {part.name: part for part in form.parts}


class _Form:
    """Takes the parts as the parser finds them."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._field, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}

    def callbacks(self) -> dict[str, Any]:
        return {
            "on_part_begin": self._headers.clear,
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._begin,
            "on_part_data": lambda data, start, end: self.parts[-1].data.extend(data[start:end]),
        }

    def _header_end(self) -> None:
        self._headers[bytes(self._field).lower()] = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _begin(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        filename = options.get(b"filename")
        name = options.get(b"name", b"").decode("utf-8", "replace")
        self.parts.append(Part(name, None if filename is None else filename.decode("utf-8", "replace"), bytearray()))
