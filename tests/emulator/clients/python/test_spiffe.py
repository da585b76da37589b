"""PyPI's `spiffe`, which is not ours, gets from the emulator what an agent gives."""

import time
from collections.abc import Iterator

import pytest
from spiffe import JwtBundle, JwtBundleSet, JwtSvid, SpiffeId, TrustDomain, WorkloadApiClient
from spiffe.bundle.jwt_bundle.errors import AuthorityNotFoundError
from spiffe.svid.errors import JwtSvidError
from spiffe.workloadapi.errors import FetchJwtSvidError, ValidateJwtSvidError

from conftest import Emulator

DOMAIN = TrustDomain("example.org")
LIFE_SECONDS = 300


@pytest.fixture
def client(emulator: Emulator) -> Iterator[WorkloadApiClient]:
    """Connect over the Unix socket, the one transport that this client knows."""
    with WorkloadApiClient(emulator.info["endpoint_socket"], default_timeout=30) as client:
        yield client


def bundle(client: WorkloadApiClient) -> JwtBundle:
    """Take the bundle of the emulator's trust domain."""
    found = client.fetch_jwt_bundles().get_bundle_for_trust_domain(DOMAIN)
    assert found is not None
    return found


def test_every_identity(client: WorkloadApiClient, emulator: Emulator) -> None:
    """All identities come, the default first, each for the audience and for five minutes."""
    audience = emulator.info["audience"]
    svids = client.fetch_jwt_svids({audience})
    assert [str(svid.spiffe_id) for svid in svids] == emulator.info["spiffe_ids"]
    for svid in svids:
        assert svid.audience == {audience}
        assert LIFE_SECONDS - 60 < svid.expiry - time.time() <= LIFE_SECONDS


def test_the_identity_asked_for(client: WorkloadApiClient, emulator: Emulator) -> None:
    """A subject selects; the same SVID is repeated."""
    subject = SpiffeId(emulator.info["spiffe_ids"][1])
    svid = client.fetch_jwt_svid({"a"}, subject=subject)
    assert svid.spiffe_id == subject
    # Not compared in the assertion itself: a failure would print both tokens.
    repeated = client.fetch_jwt_svid({"a"}, subject=subject).token == svid.token
    assert repeated


def test_an_identity_of_others(client: WorkloadApiClient, emulator: Emulator) -> None:
    """Another identity's ID is refused."""
    with pytest.raises(FetchJwtSvidError, match="no identity issued"):
        client.fetch_jwt_svid(
            {emulator.info["audience"]}, subject=SpiffeId("spiffe://example.org/somebody/else")
        )


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_local_validation(client: WorkloadApiClient, emulator: Emulator, alg: str) -> None:
    """An SVID verifies against the bundle, and against no other."""
    emulator.post("/settings", {"alg": alg})
    audience = emulator.info["audience"]
    token = client.fetch_jwt_svid({audience}).token
    svid = JwtSvid.parse_and_validate(token, bundle(client), {audience})
    assert str(svid.spiffe_id) == emulator.info["spiffe_ids"][0]
    with pytest.raises(JwtSvidError):
        JwtSvid.parse_and_validate(token, bundle(client), {"another audience"})
    emulator.post("/rotate-keys", {"drop_old": True})
    with pytest.raises(AuthorityNotFoundError):
        JwtSvid.parse_and_validate(token, bundle(client), {audience})


def test_validation_by_the_agent(client: WorkloadApiClient, emulator: Emulator) -> None:
    """The agent validates what it issued, and refuses the rest."""
    audience = emulator.info["audience"]
    token = client.fetch_jwt_svid({audience}).token
    valid = client.validate_jwt_svid(token, audience)
    assert str(valid.spiffe_id) == emulator.info["spiffe_ids"][0]
    with pytest.raises(ValidateJwtSvidError):
        client.validate_jwt_svid(token, "another audience")


def test_rotation(client: WorkloadApiClient, emulator: Emulator) -> None:
    """A new key joins the bundle; SVIDs signed with the old one still verify."""
    audience = emulator.info["audience"]
    token = client.fetch_jwt_svid({audience}).token
    before = len(bundle(client).jwt_authorities)
    emulator.post("/rotate-keys", {"drop_old": False})
    assert len(bundle(client).jwt_authorities) == before + 1
    JwtSvid.parse_and_validate(token, bundle(client), {audience})
    assert isinstance(client.fetch_jwt_bundles(), JwtBundleSet)
