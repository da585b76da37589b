"""The process's own provider: the same for threads that come together, and for children."""

import threading
from concurrent.futures import ThreadPoolExecutor

import svidex
from children import fork, join
from emulator import from_environment

together = threading.Barrier(8)


def first(_: int) -> object:
    together.wait(30)
    provider = svidex.default_provider()
    assert svidex.get_token()
    return provider


with ThreadPoolExecutor(8) as pool:
    assert len(set(pool.map(first, range(8)))) == 1


def child() -> None:
    assert svidex.access_token() == token
    assert svidex.get_token_details().text == svidex.get_token()


token = svidex.access_token()
join(fork(child))
assert from_environment().counters()["fetch_jwt_svid"] == 1
print("one provider, one fetch")
