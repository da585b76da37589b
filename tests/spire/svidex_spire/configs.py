"""The configuration of SPIRE's three programs.

SPIRE reads JSON as well as HCL; JSON needs no quoting rules of ours.
"""

from __future__ import annotations

from pathlib import Path

from .certificates import ServingCertificate

Config = dict[str, object]

# How often the server looks at its own entries, and agent and discovery provider at
# the server. SPIRE's defaults (5 s, 5 s, 10 s) would make each denial that slow.
SYNC_INTERVAL = "1s"


def server(
    directory: Path, trust_domain: str, port: int, api_socket: Path, issuer: str
) -> Config:
    """`issuer` becomes the `iss` of every JWT-SVID."""
    return {
        "server": {
            "bind_address": "127.0.0.1",
            "bind_port": port,
            "socket_path": str(api_socket),
            "trust_domain": trust_domain,
            "data_dir": str(directory),
            "jwt_issuer": issuer,
            "experimental": {"cache_reload_interval": SYNC_INTERVAL},
        },
        "plugins": {
            "DataStore": _plugin(
                "sql",
                database_type="sqlite3",
                connection_string=str(directory / "datastore.sqlite3"),
            ),
            "KeyManager": _plugin(
                "disk", keys_path=str(directory / "server-keys.json")
            ),
            "NodeAttestor": _plugin("join_token"),
        },
    }


def agent(
    directory: Path, trust_domain: str, server_port: int, workload_socket: Path
) -> Config:
    """Wants `bundle.pem` and `join-token` in `directory`."""
    state = directory / "agent"
    state.mkdir(exist_ok=True)
    return {
        "agent": {
            "server_address": "127.0.0.1",
            "server_port": server_port,
            "socket_path": str(workload_socket),
            "trust_bundle_path": str(directory / "bundle.pem"),
            "trust_domain": trust_domain,
            "data_dir": str(state),
            "join_token_file": str(directory / "join-token"),
            "experimental": {"sync_interval": SYNC_INTERVAL},
        },
        "plugins": {
            # On disk, so that a restarted agent keeps its identity: a join token
            # works once.
            "KeyManager": _plugin("disk", directory=str(state)),
            "NodeAttestor": _plugin("join_token"),
            "WorkloadAttestor": _plugin("unix"),
        },
    }


def discovery_provider(
    serving: ServingCertificate, port: int, server_socket: Path
) -> Config:
    """Serves discovery and keys at the issuer's own URL, https://127.0.0.1:`port`."""
    return {
        "domains": ["127.0.0.1"],
        "jwt_issuer": f"https://127.0.0.1:{port}",
        "serving_cert_file": {
            "addr": f"127.0.0.1:{port}",
            "cert_file_path": str(serving.certificate),
            "key_file_path": str(serving.key),
        },
        "server_api": {
            "address": f"unix://{server_socket}",
            "poll_interval": SYNC_INTERVAL,
        },
    }


def _plugin(name: str, **data: str) -> Config:
    return {name: {"plugin_data": data}}
