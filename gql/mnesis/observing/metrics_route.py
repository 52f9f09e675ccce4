"""Where Prometheus reads the metrics."""

import hmac

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mnesis.observing.metrics import Metrics
from mnesis.web.answers import error_answer
from mnesis.web.routes import METRICS

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="mnesis metrics"'}


def metrics_route(metrics: Metrics, *, token: str | None) -> Route:
    """``token`` is what a reader has to bear. It is no caller's: metrics are about all tenants together."""
    expected = f"Bearer {token}".encode() if token is not None else None

    async def show_metrics(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode("latin-1")
        if expected is not None and not hmac.compare_digest(given, expected):
            return error_answer(401, "Metrics need the token MNESIS_METRICS_TOKEN.", headers=_CHALLENGE)
        return Response(metrics.page(), headers={"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE_LATEST})

    return Route(METRICS, show_metrics, methods=["GET"])
