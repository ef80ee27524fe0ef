"""The fields of a person in requests and answers."""

import datetime as dt
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, model_validator

from gateway.http.fields import ONE_LINE, Grade, Language, Name, QuietIn, SourcedId, Strict, Timezone, Until
from gateway.http.json_types import Flag
from shared.events.directory import Preference, QuietHours
from shared.events.values import Role
from shared.http.addresses import mail_address, phone_number

MemberRole = Literal["school_admin", "staff", "teacher", "guardian", "student"]
"""The roles of a school; platform administrators are not made by a school."""


class MembershipIn(Until):
    """A person's role at the school; only a student has a `grade`."""

    role: MemberRole
    grade: Grade | None = None


class MembershipOut(BaseModel):
    """A membership; over from the day `ends`."""

    school_id: UUID
    role: Role
    grade: str | None
    starts: dt.date | None
    ends: dt.date | None


class ContactIn(Strict):
    """An address. Several people may share one; a notification goes to it once."""

    kind: Literal["mail", "phone"]
    address: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=254, pattern=ONE_LINE)]

    @model_validator(mode="after")
    def written_right(self) -> Self:
        """Write the address as it is used; refuse one that no provider would accept."""
        self.address = mail_address(self.address) if self.kind == "mail" else phone_number(self.address)
        return self


class PersonIn(Strict):
    """A new person and their roles at the school."""

    sourced_id: SourcedId | None = None
    given_name: Name
    family_name: Name
    language: Language | None = None
    timezone: Timezone | None = None
    quiet: QuietIn | None = None
    memberships: list[MembershipIn] = Field(min_length=1, max_length=5)
    contacts: list[ContactIn] = Field(default=[], max_length=20)

    @model_validator(mode="after")
    def each_role_once(self) -> Self:
        """Two memberships of one role would be a guess."""
        if len({m.role for m in self.memberships}) < len(self.memberships):
            msg = "lists a role twice"
            raise ValueError(msg)
        return self


class PersonChange(Strict):
    """A change of a person; each field may be left out. A person who is not `active` is not notified by any school."""

    given_name: Name | None = None
    family_name: Name | None = None
    language: Language | None = None
    timezone: Timezone | None = None
    active: Flag | None = None

    @model_validator(mode="after")
    def something(self) -> Self:
        """Accept null for language and timezone: then the school's apply."""
        bare = self.model_fields_set - {"language", "timezone"}
        if not self.model_fields_set or any(getattr(self, name) is None for name in bare):
            msg = "name at least one field; names and active cannot be null"
            raise ValueError(msg)
        return self


class ContactsIn(Strict):
    """All addresses of a person; others are deleted."""

    contacts: list[ContactIn] = Field(max_length=20)


class PersonOut(BaseModel):
    """A person as staff see them; `version` is the ETag."""

    id: UUID
    sourced_id: str | None
    given_name: str
    family_name: str
    language: str | None
    timezone: str | None
    active: bool
    quiet: QuietHours | None
    memberships: list[MembershipOut]
    contacts: list[ContactIn]
    version: int


class PersonWhole(PersonOut):
    """One person with their choices."""

    preferences: list[Preference]


class PeoplePage(BaseModel):
    """By id; pass `next` as `after` to go on."""

    items: list[PersonOut]
    next: UUID | None
