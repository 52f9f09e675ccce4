"""The keys that verify tokens: a shared secret, or public keys from a JWKS file or address (RFC 7517)."""

import asyncio
import http.client
import logging
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import jwt
import orjson

from mnesis import __version__

PUBLIC_KEY_ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
RSA_BITS = 2048
DOCUMENT_BYTES = 1024 * 1024

_log = logging.getLogger(__name__)


class KeysUnavailable(Exception):
    """No key could be read so far, so nothing can be said about a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationKey:
    """A key with the only algorithm it may be used for. ``key_id`` is None where the source names none."""

    key_id: str | None
    algorithm: str
    material: Any  # Whatever PyJWT takes for this algorithm; nobody else looks inside.


class KeySource(Protocol):
    """Where keys come from."""

    async def keys(self, key_id: str | None) -> Sequence[VerificationKey]:
        """The keys that may have signed a token which names this key, or names none.

        Raises `KeysUnavailable`.
        """
        ...


class SharedSecret:
    """One HS256 secret, known to the issuer and to this server. It has no id: it is tried for every token."""

    def __init__(self, secret: str) -> None:
        self._keys = (VerificationKey(key_id=None, algorithm="HS256", material=secret.encode()),)

    async def keys(self, key_id: str | None) -> Sequence[VerificationKey]:
        return self._keys


class JwksFile:
    """The public keys in a file, read again whenever the file has changed."""

    def __init__(self, path: Path) -> None:
        """Reads the file. Raises `KeysUnavailable` if there is none, or no key that can be used in it."""
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: tuple[VerificationKey, ...] = ()
        try:
            self._seen = self._mark()
            self._keys = read_jwks(path.read_bytes())
        except (OSError, ValueError) as error:
            raise KeysUnavailable(f"{path} cannot be used: {_told(error)}") from None

    async def keys(self, key_id: str | None) -> Sequence[VerificationKey]:
        # Asking for the time of a local file takes microseconds, less than handing the question to a thread.
        try:
            seen = self._mark()
            if seen != self._seen:
                self._seen = seen
                self._keys = read_jwks(self._path.read_bytes())
        except (OSError, ValueError) as error:
            _log.warning("The keys in %s cannot be read, the old ones stay in use: %s", self._path, _told(error))
        return named(self._keys, key_id)

    def _mark(self) -> tuple[int, int, int]:
        status = self._path.stat()
        return (status.st_mtime_ns, status.st_size, status.st_ino)


class JwksAddress:
    """The public keys at an address, kept for ``lifespan_s`` and asked for again when a token names an unknown key.

    Whatever tokens arrive, the address is asked at most once in ``interval_s``. When it does not answer, the old
    keys stay in use: an outage of the issuer is none of ours.
    """

    def __init__(self, address: str, *, lifespan_s: float = 300, interval_s: float = 10, timeout_s: float = 5) -> None:
        self._address = address
        self._lifespan_s = lifespan_s
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._keys: tuple[VerificationKey, ...] = ()
        self._asked_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def keys(self, key_id: str | None) -> Sequence[VerificationKey]:
        found = named(self._keys, key_id)
        if not found:
            await self._refresh(self._interval_s)
            found = named(self._keys, key_id)
        elif time.monotonic() - self._asked_at > self._lifespan_s:
            # The keys at hand still serve this token, so its caller need not wait for new ones.
            self._start(self._lifespan_s)
        if not self._keys:
            raise KeysUnavailable(f"The keys at {self._address} could not be read.")
        return found

    async def _refresh(self, interval_s: float) -> None:
        fetching = self._start(interval_s)
        if fetching is not None:
            # One caller who goes away must not take the answer from the others who wait for it.
            await asyncio.shield(fetching)

    def _start(self, interval_s: float) -> "asyncio.Task[None] | None":
        """The fetch under way, a new one if the last began long enough ago, else None."""
        if self._fetching is None and time.monotonic() - self._asked_at > interval_s:
            self._asked_at = time.monotonic()
            self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        try:
            # urllib bounds each wait for bytes; the outer bound is for a server that sends them one by one.
            async with asyncio.timeout(2 * self._timeout_s):
                self._keys = read_jwks(await asyncio.to_thread(_download, self._address, self._timeout_s))
        except (OSError, ValueError, http.client.HTTPException) as error:
            kept = "the old ones stay in use" if self._keys else "tokens cannot be checked"
            _log.warning("The keys at %s cannot be read, %s: %s", self._address, kept, _told(error))
        finally:
            self._fetching = None


def read_jwks(document: bytes) -> tuple[VerificationKey, ...]:
    """The keys of a JWKS that verify signatures; others in it are passed over.

    Raises ValueError where there is none.
    """
    content = orjson.loads(document)
    listed = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise ValueError("it is no JSON Web Key Set")
    keys = tuple(key for key in map(_read_key, listed) if key is not None)
    if not keys:
        raise ValueError("it holds no public key that can be used")
    return keys


def named(keys: Sequence[VerificationKey], key_id: str | None) -> Sequence[VerificationKey]:
    """The keys that bear the name, and those without one; all of them where the token names none."""
    return [key for key in keys if key_id is None or key.key_id in (None, key_id)]


def _read_key(content: object) -> VerificationKey | None:
    if not isinstance(content, dict) or content.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK(content)
    except (jwt.PyJWTError, TypeError, ValueError, AttributeError):
        return None
    # A symmetric key in a public document is no secret.
    if key.algorithm_name not in PUBLIC_KEY_ALGORITHMS:
        return None
    if content["kty"] == "RSA" and key.key.key_size < RSA_BITS:
        return None
    return VerificationKey(key_id=key.key_id, algorithm=key.algorithm_name, material=key.key)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The operator named one address; another one, perhaps without TLS, must not take its place."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


def _download(address: str, timeout_s: float) -> bytes:
    request = urllib.request.Request(  # noqa: S310  # Settings admit https, and http on this machine.
        address, headers={"Accept": "application/json", "User-Agent": f"mnesis/{__version__}"}
    )
    with _opener.open(request, timeout=timeout_s) as answer:
        document: bytes = answer.read(DOCUMENT_BYTES + 1)
    if len(document) > DOCUMENT_BYTES:
        raise ValueError(f"it is larger than {DOCUMENT_BYTES} bytes")
    return document


def _told(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, orjson.JSONDecodeError):
        return "it is not JSON"
    return str(error) or type(error).__name__
