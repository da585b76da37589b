"""Where an access token may go: the API's hosts, or those that the user names."""

from __future__ import annotations

from ._errors import InvalidConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# OpenAI's API, with its data-residency hosts. The same list in every language:
# tests/vectors/hosts.json.
_REGIONS = ("us", "eu", "ae", "au", "in", "jp")
API_HOSTS = ("api.openai.com", *(f"{region}.api.openai.com" for region in _REGIONS))

_DEFAULT_PORTS = {"https": 443, "http": 80}

Origin = tuple[str, str, int]


def origin(scheme: str, host: str, port: int | None) -> Origin:
    """Of a URL in parts, as HTTP libraries have them."""
    scheme = scheme.lower()
    if port is None:
        port = _DEFAULT_PORTS.get(scheme, 0)
    return scheme, host.lower().strip("[]"), port


class Hosts:
    """A set of origins."""

    def __init__(self, hosts: Iterable[str] | None = None) -> None:
        if isinstance(hosts, str):
            hosts = (hosts,)
        self._origins = frozenset(map(_named, API_HOSTS if hosts is None else hosts))

    def __contains__(self, origin: Origin) -> bool:
        return origin in self._origins


def _named(text: str) -> Origin:
    """`host`, `host:port` (both https), or an origin with its scheme."""
    from urllib.parse import urlsplit

    wrong = InvalidConfigError(
        "hosts must be names such as api.example.com, api.example.com:8443 or "
        "http://127.0.0.1:8080, without a path, a user or wildcards"
    )
    if not isinstance(text, str):
        raise wrong
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        port = parts.port
    except ValueError:
        raise wrong from None
    plain = parts.path in ("", "/") and not (parts.query or parts.fragment or "@" in text)
    if parts.scheme not in _DEFAULT_PORTS or not plain or not parts.hostname:
        raise wrong
    if not set(parts.hostname) <= _HOST_CHARACTERS:
        raise wrong
    return origin(parts.scheme, parts.hostname, port)


_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.:_%")
