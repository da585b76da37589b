"""The settings of a provider, as keyword arguments."""

from __future__ import annotations

import os

from ._typed_dict import TypedDict


class Options(TypedDict, total=False):
    """What `Provider(...)` and `Provider.from_env(...)` take.

    `from_env` fills what is left out, or `None`, from the variables named here.
    """

    endpoint_socket: str | None
    """Where the SPIFFE Workload API listens: `unix:///path`, `unix:/path` or
    `tcp://IP:port`. `SPIFFE_ENDPOINT_SOCKET`."""

    identity_token_file: str | os.PathLike[str] | None
    """A file that a sidecar keeps filled with a JWT-SVID, read anew at each
    renewal. `OPENAI_IDENTITY_TOKEN_FILE`; of the two variables this one wins."""

    access_token_file: str | os.PathLike[str] | None
    """A file that `svidex bridge` keeps filled with an access token, read anew when
    it is due: where `access_token` comes from then, instead of an exchange. It needs
    no source of SVIDs and no IDs, and gives no SVIDs. `SVIDEX_ACCESS_TOKEN_FILE`."""

    audience: str | None
    """The audience to ask for and to insist on. Default
    `https://api.openai.com/v1`. `SVIDEX_AUDIENCE`."""

    spiffe_id: str | None
    """The SPIFFE ID to ask for, or to insist on in a token file. Default: the
    first identity that the Workload API returns. `SVIDEX_SPIFFE_ID`."""

    hint: str | None
    """Chooses among several identities of the Workload API by their hint."""

    identity_provider_id: str | None
    """The Workload Identity Provider's ID. Needed for access tokens.
    `OPENAI_IDENTITY_PROVIDER_ID`."""

    service_account_id: str | None
    """The service account's ID. Needed for access tokens.
    `OPENAI_SERVICE_ACCOUNT_ID`."""

    client_id: str | None
    """An OAuth client ID, sent along with our exchange if set. (OpenAI's Python
    SDK sends none in its own.)"""

    token_endpoint: str | None
    """Where tokens are exchanged: https, or http on loopback. Default: OpenAI's.
    `SVIDEX_TOKEN_ENDPOINT`."""

    ca_file: str | os.PathLike[str] | None
    """A PEM file with the only CAs to trust for the token endpoint. Default:
    `SSL_CERT_FILE` and `SSL_CERT_DIR`, else the system's roots."""

    refresh_buffer_seconds: float | None
    """How long before its end a token is renewed; never more than half its life.
    Default 1200."""

    request_timeout_seconds: float | None
    """Deadline of one attempt to fetch or to exchange. Default 10."""

    call_timeout_seconds: float | None
    """Deadline of one call that has to wait. Default 30."""
