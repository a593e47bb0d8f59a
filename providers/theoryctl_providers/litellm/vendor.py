"""One vendor of models: the variables that unlock it, its address, and the arguments of LiteLLM that carry them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

#: Sets of variables: any of them does, and of a set all are needed.
Sets = tuple[tuple[str, ...], ...]


#: Nothing of one, for defaults.
_NO: Mapping[str, str] = MappingProxyType({})


class Vendor(NamedTuple):  # made faster than a dataclass, at every start
    """One vendor of models.

    `prefixes` are the names before the slash of a model; the first is the vendor's own. `needs` are all to be met.
    `arguments` says which argument of `litellm.acompletion` carries a variable's value; where several variables have
    the same, the first that is set counts. `unset` are arguments for a call without a key, in the place of which
    LiteLLM would read the environment; `ambient` are variables that it reads whatever it is passed. `headers` says
    which header of a request carries a variable's value, the first that is set before the others.

    `addresses` are variables that move the vendor, the first that is set before the others, and `address` is its own
    (None: it has none, or one for each region). `route` is the path that LiteLLM expects at the end of an address, and
    `superfluous` are ends that people write and LiteLLM adds itself. `extra_body` says that LiteLLM puts an argument of
    that name into the body; for other vendors each key is an argument, which it passes on. `dropped` are inputs that
    it accepts for the vendor and does not send.
    """

    title: str
    prefixes: tuple[str, ...]
    documentation: str
    needs: tuple[Sets, ...] = ()
    optional: tuple[str, ...] = ()
    arguments: Mapping[str, str] = _NO
    unset: Mapping[str, str] = _NO
    ambient: tuple[str, ...] = ()
    headers: Mapping[str, str] = _NO
    addresses: tuple[str, ...] = ()
    address: str | None = None
    address_argument: str = "api_base"
    route: str = ""
    superfluous: tuple[str, ...] = ()
    extra_body: bool = True
    dropped: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The prefix of its models."""
        return self.prefixes[0]

    @property
    def variables(self) -> tuple[str, ...]:
        """Every variable that concerns it, in the order in which they count."""
        needed = (name for sets in self.needs for names in sets for name in names)
        return tuple(dict.fromkeys((*needed, *self.optional, *self.addresses)))
