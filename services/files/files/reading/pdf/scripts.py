"""Scripts of form fields that only format or check a value: calls of the viewer's own AF functions."""

import re

STRING = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
VALUE = rf"(?:{STRING}|[-+]?[0-9.]+|true|false|null)"
LIST = rf"(?:(?:new\s+Array\s*)?[\(\[]\s*(?:{VALUE}\s*,?\s*)*[\)\]])"
CALL = rf"AF[A-Za-z_]+\s*\(\s*(?:(?:{VALUE}|{LIST})\s*,?\s*)*\)\s*;?\s*"
ONLY_CALLS = re.compile(rf"\s*(?:{CALL})+")
LONGEST = 4_000


def only_formats_fields(script: str) -> bool:
    """Whether a script has nothing but calls like `AFNumber_Format(2, 0, 0, 0, "€ ", true);`."""
    return len(script) <= LONGEST and ONLY_CALLS.fullmatch(script) is not None
