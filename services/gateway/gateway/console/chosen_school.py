"""The school of a page that is about one: an administrator of the group chooses it first."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from gateway.console.page import ReaderPage
from gateway.problems import Problem
from gateway.security.audit import Audited


async def _chosen_school(page: ReaderPage, audited: Audited) -> UUID:
    """Return the school; 400 `school_needed`, which the console answers with the list of schools."""
    if page.school is None:
        raise Problem(400, "school_needed")
    audited.school = page.school
    return page.school


ChosenSchool = Annotated[UUID, Depends(_chosen_school)]
