"""The limit of a form with a roster in it; the API's route counts the bytes of its body itself."""

from gateway.http.body_limit import BodyLimit
from shared.http.provided import Provided

FORM_BYTES = 64 * 1024
"""What a form may have besides its roster."""


class RosterBodyLimit(BodyLimit):
    """The limit of a body with a roster."""

    def __init__(self, roster_bytes: int) -> None:
        super().__init__(roster_bytes + FORM_BYTES)


ROSTER_BODY_LIMIT = Provided(RosterBodyLimit)
