"""The rows: which framework, and what its users may expect of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    language: str
    # Of the function in the language's program.
    name: str
    # The file that pins its environment, and the package there that it is about.
    pins: str
    package: str
    # What is caught while there is no token and none can be had.
    error: str
    # Runs in `make test`: its environment installs in seconds.
    quick: bool = False
    # Asks the token endpoint when it likes; tokens may outlive their SVIDs.
    exchanges_by_itself: bool = False


PYTHON = "requirements.txt"
OPENAI2 = "requirements-openai2.txt"
LITELLM = "requirements-litellm.txt"
AIRFLOW = "requirements-airflow.txt"


def python(name: str, package: str, error: str, pins: str = PYTHON, **more: bool) -> Row:
    return Row("Python", name, pins, package, error, **more)


NODE20 = "node/node20/package.json"
NODE22 = "node/node22/package.json"


def node(name: str, package: str, error: str, pins: str = NODE22, **more: bool) -> Row:
    return Row("Node", name, pins, package, error, **more)


def go(name: str, package: str, error: str, pins: str = "go/go.mod", **more: bool) -> Row:
    return Row("Go", name, pins, package, error, **more)


OURS = "APIConnectionError from ours"

ROWS = [
    python("openai", "openai", OURS, quick=True),
    python("openai_stream", "openai", OURS),
    python("openai_async", "openai", OURS),
    python("openai_files", "openai", OURS),
    python("openai_sockets", "openai", OURS, quick=True),
    python("openai", "openai", OURS, OPENAI2),
    python("openai_async", "openai", OURS, OPENAI2),
    python("auth", "openai", "ExchangeUnavailableError from ours"),
    python("langchain", "langchain-openai", "OpenAIConnectionError from ours", quick=True),
    python("litellm", "litellm", "InternalServerError from ours", LITELLM),
    python("openai_agents", "openai-agents", OURS, quick=True),
    python("pydantic_ai", "pydantic-ai-slim", "ModelConnectionError from ours", quick=True),
    python("llama_index", "llama-index-llms-openai", OURS, OPENAI2),
    python("dspy", "dspy", "LMServerError from ours", LITELLM),
    python("instructor", "instructor", OURS, OPENAI2),
    python(
        "airflow",
        "apache-airflow-providers-openai",
        "OpenAIError",
        AIRFLOW,
        exchanges_by_itself=True,
    ),
    python("otlp", "opentelemetry-exporter-otlp-proto-http", "RuntimeError"),
    python(
        "anthropic", "anthropic", "WorkloadIdentityError", exchanges_by_itself=True, quick=True
    ),
    node("openai", "openai", OURS, NODE20, quick=True),
    node("openaiStream", "openai", OURS, NODE20),
    node("openaiSockets", "openai", "OpenAIError from ours", NODE20, quick=True),
    node("aiSdk", "@ai-sdk/openai", "RetryError from ours", NODE20, quick=True),
    node("openai", "openai", OURS),
    node("openaiStream", "openai", OURS),
    node("openaiSockets", "openai", "OpenAIError from ours"),
    node("fetching", "openai", "TypeError from ours"),
    node("aiSdk", "@ai-sdk/openai", "RetryError from ours"),
    node("langchain", "@langchain/openai", OURS),
    node("agents", "@openai/agents", OURS),
    node("anthropic", "@anthropic-ai/sdk", "WorkloadIdentityError", exchanges_by_itself=True),
    go("openai", "github.com/openai/openai-go/v3", "*svidex.Error from ours", quick=True),
    go("openaiStream", "github.com/openai/openai-go/v3", "*svidex.Error from ours"),
    go("transport", "github.com/openai/openai-go/v3", "*url.Error from ours", quick=True),
    go("langchaingo", "github.com/tmc/langchaingo", "*errors.errorString", quick=True),
    go(
        "eino",
        "github.com/cloudwego/eino-ext/components/model/openai",
        "*fmt.wrapError from ours",
        quick=True,
    ),
    go(
        "genkit",
        "github.com/firebase/genkit/go",
        "*fmt.wrapError from ours",
        "go/genkit/go.mod",
    ),
    go(
        "anthropic",
        "github.com/anthropics/anthropic-sdk-go",
        "*fmt.wrapError",
        exchanges_by_itself=True,
    ),
    Row(
        "Rust",
        "async_openai",
        "rust/Cargo.toml",
        "async-openai",
        "OpenAIError from ours",
        quick=True,
    ),
]
