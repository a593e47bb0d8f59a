"""The mock's embeddings: vectors made from nothing but the texts, near each other where the texts share words.

The same numbers on every machine and Python: words are found in bytes, not by Unicode's tables, and what is computed is
integers, one square root and one division a number, which IEEE 754 rounds in one way only.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
from collections.abc import Iterator

from theoryctl_providers.contract import Event, Output, ResolvedRequest, Usage
from theoryctl_providers.inputs.validate import Text, texts_of

#: Numbers in a vector where the request does not say how many, by the end of the model's name; as OpenAI's models have.
DIMENSIONS = 1536
_LARGE, _LARGE_DIMENSIONS = "-3-large", 3072

_WORD = re.compile(rb"[a-z0-9\x80-\xff]+")
#: How many numbers of the vector each word moves: more, and fewer words look alike by chance.
_PLACES = 8


def embeddings(request: ResolvedRequest) -> Iterator[Event]:
    """The events of a mock's answer to a request for embeddings: the output `embeddings`, and the usage."""
    texts = texts_of(request.inputs["input"])
    size = request.inputs.get("dimensions") or default_dimensions(request.model)
    yield Output("embeddings", "application/json", [embed(text, size) for text in texts])
    yield Usage(input_tokens=sum(map(_tokens, texts)), output_tokens=0, cost_usd=0.0)


def default_dimensions(model: str) -> int:
    """Return the length of a model's vectors."""
    return _LARGE_DIMENSIONS if model.endswith(_LARGE) else DIMENSIONS


def embed(text: Text, size: int) -> list[float]:
    """A vector of `size` numbers and length 1, each a float32: what a base64 of it says is the same."""
    counts = [0] * size
    for word in _words(text):
        _add(counts, word)
    length = math.sqrt(sum(count * count for count in counts))
    if not length:  # its words cancelled each other out
        counts[0], length = 1, 1.0
    return list(struct.unpack(f"<{size}f", struct.pack(f"<{size}f", *(count / length for count in counts))))


def _words(text: Text) -> list[bytes]:
    """The words, and the whole: texts of the same words in another order are near, and not the same."""
    whole = text.encode() if isinstance(text, str) else b" ".join(b"%d" % token for token in text)
    return [*_WORD.findall(whole.lower()), b"\0" + whole]


def _add(counts: list[int], word: bytes) -> None:
    digest = hashlib.sha256(word).digest()
    for place in struct.unpack(f"<{_PLACES}I", digest):
        counts[(place >> 1) % len(counts)] += 1 if place & 1 else -1


def _tokens(text: Text) -> int:
    return (len(text.encode()) + 3) // 4 if isinstance(text, str) else len(text)
