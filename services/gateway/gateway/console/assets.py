"""Style and script of the console. Their addresses hold a digest of their content, so that browsers keep them."""

from hashlib import sha256
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parent / "static"
ADDRESS = "/assets/console"
YEAR = 31_536_000


def _address(name: str) -> str:
    return f"{ADDRESS}/{name}?v={sha256((FOLDER / name).read_bytes()).hexdigest()[:12]}"


ADDRESSES = {name: _address(name) for name in ("console.css", "console.js", "upload.js", "icon.svg")}


class Assets(StaticFiles):
    """Files that a browser may keep for a year."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable"
        return response
