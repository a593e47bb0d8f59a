"""Secrets taken out of errors and of logs that end in one."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping

from theoryctl_providers.contract.secret_forms import lowered, secret_forms
from theoryctl_providers.contract.secret_rules import TOKEN_PREFIX, is_address, is_secret

#: Shorter values are no keys, and taking them out would shred ordinary text. In errors, where a vendor quotes keys and
#: nobody reads prose, any length counts, and so do the pieces of a key from this length on.
SHORTEST = 8
_PIECE = 6

#: Beginnings that many keys share, which stand in paths and messages as well: our tokens', and those of Amazon's keys
#: for Bedrock (aws-bedrock-token-generator, AUTH_PREFIX).
_SHARED = (TOKEN_PREFIX, "bedrock-api-key-")

#: The secrets in Google's keys of service accounts and of people.
_IN_JSON = ("private_key", "client_secret", "refresh_token")


class ErrorRedactor:
    """Replaces secrets by `[NAME]`, and the beginnings and ends of secrets, in texts that are read for a reason."""

    def __init__(self, hidden: Iterable[tuple[str, str]]) -> None:
        """Take names and values, as `hidden_parts` gives them."""
        self._all = replacements(hidden)

    def text(self, text: str) -> str:
        """An error's text without any secret, or the beginning or end of one, as vendors quote a key they refuse."""
        taken, kept = bytearray(len(text)), []
        # The longest first: a short secret must not take the middle out of a long one, whose ends would stay.
        for start, end, name in sorted(self._pieces(text), key=lambda piece: (piece[0] - piece[1], piece)):
            if taken.find(1, start, end) < 0:
                taken[start:end] = b"\1" * (end - start)
                kept.append((start, end, name))
        clean, at = [], 0
        for start, end, name in sorted(kept):
            clean += [self.text(text[at:start]), name]
            at = end
        return "".join((*clean, self.text(text[at:]))) if kept else text

    def _pieces(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Find each secret in a text, or its beginning or end as far as it reaches, with its replacement."""
        text = lowered(text)
        for value, name in self._all:
            shared = next((len(prefix) for prefix in _SHARED if value.startswith(prefix)), 0)
            first = min(_PIECE + shared, len(value))
            for at in _occurrences(text, value[:first]):
                yield at, at + _beginning(value, text, at, first), name
            least = min(_PIECE, len(value))
            for at in _occurrences(text, value[-least:]):
                yield at + least - _end(value, text, at + least, least), at + least, name


def hidden_parts(secrets: Mapping[str, str], *, addresses: bool = False) -> list[tuple[str, str]]:
    """Return the names and values that nobody may see; with `addresses`, those too that hold no password."""
    stripped = {name: value.strip() for name, value in secrets.items()}
    return [(name, hidden) for name, value in stripped.items() for hidden in _hidden(name, value, addresses)]


def replacements(secrets: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """List the texts to look for with their replacements; longest first, for one secret may contain another."""
    found = [(form, f"[{name}]") for name, value in secrets for form in secret_forms(value)]
    return sorted(found, key=lambda item: (-len(item[0]), item[1], item[0]))


def _hidden(name: str, value: str, addresses: bool) -> Iterator[str]:
    """The parts of a value that nobody may see: of an address user and password, with `addresses` all of it."""
    if inner := list(_in_json(value)):
        yield from inner
        return
    found = is_address(value)
    if value and (addresses if found else is_secret(name, value)):
        yield value
    if found and "@" in value:
        user = value.partition("://")[2].rpartition("@")[0]
        yield user
        if len(password := user.partition(":")[2]) >= SHORTEST:
            yield password


def _in_json(value: str) -> Iterator[str]:
    """The secrets in a value that is a JSON object, as Google's keys are (google.auth: from_service_account_info)."""
    try:
        document = json.loads(value) if value.lstrip().startswith("{") else None
    except ValueError:
        return
    texts = [document.get(name) for name in _IN_JSON] if isinstance(document, dict) else []
    # The lines of a private key, which has line ends or \\n between them.
    lines = (line for text in texts if isinstance(text, str) for line in text.splitlines())
    yield from (line for line in lines if len(line) >= SHORTEST and not line.startswith("-----"))


def _occurrences(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def _beginning(value: str, text: str, at: int, least: int) -> int:
    """Count the characters of a value's beginning that stand in a text from `at` on; `least` of them do."""
    return _reach(lambda size: text.startswith(value[:size], at), least, len(value))


def _end(value: str, text: str, upto: int, least: int) -> int:
    """Count the characters of a value's end that stand in a text before `upto`; `least` of them do."""
    return _reach(lambda size: text.endswith(value[-size:], 0, upto), least, len(value))


def _reach(fits: Callable[[int], bool], least: int, most: int) -> int:
    """The largest size that fits, where all smaller ones do."""
    return least + bisect_left(range(least + 1, most + 1), True, key=lambda size: not fits(size))
