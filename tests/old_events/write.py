"""Write the corpus of old events: one whole message of each type and major version, as it was first published.

`python tests/old_events/write.py` writes the missing ones, from the golden files, with made-up values that handlers
accept. It never changes an existing one: the log keeps messages, and each later version must apply them.
"""

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
GOLDEN = FOLDER.parents[1] / "shared/tests/golden"
ID = "01890a5d-ac96-774b-bcce-b302099a8057"
VALUES = {
    "timezone": "Europe/Berlin",
    "language": "en",
    "grade": "07",
    "currency": "EUR",
    "given_name": "Ada",
    "family_name": "Demo",
    "address": "ada@example.org",
    "name": "Demo School",
    "starts": "2026-01-05",
    "ends": "2026-01-30",
    "course": "Mathematics",
    "term": "Winter",
    "relationship": "guardian",
    "weekdays": [0, 1, 2, 3, 4],
    "withdrawn": False,
    "amount": "12.50",
    "counts": {"push": {"accepted": 3}},
    "rank": 1,
    "role": "student",
    "token_sha256": "0" * 64,
    "message": "A made-up message.",
}
"""Values of fields for which the golden one is no value of this kind. The days of quiet hours are times."""


def made_up(value: Any, name: str = "") -> Any:
    """Return a golden value with its fields made plausible."""
    if name == "quiet":
        return {"starts": "21:00:00", "ends": "07:00:00"}
    if value is not None and name in VALUES:
        return VALUES[name]
    if isinstance(value, dict):
        return {key: made_up(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [made_up(each) for each in value]
    return value


def message(golden: dict[str, Any]) -> dict[str, Any]:
    """Return the headers and the body of a message."""
    body = made_up(golden["body"])
    headers = {
        "ce-specversion": "1.0",
        "ce-id": ID,
        "ce-type": golden["topic"],
        "ce-source": "gateway",
        "ce-time": "2026-01-31T08:15:00Z",
        "ce-subject": ID,
        "ce-dataschema": f"urn:schoolconnect:{golden['topic']}:{golden['major']}",
        "ce-correlationid": ID,
    }
    return {"headers": headers, "body": body}


if __name__ == "__main__":
    for source in sorted(GOLDEN.glob("*.json")):
        target = FOLDER / source.name
        if not target.exists():
            target.write_text(json.dumps(message(json.loads(source.read_text())), indent=1, sort_keys=True) + "\n")
            sys.stdout.write(f"{target.name}\n")
