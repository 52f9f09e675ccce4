"""What an operator can set: one environment variable per field, each with the prefix ``MNESIS_``."""

import difflib
import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from mnesis.complaints import Complaint
from mnesis.domain.limits import Limits, OperationLimits

PREFIX = "MNESIS_"
SECRET_BYTES = 32
METRICS_TOKEN_BYTES = 16
POSTGRESQL_SCHEMES = ("postgresql://", "postgres://")
_DEFAULTS = Limits()
_OPERATION_DEFAULTS = OperationLimits()
_NEVER = ("0", "off")
FACADES = ("alchemyst", "opensearch")
"""The other products' APIs that the server can speak."""
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

AtLeastOne = Annotated[int, Field(ge=1)]


class BadSettings(Complaint):
    """The settings cannot be used; the text has one sentence per variable."""


def default_database_url() -> str:
    """A SQLite file in the folder where this system keeps a user's data."""
    return f"sqlite:///{user_data_path('mnesis', appauthor=False) / 'mnesis.db'}"


class Settings(BaseSettings):
    """Everything that can be set. ``description`` is the sentence that the table in docs repeats."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_url: str = Field(
        default_factory=default_database_url,
        # A database's address may carry a password.
        repr=False,
        description="`sqlite:///` and the path of a file, or `postgresql://user@host/database`.",
    )
    host: str = Field(
        default="127.0.0.1",
        description="The address to listen on. Anything but a loopback address needs authentication.",
    )
    port: int = Field(default=8000, ge=0, le=65535, description="The TCP port to listen on; `0` takes a free one.")
    workers: AtLeastOne = Field(default=1, description="Server processes that share the port. SQLite allows one.")
    auth_secret: SecretStr | None = Field(
        default=None,
        description=f"The shared secret of HS256 tokens, at least {SECRET_BYTES} bytes.",
    )
    auth_jwks: str | None = Field(
        default=None,
        description="Public keys for RS256, ES256 or EdDSA tokens: the path or the `https://` address of a JWKS.",
    )
    auth_tenant_claim: str = Field(
        default="tenant", min_length=1, description="The token's claim that names the tenant."
    )
    auth_roles_claim: str = Field(
        default="roles",
        min_length=1,
        description="The token's claim with the caller's roles, which open containers: a list or a text with spaces.",
    )
    auth_issuer: str | None = Field(default=None, description="When set, a token's `iss` must equal it.")
    auth_audience: str | None = Field(default=None, description="When set, a token's `aud` must contain it.")
    requests_per_minute: int = Field(
        default=0,
        ge=0,
        description="Requests of one subject that each process answers in a minute; `0`: any.",
    )
    tenant_requests_per_minute: int = Field(
        default=0,
        ge=0,
        description="Requests of one tenant that each process answers in a minute; `0`: any.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Origins whose pages may call the server, separated by commas; `*` for any.",
    )
    playground: bool = Field(
        default=True,
        description="Whether `/` shows the playground, which needs introspection, and `/panel` the memory panel.",
    )
    introspection: bool = Field(
        default=True, description="Whether GraphQL clients may ask for the schema, as playgrounds do."
    )
    trusted_documents: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(),
        description="Manifests of documents that clients may ask for by id: paths, separated by commas.",
    )
    only_trusted_documents: bool = Field(
        default=False, description="Whether the documents of those manifests are the only ones that run."
    )
    persisted_queries: int = Field(
        default=1_000,
        ge=0,
        description="Documents that clients may register by their hash (APQ), in each process; `0` for none.",
    )
    http_profile: Literal["400", "422"] = Field(
        default="400",
        description="The status of requests that cannot be executed; `422` is the GraphQL over HTTP draft of 2026.",
    )
    facades: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Other products' APIs to serve beside GraphQL, separated by commas: `alchemyst`, `opensearch`.",
    )
    reader_threads: AtLeastOne = Field(default=4, description="Threads, each with a connection, that read.")
    writer_lanes: AtLeastOne = Field(
        default=4, description="Threads, each with a connection, that write. SQLite has one."
    )
    shutdown_timeout_s: int = Field(
        default=8,
        ge=1,
        description="Seconds that requests under way have to finish when the server is stopped.",
    )
    retention_every: str = Field(
        default="24h",
        description="How often the server runs retention, such as `90m`, `24h` or `7d`; `0` for never.",
    )
    log_level: Literal["critical", "error", "warning", "info", "debug"] = Field(
        default="info", description="The least serious messages to log: `critical` to `debug`."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="`json`, `console`, or `auto`: lines of JSON unless stderr is a terminal."
    )
    metrics: bool = Field(default=False, description="Whether `/metrics` shows metrics to Prometheus.")
    metrics_token: SecretStr | None = Field(
        default=None,
        description=(
            f"The bearer token that `/metrics` asks for, at least {METRICS_TOKEN_BYTES} bytes; needed as soon as"
            " authentication is configured."
        ),
    )
    metrics_operations: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Operation names that metrics tell apart, separated by commas; all others count as `other`.",
    )
    tracing: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="OpenTelemetry: `on`, `off`, or `auto`: when `OTEL_EXPORTER_OTLP_ENDPOINT` or the like is set.",
    )
    limit_commands: AtLeastOne = Field(default=_DEFAULTS.commands, description="Entries or items in one call.")
    limit_text_bytes: AtLeastOne = Field(default=_DEFAULTS.text_bytes, description="UTF-8 bytes of text in one field.")
    limit_messages: AtLeastOne = Field(default=_DEFAULTS.messages, description="Messages in one memory.")
    limit_memory_bytes: AtLeastOne = Field(
        default=_DEFAULTS.memory_bytes, description="Bytes of all fields of one memory together."
    )
    limit_json_bytes: AtLeastOne = Field(
        default=_DEFAULTS.json_bytes, description="Bytes of one JSON object, written compactly."
    )
    limit_json_levels: Annotated[int, Field(ge=1, le=200)] = Field(
        default=_DEFAULTS.json_levels, description="How deep a JSON object may nest; at most 200."
    )
    limit_request_bytes: AtLeastOne = Field(default=_DEFAULTS.request_bytes, description="Bytes of one request body.")
    limit_page_nodes: AtLeastOne = Field(default=_DEFAULTS.page_nodes, description="Nodes in one page of a connection.")
    limit_queued_changes: AtLeastOne = Field(
        default=_DEFAULTS.queued_changes,
        description="Changes that wait for a slow subscriber before it is told that it lagged.",
    )
    limit_socket_operations: AtLeastOne = Field(
        default=_DEFAULTS.socket_operations, description="Operations that run at once over one WebSocket."
    )
    limit_document_characters: AtLeastOne = Field(
        default=_OPERATION_DEFAULTS.characters, description="Characters of one GraphQL document."
    )
    limit_tokens: AtLeastOne = Field(default=_OPERATION_DEFAULTS.tokens, description="Tokens of one GraphQL document.")
    limit_depth: AtLeastOne = Field(
        default=_OPERATION_DEFAULTS.depth, description="How deep fields may nest, without those of introspection."
    )
    limit_aliases: AtLeastOne = Field(default=_OPERATION_DEFAULTS.aliases, description="Aliases in one document.")
    limit_directives: AtLeastOne = Field(
        default=_OPERATION_DEFAULTS.directives, description="Directives in one document."
    )
    limit_selections: AtLeastOne = Field(
        default=_OPERATION_DEFAULTS.selections,
        description="Fields and fragments in one document, those of a fragment as often as it is spread.",
    )
    limit_cost: AtLeastOne = Field(
        default=_OPERATION_DEFAULTS.cost, description="The cost of one operation; see [Limits](#limits)."
    )
    limit_operations: AtLeastOne = Field(
        default=_OPERATION_DEFAULTS.operations,
        description="Queries and mutations that one process runs at once.",
    )
    limit_subscriptions: AtLeastOne = Field(
        default=_OPERATION_DEFAULTS.subscriptions, description="Subscriptions that one process serves at once."
    )
    query_timeout_s: AtLeastOne = Field(
        default=_OPERATION_DEFAULTS.query_s,
        description="Seconds that a query may take, a subscription to begin, and what it tells of one change.",
    )
    mutation_timeout_s: AtLeastOne = Field(
        default=_OPERATION_DEFAULTS.mutation_s, description="Seconds that a mutation may take."
    )
    limit_batch_operations: AtLeastOne = Field(
        default=_DEFAULTS.batch_operations, description="Operations in one request that is a list of them."
    )
    search_candidates: AtLeastOne = Field(
        default=_DEFAULTS.search_candidates,
        description="Memories that one search ranks at most, those with the rarest words first.",
    )
    search_vectors: AtLeastOne = Field(
        default=_DEFAULTS.search_vectors,
        description="Memories that one search compares by meaning at most, the newest that pass its filter.",
    )
    embeddings_model: str | None = Field(
        default=None,
        description="The embedding model that search by meaning needs: its name at `MNESIS_EMBEDDINGS_URL`, or, without"
        " that, a Model2Vec model (a folder, or a name at Hugging Face) for the extra `local-embeddings`.",
    )
    embeddings_url: str | None = Field(
        default=None,
        description="The base address of an API of OpenAI's form, such as `https://api.openai.com/v1`.",
    )
    embeddings_key: SecretStr | None = Field(default=None, description="The API's key.")
    embeddings_dimensions: Annotated[int, Field(ge=1, le=16_000)] | None = Field(
        default=None, description="How many dimensions to ask for, where the model leaves a choice."
    )
    embeddings_batch: Annotated[int, Field(ge=1, le=2_048)] = Field(
        default=64, description="Texts in one request to the model."
    )
    embeddings_timeout_s: AtLeastOne = Field(
        default=30, description="Seconds that the model may take for one step of an answer."
    )
    embeddings_query_timeout_s: AtLeastOne = Field(default=3, description="Seconds that a search waits for the model.")

    @classmethod
    def load(cls, **given: object) -> Self:
        """Settings from the environment; what is ``given`` and not None comes first.

        Raises `BadSettings`.
        """
        try:
            return cls(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # Checked by pydantic.
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            raise BadSettings(
                "\n".join(_sentence(fault["loc"] or (fault["type"],), fault["msg"]) for fault in faults)
            ) from None

    @field_validator("database_url")
    @classmethod
    def _names_a_database(cls, url: str) -> str:
        if url.startswith(POSTGRESQL_SCHEMES):
            return url
        if not url.startswith("sqlite:///"):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        if url.removeprefix("sqlite:///") in ("", ":memory:"):
            raise ValueError("must name a file; a database in memory would be lost with the process")
        return url

    @field_validator("auth_secret")
    @classmethod
    def _is_long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value().encode()) < SECRET_BYTES:
            raise ValueError(f"must have at least {SECRET_BYTES} bytes")
        return secret

    @field_validator("metrics_token")
    @classmethod
    def _is_no_guess(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and len(token.get_secret_value().encode()) < METRICS_TOKEN_BYTES:
            raise ValueError(f"must have at least {METRICS_TOKEN_BYTES} bytes")
        return token

    @field_validator("retention_every")
    @classmethod
    def _is_a_duration(cls, text: str) -> str:
        if text not in _NEVER and duration_s(text) is None:
            raise ValueError("must be a number followed by s, m, h or d, such as 24h, or 0 for never")
        return text

    @field_validator("auth_jwks")
    @classmethod
    def _cannot_be_forged_on_the_way(cls, source: str | None) -> str | None:
        if source and source.startswith("http://") and not is_loopback(urlsplit(source).hostname or ""):
            raise ValueError("must begin with https:// unless it is on this machine")
        return source

    @field_validator("embeddings_url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        try:
            parts = urlsplit(url or "")
            is_one = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_one = False
        if url is not None and not is_one:
            raise ValueError("must begin with https:// or http:// and name a server")
        return url

    @field_validator("embeddings_key")
    @classmethod
    def _fits_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not all("!" <= character <= "~" for character in key.get_secret_value()):
            raise ValueError("must hold visible ASCII characters only")
        return key

    @model_validator(mode="after")
    def _can_reach_a_model(self) -> Self:
        if self.embeddings_model is None:
            if self.embeddings_url is not None:
                raise PydanticCustomError("embeddings_model", "must be set where MNESIS_EMBEDDINGS_URL is")
        elif self.embeddings_key is not None and self.embeddings_url is not None:
            parts = urlsplit(self.embeddings_url)
            if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
                raise PydanticCustomError(
                    "embeddings_url", "must begin with https:// where there is a key, unless it is on this machine"
                )
        return self

    @field_validator("cors_origins", "facades", "metrics_operations", "trusted_documents", mode="before")
    @classmethod
    def _split(cls, listed: Any) -> Any:
        if not isinstance(listed, str):
            return listed
        return tuple(each.strip() for each in listed.split(",") if each.strip())

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = urlsplit(origin)
            if origin != "*" and (origin != f"{parts.scheme}://{parts.netloc}" or not parts.netloc):
                raise ValueError("must hold origins such as https://app.example.com, without a path")
        return origins

    @field_validator("facades")
    @classmethod
    def _are_facades(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in FACADES:
                raise ValueError(f"must hold names of façades that there are ({', '.join(FACADES)}), not {name}")
        return tuple(dict.fromkeys(names))

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a SQLite file."""
        return self.database_url.startswith("sqlite:")

    @property
    def sqlite_path(self) -> Path:
        """The SQLite database's file; only of use where `is_sqlite`."""
        return Path(self.database_url.removeprefix("sqlite:///"))

    @property
    def retention_every_s(self) -> int:
        """Seconds between two runs of retention; 0 for never."""
        return duration_s(self.retention_every) or 0

    @property
    def is_authenticated(self) -> bool:
        """Whether callers have to prove who they are."""
        return self.auth_secret is not None or self.auth_jwks is not None

    @property
    def embeds(self) -> bool:
        """Whether there is an embedding model."""
        return self.embeddings_model is not None

    @property
    def is_local(self) -> bool:
        """Whether the server can be reached from this machine only."""
        return is_loopback(self.host)

    def shown_database(self) -> str:
        """The database's address without credentials, for people to read."""
        if self.is_sqlite:
            return f"SQLite at {self.sqlite_path}"
        parts = urlsplit(self.database_url)
        server = parts.netloc.rpartition("@")[2]
        database = f"PostgreSQL database {parts.path.removeprefix('/')}"
        return f"{database} at {server}" if server else database

    def limits(self) -> Limits:
        """The limits in the domain's words."""
        return Limits(
            commands=self.limit_commands,
            text_bytes=self.limit_text_bytes,
            messages=self.limit_messages,
            memory_bytes=self.limit_memory_bytes,
            json_bytes=self.limit_json_bytes,
            json_levels=self.limit_json_levels,
            request_bytes=self.limit_request_bytes,
            page_nodes=self.limit_page_nodes,
            queued_changes=self.limit_queued_changes,
            socket_operations=self.limit_socket_operations,
            batch_operations=self.limit_batch_operations,
            search_candidates=self.search_candidates,
            search_vectors=self.search_vectors,
        )

    def operation_limits(self) -> OperationLimits:
        """The limits on operations in the domain's words."""
        return OperationLimits(
            characters=self.limit_document_characters,
            tokens=self.limit_tokens,
            depth=self.limit_depth,
            aliases=self.limit_aliases,
            directives=self.limit_directives,
            selections=self.limit_selections,
            cost=self.limit_cost,
            operations=self.limit_operations,
            subscriptions=self.limit_subscriptions,
            query_s=self.query_timeout_s,
            mutation_s=self.mutation_timeout_s,
        )


def duration_s(text: str) -> int | None:
    """Seconds of a number followed by s, m, h or d; None where the text is something else."""
    match = re.fullmatch(r"([1-9]\d{0,8})([smhd])", text)
    return int(match[1]) * _SECONDS[match[2]] if match is not None else None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address or the name."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def unknown_variables() -> list[str]:
    """A sentence for every ``MNESIS_`` variable in the environment that no setting reads.

    Not an error: platforms that run containers put variables of their own beside ours.
    """
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    sentences = []
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            hint = f" Did you mean {close[0]}?" if close else ""
            sentences.append(f"{name} is not a setting and is ignored.{hint}")
    return sentences


def _sentence(location: tuple[int | str, ...], text: str) -> str:
    variable = f"{PREFIX}{location[0]}".upper()
    text = text.removeprefix("Value error, ").removeprefix("Input ").replace("should be", "must be")
    return f"{variable} {text[0].lower()}{text[1:].rstrip('.')}."
