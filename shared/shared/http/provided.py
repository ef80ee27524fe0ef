"""What `build` provides to the routes: one object of each type, for one application.

service.provide(hub)                             # in build
Live = Annotated[Hub, Depends(Provided(Hub))]    # beside the routes
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import FastAPI, Request

T = TypeVar("T")


@dataclass(frozen=True)
class Provided(Generic[T]):
    """A dependency of FastAPI: the application's object of a type. Raises LookupError when `build` provides none."""

    kind: type[T]

    async def __call__(self, request: Request) -> T:
        """The object, for a route."""
        return self.by(request.app)

    def by(self, app: FastAPI) -> T:
        """The object that an application provides."""
        found: T = app.state.provided[self.kind]
        return found


def provide(app: FastAPI, objects: Iterable[Any]) -> None:
    """Give objects to the routes of an application, each under its own type."""
    app.state.provided = {type(each): each for each in objects}
