"""The models of an instance: by name it knows one, its default, and a mock answers as any other."""

from __future__ import annotations

from starlette.types import Scope

from theoryctl_providers.contract import ProviderConfig, ProviderError, is_mock, stated_mode
from theoryctl_providers.inputs.normalize import qualified, vendor_in
from theoryctl_providers.lookup import default_model_of
from theoryctl_providers.wires.mode import mode_of


def listed_model(scope: Scope, config: ProviderConfig) -> str:
    """Return the name of the one model in a list: that of requests that name none; empty where there is none.

    Raises ProviderError `ERR_INPUTS` for a mode that is none.
    """
    mode_of(scope)
    return default_model_of(config) or ""


def known_model(name: str, scope: Scope, config: ProviderConfig, *, listed: str, asked: str) -> str:
    """Return the name of a model that answers, with or without its vendor. A mock answers as any; of a real vendor only
    the default is known to be there.

    `listed` and `asked` are the requests that list models and that ask one. Raises ProviderError `ERR_MODEL_NOT_FOUND`.
    """
    if not name:
        raise ProviderError("ERR_MODEL_NOT_FOUND", "no model is named", hint=listed, param="model")
    default = listed_model(scope, config)
    mode = stated_mode({}, mode_of(scope), config.mode)
    if is_mock(mode) or qualified(name, vendor_in(default)) == default:
        return name
    message = f"this instance cannot say whether there is a model {name!r:.200}; its default is {default!r}"
    raise ProviderError("ERR_MODEL_NOT_FOUND", message, hint=f"ask it: {asked}", param="model")
