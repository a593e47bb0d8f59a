"""`keep_alive`: how long a model stays loaded, a number of seconds or a duration of Go's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from theoryctl_providers.wires.body import wrong

_NUMBER = r"([0-9]+(\.[0-9]*)?|\.[0-9]+)"
_UNIT = "(ns|us|µs|μs|ms|s|m|h)"

#: A duration as Go's time.ParseDuration reads it (src/time/format.go): a bare 0, or numbers with units.
_DURATION = re.compile(rf"[-+]?(0|({_NUMBER}{_UNIT})+)")
_ZERO = re.compile(rf"[-+]?(0|((0+(\.0*)?|\.0+){_UNIT})+)")


def check_keep_alive(body: Mapping[str, Any]) -> None:
    """Raise ProviderError `ERR_INPUTS` for a `keep_alive` that is no duration, as Ollama does (api/types.go, Duration).

    Null means unset.
    """
    kept = body.get("keep_alive")
    is_number = isinstance(kept, int | float) and not isinstance(kept, bool)
    if kept is None or is_number or (isinstance(kept, str) and _DURATION.fullmatch(kept)):
        return
    raise wrong("keep_alive", f"expected a number of seconds or a duration such as 5m or 1h30m, got {kept!r:.60}")


def is_zero(duration: Any) -> bool:
    """Tell whether a duration is of no length."""
    return _ZERO.fullmatch(duration) is not None if isinstance(duration, str) else duration == 0
