"""JSON as this project reads and writes it: strict on the way in, one canonical form on the way out."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, NoReturn

from theoryctl_providers.contract.errors import ProviderError

#: How deep arrays and objects may nest. Far below every interpreter's recursion limit, so that the same document is
#: accepted or refused alike on every Python.
MAX_DEPTH = 100

#: Bits of the largest integers: Python writes and reads at most 4,300 digits (sys.set_int_max_str_digits).
_MOST_BITS = 14_000

_SCALARS = frozenset((str, int, float, bool, type(None)))


def loads(text: str | bytes, *, what: str = "inputs", depth: int = MAX_DEPTH) -> Any:
    """Parse one JSON document (RFC 8259) strictly.

    Raises ProviderError `ERR_INPUTS`, naming `what`, for anything that is not JSON, for NaN and infinities, repeated
    keys, lone surrogates, and nesting deeper than `depth`.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode().removeprefix("\ufeff")
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _refusal(what, f"not JSON: {_expected(error)} at {_place(error)}") from None
    except RecursionError:
        raise _refusal(what, f"nested deeper than {depth} levels") from None
    except UnicodeDecodeError as error:
        found = f"the byte 0x{error.object[error.start]:02x} at offset {error.start}"
        raise _refusal(what, f"expected UTF-8, got {found}") from None
    except ValueError as error:
        raise _refusal(what, str(error)) from None
    # What is left to find is a lone surrogate, which takes an escape, and nesting, which takes brackets.
    if "\\u" in text or text.count("[") + text.count("{") > depth:
        canonical(value, what=what, depth=depth)
    return value


def canonical(value: Any, *, what: str = "inputs", depth: int = MAX_DEPTH, checked: bool = False) -> bytes:
    """The one byte form of a JSON value: sorted keys, no spaces, UTF-8, shortest floats.

    `checked` values are known to be JSON, and cost half as much. Raises ProviderError `ERR_INPUTS` for what has no such
    form: NaN, infinities, lone surrogates, non-text keys, values JSON does not know, nesting deeper than `depth`.
    """
    if not checked and (problem := json_problem(value, depth)) is not None:
        raise _refusal(what, problem)
    try:
        return _CANONICAL(value).encode()
    except (TypeError, ValueError) as error:
        raise _refusal(what, str(error)) from None


def json_path(path: Iterable[str | int]) -> str:
    """Format a path as RFC 9535 does: `$.messages[0].role`. Names are cut at 200 characters."""
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{cut(part)}" for part in path)


def named_path(document: Any, path: Iterable[str | int]) -> list[str | int]:
    """Return a path that a validator gives, with the names of the document in it.

    jsonschema-rs (0.60.3) gives each name that reads as a number as an index: `1`, and `01` and `+1` alike.
    """
    found: list[str | int] = []
    for part in path:
        step = _name(document, part) if isinstance(document, dict) and isinstance(part, int) else part
        found.append(step)
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):  # a path that leads out of the document
            document = None
    return found


def _name(names: Iterable[str], number: int) -> str:
    """Return the name that was read as a number: as it is written mostly, else the first with that value."""
    if str(number) in names:
        return str(number)
    spelt = re.compile(rf"\+?0*{number}")
    return next((name for name in names if spelt.fullmatch(name)), str(number))


def cut(text: str, length: int = 200) -> str:
    """Return a text of at most so many characters, for reports."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def dumps(value: Any, **options: Any) -> str:
    """JSON text as people read it: UTF-8 characters as they are, no NaN or infinity (ValueError)."""
    if not options:
        return _PLAIN(value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False, **options)


def is_json(text: str) -> bool:
    """Return whether a text is JSON as programs in general read it: keys may stand twice, NaN and infinity may not."""
    try:
        json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return False
    return True


def copied(value: Any) -> Any:
    """A copy of a JSON value that shares nothing with it that can be changed. Other values stay themselves."""
    if isinstance(value, (list, tuple)):
        return [item if type(item) in _SCALARS else copied(item) for item in value]
    return {name: copied(item) for name, item in value.items()} if isinstance(value, Mapping) else value


def sha256(data: bytes) -> str:
    """`sha256:<64 hex>` of some bytes, as OCI writes digests."""
    return f"sha256:{_hasher()(data).hexdigest()}"


@cache
def _hasher() -> Any:
    from hashlib import sha256  # it loads OpenSSL, which a command that only shows something does without

    return sha256


def json_problem(value: Any, depth: int = MAX_DEPTH) -> str | None:
    """Say why a value has no form in JSON; None where it has one. It is not recursive, and json's own words differ by
    Python's version."""
    level = [value]
    for _ in range(depth):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                if not all(isinstance(key, str) for key in item):
                    return "an object has a key that is not text"
                deeper.extend(item.values())
                deeper.extend(key for key in item if not key.isascii())
            elif isinstance(item, (list, tuple)):
                deeper.extend(item)
            elif (problem := _scalar_problem(item)) is not None:
                return problem
        if not deeper:
            return None
        level = deeper
    return f"nested deeper than {depth} levels"


def _scalar_problem(value: Any) -> str | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} is not a JSON number"
    if isinstance(value, str):
        return None if value.isascii() else _surrogate(value)
    if isinstance(value, int):
        return None if value.bit_length() <= _MOST_BITS else "an integer of more than 4,000 digits"
    known = value is None
    return None if known else f"Object of type {type(value).__name__} is not JSON serializable"


def _surrogate(text: str) -> str | None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"lone surrogate U+{ord(text[error.start]):04X} in a text"
    return None


#: What Python's reader of JSON wants, in our words; its own differ by Python's version.
_WANTED = {
    "Expecting value": "a value",
    "Expecting property name enclosed in double quotes": "a name in double quotes",
    "Expecting ':' delimiter": "':'",
    "Expecting ',' delimiter": "',' or the end of the array or object",
    "Extra data": "the end of the document",
}


def _expected(error: json.JSONDecodeError) -> str:
    """The mistake as "expected …, got …", of one character; in Python's words where there is no such character."""
    wanted = _WANTED.get(error.msg)
    if wanted is None:
        return error.msg
    rest = error.doc[error.pos :].lstrip()
    return f"expected {wanted}, got {repr(rest[0]) if rest else 'the end'}"


def _place(error: json.JSONDecodeError) -> str:
    """The place of an error; a text of one line may be a line of something larger, which has a number of its own."""
    line = f"line {error.lineno} " if "\n" in error.doc else ""
    return f"{line}column {error.colno}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        repeated = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {cut(repeated)!r} stands twice in one object")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    """A number with a fraction or an exponent; `1e999` would be read as infinity."""
    value = float(text)
    return value if math.isfinite(value) else _no_constant(str(value))


def _encoding(**options: Any) -> Callable[[Any], str]:
    """Return what writes a value. The part in C is made once: `JSONEncoder.iterencode` makes one for each value, which
    is a fourth of the time that a line of the log takes."""
    encoder = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, **options)
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # not CPython
        return encoder.encode
    separators, kinds = (encoder.key_separator, encoder.item_separator), (encoder.sort_keys, False, encoder.allow_nan)
    encode = make(None, encoder.default, json.encoder.encode_basestring, None, *separators, *kinds)
    return lambda value: "".join(encode(value, 0))


# Made once: json.loads and json.dumps make new ones in each call that says how.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
# A value that contains itself, which nothing here writes, is a RecursionError without the check for circles: it takes a
# sixth of the time.
_CANONICAL = _encoding(sort_keys=True, separators=(",", ":"))
_PLAIN = _encoding()


def _refusal(what: str, reason: str) -> ProviderError:
    return ProviderError("ERR_INPUTS", f"{what}: {reason}", hint="give one JSON document in UTF-8")
