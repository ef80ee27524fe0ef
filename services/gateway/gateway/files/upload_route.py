"""The kind of route that takes files: its body may be as large as a file, and goes to a temporary file on the way."""

from fastapi import Request, Response

from gateway.http.body_limit import BodyLimit
from gateway.http.guarded_route import Handler, UploadRoute
from shared.http.provided import Provided

FORM_BYTES = 64 * 1024
"""What a form may have besides its file."""


class FileBodyLimit(BodyLimit):
    """The limit of a body with a file."""

    def __init__(self, file_bytes: int) -> None:
        super().__init__(file_bytes + FORM_BYTES)


FILE_BODY_LIMIT = Provided(FileBodyLimit)


class FileUploadRoute(UploadRoute):
    """A route with a file in its body."""

    def get_admitted_handler(self) -> Handler:
        """Limit the body of an admitted request before it is read."""
        handler = super().get_admitted_handler()

        async def handle(request: Request) -> Response:
            return await handler(FILE_BODY_LIMIT.by(request.app).applied(request))

        return handle
