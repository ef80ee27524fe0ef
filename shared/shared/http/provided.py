"""Provides objects of `build` to the routes: one object of each type per application.

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
    """A FastAPI dependency: the application's object of a type. Raises LookupError if `build` provides none."""

    kind: type[T]

    async def __call__(self, request: Request) -> T:
        """Return the object for a route."""
        return self.by(request.app)

    def by(self, app: FastAPI) -> T:
        """Return the object of an application."""
        found: T = app.state.provided[self.kind]
        return found


def provide(app: FastAPI, objects: Iterable[Any]) -> None:
    """Provide objects to the routes of an application, each under its type."""
    app.state.provided = {type(each): each for each in objects}
