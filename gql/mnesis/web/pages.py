"""The pages that are shipped with the server, built by vite: one document each, and the files it loads.

The files' names hold a hash of what is in them, so a browser may keep them for good.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_BUILT = Path(__file__).parent / "built"
_FOR_GOOD = "public, max-age=31536000, immutable"
_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        # The editor sets styles as it goes, and carries its fonts in its style sheet.
        "style-src 'self' 'unsafe-inline'",
        "font-src 'self' data:",
        "img-src 'self' data:",
        "worker-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)


class _HashedFiles(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code in (200, 304):
            response.headers["Cache-Control"] = _FOR_GOOD
        return response


def page_routes(name: str, *, address: str) -> list[BaseRoute]:
    """Serves the page ``name`` at ``address``, and its files in the folder ``/<name>/``."""
    folder = _BUILT / name

    async def show(request: Request) -> Response:
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
        return FileResponse(folder / "index.html", headers=headers)

    return [Route(address, show, methods=["GET"]), Mount(f"/{name}", _HashedFiles(directory=folder / name))]
