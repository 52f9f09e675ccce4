"""Who gets in, and what the others are told."""

import asyncio
import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from mnesis.domain.caller import Caller, Scope
from mnesis.web.authentication import LocalAuthenticator, TokenAuthenticator, Unauthenticated
from mnesis.web.keys import JwksAddress, JwksFile, KeysUnavailable, SharedSecret, read_jwks
from mnesis.web.tokens import issue_token

SECRET = "a secret of at least thirty-two bytes"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def jwk(private_key: Any, **members: str) -> dict[str, Any]:
    """The public part of a key as a JWKS lists it."""
    algorithms: dict[type, Any] = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    algorithm = next((found for kind, found in algorithms.items() if isinstance(private_key, kind)), OKPAlgorithm)
    return {**json.loads(algorithm.to_jwk(private_key.public_key())), **members}


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    made = {"sub": "ada", "tenant": "acme", "scope": "memory:read", "exp": int(time.time()) + 60, **changes}
    return {name: value for name, value in made.items() if value is not None}


def token(key: Any = SECRET, algorithm: str = "HS256", kid: str | None = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def authenticate(authenticator: TokenAuthenticator, bearer: str) -> Caller:
    return asyncio.run(authenticator.authenticate(f"Bearer {bearer}"))


def refusal(authenticator: TokenAuthenticator, authorization: str | None) -> str:
    with pytest.raises(Unauthenticated) as refused:
        asyncio.run(authenticator.authenticate(authorization))
    return refused.value.message


@pytest.fixture
def by_secret() -> TokenAuthenticator:
    return TokenAuthenticator([SharedSecret(SECRET)])


@pytest.fixture
def by_file(tmp_path: Path) -> TokenAuthenticator:
    path = tmp_path / "jwks.json"
    path.write_bytes(jwks(jwk(RSA_KEY, kid="rsa"), jwk(EC_KEY, kid="ec"), jwk(ED_KEY, kid="ed")))
    return TokenAuthenticator([JwksFile(path)])


def test_a_valid_token_says_who_calls(by_secret: TokenAuthenticator) -> None:
    caller = authenticate(by_secret, token(scope="memory:write openid"))
    assert caller == Caller(tenant="acme", subject="ada", scopes=frozenset({Scope.WRITE}))


def test_scopes_may_come_as_a_list(by_secret: TokenAuthenticator) -> None:
    caller = authenticate(by_secret, token(scope=["memory:read", "memory:admin"]))
    assert caller.scopes == {Scope.READ, Scope.ADMIN}


@pytest.mark.parametrize("scope", [None, 7, "", "memory:everything", {"memory:admin": True}])
def test_a_token_without_a_scope_of_ours_may_do_nothing(by_secret: TokenAuthenticator, scope: object) -> None:
    assert authenticate(by_secret, token(scope=scope)).scopes == frozenset()


def test_a_token_that_we_issue_is_accepted() -> None:
    issued = issue_token(
        secret=SECRET,
        tenant="acme",
        subject="ada",
        scopes=[Scope.ADMIN],
        expires_in_s=60,
        tenant_claim="org",
        issuer="https://issuer.example",
        audience="mnesis",
    )
    authenticator = TokenAuthenticator(
        [SharedSecret(SECRET)], tenant_claim="org", issuer="https://issuer.example", audience="mnesis"
    )
    assert authenticate(authenticator, issued) == Caller(tenant="acme", subject="ada", scopes=frozenset({Scope.ADMIN}))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"exp": 1}, "The token has expired."),
        ({"exp": None}, "The token has no exp claim."),
        ({"nbf": int(time.time()) + 3600}, "The token is not valid yet."),
        ({"sub": None}, "The token has no sub claim."),
        ({"tenant": None}, "The token has no tenant claim."),
        ({"tenant": ""}, "The token's tenant claim must be a string of 1 to 200 printable characters."),
        ({"tenant": ["acme"]}, "The token's tenant claim must be a string of 1 to 200 printable characters."),
        ({"tenant": "a" * 201}, "The token's tenant claim must be a string of 1 to 200 printable characters."),
        ({"tenant": "a\0b"}, "The token's tenant claim must be a string of 1 to 200 printable characters."),
        ({"sub": ""}, "The token's sub claim must be a string of 1 to 200 printable characters."),
    ],
)
def test_a_claim_that_does_not_hold_is_named(by_secret: TokenAuthenticator, changes: dict[str, Any], told: str) -> None:
    assert refusal(by_secret, f"Bearer {token(**changes)}") == told


def test_a_subject_must_be_a_string(by_secret: TokenAuthenticator) -> None:
    body = base64.urlsafe_b64encode(json.dumps(claims(sub=7)).encode()).rstrip(b"=")
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = base64.urlsafe_b64encode(algorithm.sign(head + b"." + body, SECRET.encode())).rstrip(b"=")
    made = b".".join([head, body, signature]).decode()
    assert refusal(by_secret, f"Bearer {made}") == "The token's sub claim must be a string."


def test_a_token_expires_only_after_the_leeway(by_secret: TokenAuthenticator) -> None:
    assert authenticate(by_secret, token(exp=int(time.time()) - 2)).subject == "ada"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"iss": "https://issuer.example"}, "The token has no aud claim."),
        ({"iss": "https://issuer.example", "aud": "another"}, "The token is meant for another audience."),
        ({"aud": ["mnesis"]}, "The token has no iss claim."),
        ({"aud": "mnesis", "iss": "https://evil.example"}, "The token comes from another issuer."),
    ],
)
def test_audience_and_issuer_are_checked_when_set(changes: dict[str, Any], told: str) -> None:
    authenticator = TokenAuthenticator([SharedSecret(SECRET)], issuer="https://issuer.example", audience="mnesis")
    assert refusal(authenticator, f"Bearer {token(**changes)}") == told


@pytest.mark.parametrize(
    ("authorization", "told"),
    [
        (None, "This needs credentials: send the header Authorization: Bearer <token>."),
        ("", "This needs credentials: send the header Authorization: Bearer <token>."),
        ("Basic YWRhOmFkYQ==", "The Authorization header must be of the form: Bearer <token>."),
        ("Bearer", "The Authorization header must be of the form: Bearer <token>."),
        ("Bearer not-a-token", "The token is malformed."),
        ("Bearer a.b.c", "The token is malformed."),
        ("Bearer " + "a" * 20_000, "The token is too long."),
    ],
)
def test_credentials_of_another_form_are_refused(
    by_secret: TokenAuthenticator, authorization: str | None, told: str
) -> None:
    assert refusal(by_secret, authorization) == told


def test_the_scheme_may_be_written_in_any_case(by_secret: TokenAuthenticator) -> None:
    assert asyncio.run(by_secret.authenticate(f"bearer {token()}")).tenant == "acme"


def test_a_token_signed_with_another_secret_is_refused(by_secret: TokenAuthenticator) -> None:
    told = refusal(by_secret, f"Bearer {token('another secret, as long as the first one')}")
    assert told == "No known key made the token's signature."


def test_an_unsigned_token_is_refused(by_secret: TokenAuthenticator, by_file: TokenAuthenticator) -> None:
    unsigned = jwt.encode(claims(), "", algorithm="none")
    for authenticator in (by_secret, by_file):
        assert refusal(authenticator, f"Bearer {unsigned}") == "No known key made the token's signature."


def test_a_public_key_is_never_taken_for_a_shared_secret(by_file: TokenAuthenticator) -> None:
    pem = RSA_KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT","kid":"rsa"}').rstrip(b"=")
    body = base64.urlsafe_b64encode(json.dumps(claims()).encode()).rstrip(b"=")
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = base64.urlsafe_b64encode(algorithm.sign(head + b"." + body, pem)).rstrip(b"=")
    forged = b".".join([head, body, signature]).decode()
    assert refusal(by_file, f"Bearer {forged}") == "No known key made the token's signature."


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [(RSA_KEY, "RS256", "rsa"), (EC_KEY, "ES256", "ec"), (ED_KEY, "EdDSA", "ed"), (EC_KEY, "ES256", None)],
)
def test_public_keys_in_a_file_verify_tokens(
    by_file: TokenAuthenticator, key: Any, algorithm: str, kid: str | None
) -> None:
    assert authenticate(by_file, token(key, algorithm, kid)).tenant == "acme"


def test_a_key_is_used_with_its_own_algorithm_only(by_file: TokenAuthenticator) -> None:
    made = token(RSA_KEY, "RS512", "rsa")
    assert refusal(by_file, f"Bearer {made}") == "No known key made the token's signature."


def test_a_token_that_names_an_unknown_key_is_refused(by_file: TokenAuthenticator) -> None:
    made = token(RSA_KEY, "RS256", "unknown")
    assert refusal(by_file, f"Bearer {made}") == "No known key made the token's signature."


def test_a_secret_and_public_keys_may_stand_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(jwks(jwk(EC_KEY, kid="ec")))
    both = TokenAuthenticator([JwksFile(path), SharedSecret(SECRET)])
    assert authenticate(both, token()).tenant == "acme"
    assert authenticate(both, token(EC_KEY, "ES256", "ec")).tenant == "acme"


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(jwks(jwk(RSA_KEY, kid="old")))
    authenticator = TokenAuthenticator([JwksFile(path)])
    path.write_bytes(jwks(jwk(OTHER_RSA_KEY, kid="new")))
    assert authenticate(authenticator, token(OTHER_RSA_KEY, "RS256", "new")).tenant == "acme"
    assert refusal(authenticator, f"Bearer {token(RSA_KEY, 'RS256', 'old')}")


def test_a_file_that_breaks_leaves_the_old_keys_in_use(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(jwks(jwk(RSA_KEY, kid="rsa")))
    authenticator = TokenAuthenticator([JwksFile(path)])
    path.write_text("{")
    assert authenticate(authenticator, token(RSA_KEY, "RS256", "rsa")).tenant == "acme"
    path.unlink()
    assert authenticate(authenticator, token(RSA_KEY, "RS256", "rsa")).tenant == "acme"


def test_a_file_without_a_usable_key_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    with pytest.raises(KeysUnavailable, match="there is no such file"):
        JwksFile(path)
    path.write_text("{")
    with pytest.raises(KeysUnavailable, match="it is not JSON"):
        JwksFile(path)


def test_keys_that_cannot_verify_signatures_are_passed_over() -> None:
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    usable = jwk(RSA_KEY, kid="rsa")
    document = jwks(
        {"kty": "oct", "k": base64.urlsafe_b64encode(SECRET.encode()).decode(), "kid": "public secret"},
        jwk(OTHER_RSA_KEY, kid="for encryption", use="enc"),
        jwk(OTHER_RSA_KEY, kid="no such algorithm", alg="XS256"),
        jwk(small, kid="small"),
        {"kty": "RSA"},
        {"kid": "of no kind"},
        usable,
    )
    assert [key.key_id for key in read_jwks(document)] == ["rsa"]
    with pytest.raises(ValueError, match="no public key"):
        read_jwks(jwks())
    with pytest.raises(ValueError, match="no JSON Web Key Set"):
        read_jwks(b"[]")


def test_a_local_server_takes_everybody_for_the_person_at_the_machine() -> None:
    caller = asyncio.run(LocalAuthenticator().authenticate(None))
    assert (caller.tenant, caller.subject) == ("default", "local")
    assert caller.may(Scope.ADMIN)


class Issuer:
    """An issuer on the loopback address whose keys a test can change."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.document = jwks(jwk(RSA_KEY, kid="one"))
        self.status = 200
        self.headers: dict[str, str] = {}
        self.requests = 0


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuing.requests += 1
            self.send_response(issuing.status)
            for name, value in issuing.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(issuing.document)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuing = Issuer(f"http://127.0.0.1:{server.server_port}/jwks.json")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield issuing
        server.shutdown()
        thread.join()


@pytest.fixture
def ask(issuer: Issuer) -> Iterator[Callable[..., Caller]]:
    """Authenticates with the issuer's keys; every call happens in the same event loop, as in a server."""
    authenticators: dict[tuple[float, float], TokenAuthenticator] = {}
    with asyncio.Runner() as runner:

        def call(bearer: str, *, lifespan_s: float = 300, interval_s: float = 0) -> Caller:
            authenticator = authenticators.setdefault(
                (lifespan_s, interval_s),
                TokenAuthenticator([JwksAddress(issuer.url, lifespan_s=lifespan_s, interval_s=interval_s)]),
            )
            return runner.run(authenticator.authenticate(f"Bearer {bearer}"))

        yield call


def test_public_keys_at_an_address_are_fetched_once(issuer: Issuer, ask: Callable[..., Caller]) -> None:
    for _ in range(3):
        assert ask(token(RSA_KEY, "RS256", "one")).tenant == "acme"
    assert issuer.requests == 1


def test_a_new_key_is_fetched_when_a_token_names_it(issuer: Issuer, ask: Callable[..., Caller]) -> None:
    ask(token(RSA_KEY, "RS256", "one"))
    issuer.document = jwks(jwk(OTHER_RSA_KEY, kid="two"))
    assert ask(token(OTHER_RSA_KEY, "RS256", "two")).tenant == "acme"
    with pytest.raises(Unauthenticated):
        ask(token(RSA_KEY, "RS256", "one"))


def test_tokens_with_unknown_keys_do_not_flood_the_issuer(issuer: Issuer, ask: Callable[..., Caller]) -> None:
    for number in range(5):
        with pytest.raises(Unauthenticated):
            ask(token(RSA_KEY, "RS256", f"unknown {number}"), interval_s=60)
    assert issuer.requests == 1


def test_an_outage_of_the_issuer_leaves_the_old_keys_in_use(issuer: Issuer, ask: Callable[..., Caller]) -> None:
    ask(token(RSA_KEY, "RS256", "one"), lifespan_s=0)
    issuer.status = 500
    for _ in range(3):
        assert ask(token(RSA_KEY, "RS256", "one"), lifespan_s=0).tenant == "acme"
        time.sleep(0.01)


def test_keys_are_renewed_in_the_background_when_they_are_old(issuer: Issuer, ask: Callable[..., Caller]) -> None:
    ask(token(RSA_KEY, "RS256", "one"), lifespan_s=0)
    issuer.document = jwks(jwk(OTHER_RSA_KEY, kid="two"))
    deadline = time.monotonic() + 10
    with pytest.raises(Unauthenticated):  # noqa: PT012  # How many calls it takes is left open.
        while time.monotonic() < deadline:
            ask(token(RSA_KEY, "RS256", "one"), lifespan_s=0)
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("status", "headers", "document"),
    [
        (500, {}, b""),
        (200, {}, b"<html>"),
        (302, {"Location": "/elsewhere"}, b""),
        (200, {}, b" " * (1024 * 1024 + 1)),
        (200, {"Content-Length": "100"}, b"{}"),
    ],
    ids=["failing", "not JSON", "redirecting", "too large", "cut short"],
)
def test_without_any_key_nothing_is_said_about_a_token(
    issuer: Issuer, ask: Callable[..., Caller], status: int, headers: dict[str, str], document: bytes
) -> None:
    issuer.status, issuer.headers, issuer.document = status, headers, document
    with pytest.raises(KeysUnavailable):
        ask(token(RSA_KEY, "RS256", "one"))
    assert issuer.requests == 1


def test_a_caller_knows_when_its_token_ends() -> None:
    authenticator = TokenAuthenticator([SharedSecret(SECRET)])
    ends = int(time.time()) + 60
    assert authenticate(authenticator, token(exp=ends)).expires_at == datetime.fromtimestamp(ends, UTC)


@pytest.mark.parametrize("beyond", [10**12, 10**30])
def test_a_token_that_outlasts_the_calendar_never_ends(beyond: int) -> None:
    authenticator = TokenAuthenticator([SharedSecret(SECRET)])
    assert authenticate(authenticator, token(exp=beyond)).expires_at is None


def test_nobody_outlasts_a_server_that_knows_no_callers() -> None:
    assert asyncio.run(LocalAuthenticator().authenticate(None)).expires_at is None
