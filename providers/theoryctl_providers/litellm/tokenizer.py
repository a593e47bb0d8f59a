"""Claude's tokenizer, which LiteLLM reads as it is imported, is read when somebody counts with it."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.resources import files
from types import ModuleType
from typing import Any

_PACKAGE, _FILE = "litellm.litellm_core_utils.tokenizers", "anthropic_tokenizer.json"


@contextmanager
def unread() -> Iterator[None]:
    """Have `litellm.utils`, where it is imported meanwhile, find an empty tokenizer, and the real one when it is used.

    LiteLLM holds it as objects and as text (1.110.2, litellm/utils.py): 17 MiB of every process, and 0.2 s.
    """
    if "litellm" in sys.modules:
        yield
        return
    sys.modules[_PACKAGE] = empty = ModuleType(_PACKAGE)
    empty.__spec__ = ModuleSpec(_PACKAGE, _Empty(), is_package=True)  # type: ignore[arg-type]  # asked for its resources alone
    try:
        yield
    finally:
        del sys.modules[_PACKAGE]
    _read_late(sys.modules["litellm.utils"])


class _Empty:
    """A package's loader, its folder and each file in it, which is an empty document."""

    def get_resource_reader(self, _: str) -> _Empty:
        return self

    def files(self) -> _Empty:
        return self

    def joinpath(self, _: str) -> _Empty:
        return self

    def open(self, *_: Any, **__: Any) -> io.StringIO:
        return io.StringIO("{}")


#: The attributes of `litellm.utils` that hold the tokenizer, and what each makes of its text.
_HOLDERS: dict[str, Callable[[str], Any]] = {"json_data": json.loads, "claude_json_str": str}


def _read_late(utils: Any) -> None:
    others = utils.__getattr__  # LiteLLM's own late imports
    for name in _HOLDERS:
        vars(utils).pop(name, None)

    @cache
    def held(name: str) -> Any:
        return _HOLDERS[name](files(_PACKAGE).joinpath(_FILE).read_text(encoding="utf-8"))

    utils.__getattr__ = lambda name: held(name) if name in _HOLDERS else others(name)
