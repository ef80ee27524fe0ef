"""Why a file is not read: a code for programs and a sentence for people."""

from typing import Literal

from shared.errors import SchoolConnectError

Code = Literal[
    "empty",
    "corrupt",
    "type_mismatch",
    "type_not_allowed",
    "too_large",
    "bomb",
    "too_many_pages",
    "too_many_frames",
    "encrypted",
    "active_content",
    "embedded_file",
    "malware",
    "timeout",
    "unsupported_form",
]


class Refused(SchoolConnectError):
    """The file is not read. The message says what the sender can do about it."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code: Code = code
        self.message = message
