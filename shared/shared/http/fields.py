"""Fields that the gateway and a service behind it check: one must not accept what the other refuses."""

from typing import Annotated, Literal

from pydantic import StringConstraints

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL's texts hold no NUL: accepted by the gateway, it would only fail in a later service."""

TemplateName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
VariableValue = Annotated[str, StringConstraints(max_length=1000, pattern=NO_NUL)]
MailAddress = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")
]
ReportedReason = Literal["bounced", "complained"]
"""Why a school reports an address that must not be used again."""
ReportDetail = Annotated[str, StringConstraints(max_length=200, pattern=NO_NUL)]
SuppressionReason = Literal["bounced", "complained", "unsubscribed"]
