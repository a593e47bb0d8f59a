"""Providers by name: built in, from an entry point, or `package.module:Class`."""

from __future__ import annotations

from operator import attrgetter
from types import new_class
from typing import Any

from theoryctl_providers.blame import blamed, is_fault, name_of, shown, told
from theoryctl_providers.contract import ProviderConfig, ProviderError, SecretRule
from theoryctl_providers.protocol import LLMProvider, broken_part

ENTRY_POINTS = "theoryctl.providers"

_BUILT_IN = {
    "mock": "theoryctl_providers.mock.provider:MockProvider",
    "litellm": "theoryctl_providers.litellm.provider:LiteLLMProvider",
}

#: The model of each built-in provider when neither the inputs nor a manifest names one.
default_models: dict[str, str] = {"mock": "mock", "litellm": "openai/gpt-4o-mini"}

#: What is raised where there is no such module, or no such class in it; their texts say which.
_NOT_THERE = (ImportError, ModuleNotFoundError, AttributeError)

_loaded: dict[str, LLMProvider] = {}


def default_model_of(config: ProviderConfig) -> str | None:
    """Return the model of a request that names none: the config's, or else the provider's own; None without either."""
    if config.default_model:
        return config.default_model
    provider = get_llm_provider(config.provider)
    with blamed(provider, "default_model"):
        return provider.default_model


def secret_rules_of(name: str) -> tuple[SecretRule, ...]:
    """Return the secrets that a provider's models need in real mode. Raises ProviderError `ERR_PROVIDER`."""
    provider = get_llm_provider(name)
    with blamed(provider, "secret_rules"):
        return provider.secret_rules


def get_llm_provider(name: str) -> LLMProvider:
    """The one provider object of that name in this process.

    `name` is "mock", "litellm", an entry point of the group `theoryctl.providers`, or `package.module:Class`, where the
    class may stand in another: `package.module:Outer.Inner`.
    The class need not be a subclass of `LLMProvider`: the optional parts that it lacks are that one's. Raises
    ProviderError `ERR_PROVIDER` when there is none, when its code cannot be imported, and when its class does not keep
    to the protocol.
    """
    if name not in _loaded:
        # Two threads may both make one; they get the same.
        _loaded.setdefault(name, _made(name, _load(name)))
    return _loaded[name]


def loaded_providers() -> list[LLMProvider]:
    """Every provider object that was asked for in this process."""
    return list(_loaded.values())


def _load(name: str) -> Any:
    from importlib import import_module

    module, _, attribute = (_BUILT_IN.get(name) or _target(name)).partition(":")
    if "<locals>" in attribute:
        raise _unfit(name, "expected a class that its module holds by this name, got one that a function made")
    try:
        return attrgetter(attribute)(import_module(module))
    except BaseException as error:  # whatever the module's own code raises
        if not is_fault(error):
            raise
        what = error if type(error) in _NOT_THERE else f"{told(error)}; expected a module that can be imported"
        raise ProviderError(
            "ERR_PROVIDER",
            f"provider {name!r} cannot be loaded: {what}",
            hint=f"check that the package of {module!r} is installed here and defines {attribute!r}",
        ) from error


def _made(name: str, found: Any) -> LLMProvider:
    """An object of the class, which is checked here once, and not with every request."""
    if not isinstance(found, type):
        raise _unfit(name, f"expected a class, got {shown(found)}")
    try:
        provider: LLMProvider = _with_defaults(found)()
    except BaseException as error:
        if not is_fault(error):
            raise
        called = f"{found.__module__}:{found.__qualname__}()"
        raise _unfit(name, f"{called} failed with {told(error)}; expected a provider") from error
    if (broken := broken_part(provider)) is not None:
        raise _unfit(name, f"{name_of(provider)}.{broken}")
    return provider


def _with_defaults(found: type[Any]) -> type[Any]:
    """The class, with LLMProvider's optional parts where it has none of its own."""
    if LLMProvider in found.__mro__:
        return found
    names = {"__module__": found.__module__, "__qualname__": found.__qualname__}
    return new_class(found.__name__, (found, LLMProvider), exec_body=lambda namespace: namespace.update(names))


def _unfit(name: str, what: str) -> ProviderError:
    hint = "change the class as docs/providers.md describes"
    return ProviderError("ERR_PROVIDER", f"provider {name!r} cannot be used: {what}", hint=hint)


def _target(name: str) -> str:
    """Return the place of the class: written out, or declared by an installed package."""
    if ":" in name:
        return name
    from difflib import get_close_matches
    from importlib.metadata import entry_points  # loaded last: it costs as much as the rest of a mock run

    found = {entry.name: entry.value for entry in entry_points(group=ENTRY_POINTS)}
    if name in found:
        return found[name]
    known = sorted({*_BUILT_IN, *found})
    near = get_close_matches(name, known, n=1)
    raise ProviderError(
        "ERR_PROVIDER",
        f"no provider is called {name!r}; there are: {', '.join(known)}",
        hint=f"name {near[0]!r}" if near else "name one of these, or a class as package.module:Class",
    )
