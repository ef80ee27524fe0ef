"""The audience of a send, as a request names it."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gateway.http.fields import Grade
from gateway.http.json_types import Flag
from shared.events import Audience
from shared.events.values import Responsibility, Role
from shared.http.fields import NO_NUL

PEOPLE_LIMIT = 10_000

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=NO_NUL)]


class AudienceIn(BaseModel):
    """Exactly one of `people`, `grade`, `school`, `classes` and `students`.

    Guardians are those of the students meant, with the `responsibility` asked for; a guardian of several
    children is notified once.
    """

    model_config = ConfigDict(extra="forbid")

    people: list[UUID] | None = Field(default=None, min_length=1, max_length=PEOPLE_LIMIT)
    grade: Grade | None = None
    school: Flag = False
    classes: list[UUID] | None = Field(default=None, min_length=1, max_length=500)
    students: list[UUID] | None = Field(default=None, min_length=1, max_length=PEOPLE_LIMIT)
    roles: list[Role] = Field(default=["guardian"], min_length=1)
    responsibility: Responsibility = "any"

    @model_validator(mode="after")
    def one_of_them(self) -> Self:
        """Refuse an audience that names no people, or two kinds of people."""
        named = (self.people, self.grade, self.school or None, self.classes, self.students)
        if sum(each is not None for each in named) != 1:
            msg = "name exactly one of people, grade, school, classes and students"
            raise ValueError(msg)
        return self


def audience_of(body: AudienceIn) -> Audience:
    """Return the audience of the event, with each person named once."""
    return Audience(
        people=tuple(dict.fromkeys(body.people)) if body.people else None,
        grade=body.grade,
        school=body.school,
        classes=tuple(dict.fromkeys(body.classes)) if body.classes else None,
        students=tuple(dict.fromkeys(body.students)) if body.students else None,
        roles=tuple(body.roles),
        responsibility=body.responsibility,
    )
