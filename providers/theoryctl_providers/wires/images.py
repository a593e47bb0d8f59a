"""Images of an answer as addresses: `data:` URLs (RFC 2397) of those that came as bytes."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from theoryctl_providers.contract import Output

#: The media type of an output that is an address and not the image itself (RFC 2483).
ADDRESS = "text/uri-list"


def is_image(name: str, output: Output) -> bool:
    """Tell whether an output is an image: its bytes, or its address under a name such as `image-2`."""
    if output.media_type == ADDRESS:
        return name.partition("-")[0] == "image"
    return output.media_type.startswith("image/") and isinstance(output.value, bytes)


def images_of(outputs: Mapping[str, Output]) -> list[Output]:
    """The images among outputs by name, in their order."""
    return [output for name, output in outputs.items() if is_image(name, output)]


def in_base64(output: Output) -> str:
    """The bytes of an image that came as bytes."""
    return base64.b64encode(output.value).decode()


def address_of(output: Output) -> str:
    """The address of an image."""
    if output.media_type == ADDRESS:
        return str(output.value)
    return f"data:{output.media_type};base64,{in_base64(output)}"
