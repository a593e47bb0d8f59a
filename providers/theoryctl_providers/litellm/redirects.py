"""Redirects: which a call may follow, and which would take its key or its prompt to another address."""

from __future__ import annotations

import httpx

#: The extension of a response that says the address of its redirect, which was not followed.
LED_TO = "theoryctl.led_to"

#: The number of redirects that led to a request, among its extensions, which httpx hands on to the next.
REDIRECTS = "theoryctl.redirects"

#: Redirects within an address that are followed one after the other; httpx follows 20, and each repeats the prompt.
MOST_REDIRECTS = 5

#: Headers that every request has, or a tracer gives it: a GET with no others asks for what anybody may have.
_PLAIN = {
    *("accept", "accept-encoding", "accept-language", "connection", "host", "range", "user-agent"),
    *("traceparent", "tracestate", "baggage"),  # www.w3.org/TR/trace-context and www.w3.org/TR/baggage
}

#: Redirects that repeat a request as it is (RFC 9110, section 15.4); for another httpx sends a GET without a body.
_REPEATING = (307, 308)


def redirect(
    method: str, url: str, headers: dict[str, str], status: int, location: str, before: int = 0
) -> httpx.Response:
    """Return a redirect that another library than httpx got, `before` redirects led to it, as a response of httpx's."""
    request = httpx.Request(method, url, headers=headers, extensions={REDIRECTS: before})
    # As bytes, for httpx takes text in ASCII alone.
    return httpx.Response(status, headers={b"location": location.encode(errors="surrogateescape")}, request=request)


def stay(response: httpx.Response) -> None:
    """Take the address from a redirect that must not be followed, which is then a failure: its key is for one address.

    httpx takes `Authorization` away where a redirect leads to another origin, and neither other headers nor the prompt.
    """
    if not response.has_redirect_location:
        return
    location, extensions = response.headers["location"], response.request.extensions
    moved, before = _joined(response.request.url, location), extensions.get(REDIRECTS, 0)
    if moved is not None and before < MOST_REDIRECTS and _may_follow(response, moved):
        extensions[REDIRECTS] = before + 1
        return
    del response.headers["location"]
    response.extensions[LED_TO] = location if moved is None else str(moved)


def _joined(url: httpx.URL, location: str) -> httpx.URL | None:
    """The address that a redirect leads to; None for what is none."""
    try:
        return url.join(location)
    except (httpx.InvalidURL, ValueError):
        return None


def _may_follow(response: httpx.Response, moved: httpx.URL) -> bool:
    request = response.request
    if request.method == "GET":
        return request.headers.keys() <= _PLAIN or is_of(moved, request.url)
    return is_of(moved, request.url) and response.status_code in _REPEATING


def is_of(url: httpx.URL | str, other: httpx.URL | str) -> bool:
    """Say whether two addresses have the same origin (RFC 6454); what is no address has none."""
    try:
        return _origin(httpx.URL(url)) == _origin(httpx.URL(other))
    except httpx.InvalidURL:
        return False


def is_below(url: httpx.URL | str, address: httpx.URL | str) -> bool:
    """Say whether a URL is an address, or one below it."""
    return is_of(url, address) and _folder(url).startswith(_folder(address))


def _folder(url: httpx.URL | str) -> str:
    return f"{httpx.URL(url).path.rstrip('/')}/"


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port  # None for the scheme's own port, also where it is written
