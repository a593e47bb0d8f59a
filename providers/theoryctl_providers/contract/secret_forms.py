"""The forms in which a secret may come back: as it is, escaped, and encoded as HTTP and its headers do."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

#: Longer values, such as files of credentials, are echoed as they are, if at all.
_LONGEST_ENCODED = 1024

#: Shorter pieces of an encoded value stand in ordinary text.
_SHORTEST_ENCODED = 8

_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def lowered(text: str) -> str:
    """Return the text with ASCII letters in lower case, each character in its place."""
    return text.translate(_LOWER)


def secret_forms(value: str) -> set[str]:
    """Return the forms of a value, in lower case: as it stands, inside JSON text once and twice, and encoded.

    Some writers of JSON escape slashes as well.
    """
    forms = {value, *(_encoded(value) if len(value) <= _LONGEST_ENCODED else ())}
    for _ in range(2):
        escaped = {json.dumps(form, ensure_ascii=plain)[1:-1] for form in forms for plain in (True, False)}
        forms |= escaped | {form.replace("/", "\\/") for form in escaped}
    return {lowered(form) for form in forms}


def _encoded(value: str) -> Iterator[str]:
    data = value.encode(errors="surrogatepass")
    found = [quote(data, safe=""), quote_plus(data), data.hex(), *_in_base64(data)]
    yield from (form for form in found if len(form) >= _SHORTEST_ENCODED)


def _in_base64(data: bytes) -> Iterator[str]:
    """The data in base64, at each of the three places it may have in longer data, as after `user:` (RFC 7617).

    Characters at the ends that depend on what stands beside are left out.
    """
    for before in range(3):
        whole = b64encode(b"\0" * before + data).decode()
        sure = whole[-(-8 * before // 6) : 8 * (before + len(data)) // 6]
        yield from (sure, sure.replace("+", "-").replace("/", "_"))
