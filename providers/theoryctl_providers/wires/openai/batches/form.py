"""The form of `POST /v1/files`: multipart with a file and fields of text, held in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from theoryctl_providers.contract import ProviderError
from theoryctl_providers.wires.multipart import Parts, boundary_of


@dataclass(slots=True)
class Part:
    """A part of a form; `filename` is None for a field of text."""

    name: str
    filename: str | None
    data: bytearray = field(default_factory=bytearray)


def parts_of(content_type: str, body: bytes) -> dict[str, Part]:
    """The parts of a form by name. Raises ProviderError `ERR_INPUTS` for a body that is no form."""
    form, boundary = _Form(), boundary_of(content_type)
    try:
        if boundary is None:
            raise ValueError(f"its type is {content_type.partition(';')[0].strip().lower()!r:.100}")
        parser = form.parser(boundary)
        parser.write(body)
        parser.finalize()
    except ValueError as error:  # MultipartParseError and an empty boundary
        message = f"the body is not multipart/form-data: {error}"
        raise ProviderError("ERR_INPUTS", message, hint="send file and purpose as a form") from None
    return {part.name: part for part in form.parts}


class _Form(Parts):
    """The parts as the parser finds them."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[Part] = []

    def begin(self, name: str, filename: str | None) -> None:
        self.parts.append(Part(name, filename))

    def data(self, data: bytes) -> None:
        self.parts[-1].data.extend(data)
