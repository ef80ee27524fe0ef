"""Who uploads, sees and reviews files: the staff of a school, and guardians their own receipts (decision 0030)."""

from uuid import UUID

from gateway.problems import Problem
from gateway.security.access_control import OFFICE, STAFF
from gateway.security.caller import Caller
from shared.events.files import FileKind
from shared.events.values import Role

UPLOADERS: frozenset[Role] = STAFF | {"guardian"}
"""Roles that may upload; guardians only receipts."""


def check_upload(caller: Caller, kind: FileKind, student: UUID | None) -> None:
    """Refuse with 403 what a guardian may not upload."""
    if caller.role != "guardian":
        return
    if caller.person is None:
        raise Problem(403, "forbidden", "This token does not belong to a person.")
    if kind != "payment_receipt" or student is None:
        raise Problem(403, "forbidden", "Guardians may only upload receipts of payments, and must name the student.")


def may_review(caller: Caller, kind: FileKind) -> bool:
    """Whether the caller's role may confirm what files of this kind say."""
    return caller.role in (OFFICE if kind == "payment_receipt" else STAFF)


def check_review(caller: Caller, kind: FileKind) -> None:
    """Refuse with 403 a review by a role that may not record what files of this kind say."""
    if not may_review(caller, kind):
        raise Problem(403, "forbidden", "Receipts are reviewed by the office and administrators of the school.")


def sees(caller: Caller, uploaded_by: UUID | None) -> bool:
    """Whether the caller may see a file of the school: guardians see what they uploaded themselves."""
    return caller.role in STAFF or (caller.person is not None and caller.person == uploaded_by)
