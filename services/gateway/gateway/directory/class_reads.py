"""Answers about classes and enrolments, and the statements that select them."""

from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import Text
from sqlmodel import col, select

from gateway.tables import EnrolmentRow, EnrolmentShown, SchoolClassRow, SchoolClassShown
from shared.persistence.query import Query, given, showing


class ClassRead(SchoolClassShown):
    """A class as it is stored: fields from a roster may be longer than a request may have."""

    id: UUID


class Enrolment(EnrolmentShown):
    """A person in a class."""

    over: bool


class EnrolmentPage(BaseModel):
    """By person; pass `next` as `after` to go on."""

    items: list[Enrolment]
    next: UUID | None


OF_PERSON = select(EnrolmentRow.class_id).where(
    col(EnrolmentRow.person_id) == given("person"), EnrolmentRow.school_id == given("school"), ~col(EnrolmentRow.lapsed)
)
LIST_CLASSES = Query(
    ClassRead,
    showing(ClassRead, SchoolClassRow, id=SchoolClassRow.class_id)
    .where(col(SchoolClassRow.school_id) == given("school"))
    .order_by(col(SchoolClassRow.class_id))
    .limit(given("limit")),
    id=col(SchoolClassRow.class_id) == given("id"),
    grade=given("grade", Text) == col(SchoolClassRow.grades).any_(),
    kind=col(SchoolClassRow.kind) == given("kind"),
    active=col(SchoolClassRow.active) == given("active"),
    person=col(SchoolClassRow.class_id).in_(OF_PERSON),
    after=col(SchoolClassRow.class_id) > given("after"),
)
"""Classes of a school, by id."""
LIST_ENROLMENTS = Query(
    Enrolment,
    showing(Enrolment, EnrolmentRow, over=EnrolmentRow.lapsed)
    .where(col(EnrolmentRow.class_id) == given("class_id"), col(EnrolmentRow.school_id) == given("school"))
    .order_by(col(EnrolmentRow.person_id), col(EnrolmentRow.role))
    .limit(given("limit")),
    role=col(EnrolmentRow.role) == given("role"),
    over=col(EnrolmentRow.lapsed) == given("over"),
    after=col(EnrolmentRow.person_id) > given("after"),
)
"""People in a class, by person."""
