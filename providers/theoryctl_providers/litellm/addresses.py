"""Addresses as people write them, read before a call: in quotes, without a scheme, with a path too many or missing."""

from __future__ import annotations

import os
import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from theoryctl_providers.contract import ProviderConfig, ProviderError, leads_to_instance, secret_names
from theoryctl_providers.contract.clients import led_variables
from theoryctl_providers.litellm.vendor import Vendor
from theoryctl_providers.litellm.vendors import vendor_for

_EXAMPLE = "https://example.com/v1"


def address_of(vendor: Vendor, config: ProviderConfig) -> str | None:
    """The address that was set for a vendor; None where none was.

    It is one of the secrets. The environment counts only for variables that a manifest of somebody's own does not name.
    Raises ProviderError `ERR_USAGE` for an address that cannot be one, with the variable's name.
    """
    named = secret_names(config.secret_rules) or vendor.addresses
    for variable in vendor.addresses:
        text = _unquoted(config.secrets.get(variable, "") if variable in named else _around(variable))
        if text:
            return read_address(variable, text, vendor)
    return None


def _around(variable: str) -> str:
    """The value of a variable in the environment; empty where it leads to an instance, as after `local env`."""
    value = _unquoted(os.environ.get(variable, ""))
    return "" if variable in led_variables(os.environ) or leads_to_instance(value) else value


def read_address(variable: str, text: str, vendor: Vendor) -> str:
    """A vendor's address out of a variable's text, in the form that LiteLLM takes.

    `localhost:11434` is http, a superfluous `/v1` or `/chat/completions` is taken off, and a missing `/v1` added where
    the vendor has one. Raises ProviderError `ERR_USAGE`.
    """
    parts = _split(variable, _unquoted(text))
    path = parts.path.rstrip("/")
    for end in vendor.superfluous:
        path = path.removesuffix(f"/{end}")
    return parts._replace(path=path or f"/{vendor.route}".rstrip("/")).geturl()


def shown(address: str) -> str:
    """An address for people: without user, password and query."""
    try:
        parts = urlsplit(address)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    except ValueError:
        return "an address that cannot be read"


def at_address(who: str, address: str | None) -> str:
    """A vendor in an error, with the address that was asked."""
    return f"{who} ({shown(address)})" if address else who


def hint_for(code: str, model: str, address: str | None, reason: str) -> str | None:
    """The hint on a failed call that goes by its vendor and address; None where the usual one fits."""
    vendor = vendor_for(model)
    if code not in ("ERR_UNREACHABLE", "ERR_BAD_RESPONSE", "ERR_INPUTS") or vendor is None:
        return None
    variable = vendor.addresses[0] if vendor.addresses else None
    if variable and address and (scheme := _other_scheme(address, reason)):
        return f"set {variable} to {scheme}{shown(address).partition('://')[2]}"
    if code != "ERR_UNREACHABLE":
        return None
    if vendor.name == "ollama":
        return "ollama serve" if address == vendor.address else f"ollama serve, at the address in {variable}"
    return f"check the network, the proxy settings and {variable}" if variable else None


def _other_scheme(address: str, reason: str) -> str | None:
    """The scheme that a server speaks, as far as its failure tells (OpenSSL, RFC 9110 servers)."""
    if address.startswith("https://") and re.search(r"WRONG_VERSION_NUMBER|record layer failure", reason, re.I):
        return "http://"
    if address.startswith("http://") and re.search(r"HTTP request (was sent )?to (an )?HTTPS", reason, re.I):
        return "https://"
    return None


def replace_hint(error: ProviderError, hint: str | None) -> ProviderError:
    """The error with another hint, if there is one."""
    error.hint = error.hint if hint is None else hint
    return error


def _unquoted(text: str) -> str:
    text = text.strip()
    while len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1].strip()
    return text


def _split(variable: str, text: str) -> SplitResult:
    if "://" not in text and _is_near(text):
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        wrong = _fault(parts, text)
    except ValueError:  # brackets that do not match, or a port that is no number
        wrong = "a host and a port"
    if wrong:
        raise ProviderError(
            "ERR_USAGE",
            f"{variable}: expected {wrong}, got {shown(text)[:200]!r}",
            hint=f"set {variable} to an address such as {_EXAMPLE}",
        )
    return parts


def _fault(parts: SplitResult, text: str) -> str | None:
    """The form that an address should have had. Raises ValueError for a port that is none."""
    if parts.scheme not in ("http", "https") or "://" not in text:
        return "http:// or https://"
    if not parts.hostname or re.search(r"[\s\x00-\x1f\x7f]", text):
        return "a host"
    if parts.port == 0:
        return "a port from 1 to 65535"
    if parts.username is not None:  # LiteLLM's HTTP client refuses them, whatever the vendor
        return "an address without user and password"
    return "an address without ? and #" if parts.query or parts.fragment else None


def _is_near(text: str) -> bool:
    """Tell whether an address without a scheme is of this machine or its network: a key may go there in clear."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost" or ("." not in host and port is not None)
