"""Decide whether a person has to look at a finding before it counts."""

from files.domain.finding import DocumentKind, Finding

REQUIRED: dict[DocumentKind, tuple[str, ...]] = {
    "payment_receipt": ("amount", "currency", "date", "merchant"),
    "transcript": ("student",),
    "behavior_report": ("student", "date", "category"),
    "other": (),
}
"""The fields without which no payment, grades or incident can be recorded."""
THRESHOLD = 0.8
"""The confidence from which a field counts without a person. Scale: see `docs/files.md`."""


def needs_review(finding: Finding, kind: DocumentKind, threshold: float = THRESHOLD) -> tuple[str, ...]:
    """Return the reasons for a review, or an empty tuple: doubts, missing fields, fields below the threshold."""
    reasons = list(finding.reasons)
    for name in REQUIRED[kind]:
        field = finding.fields.get(name)
        if field is None or not field.value:
            reasons.append(f"missing_{name}")
        elif field.confidence < threshold:
            reasons.append(f"unsure_{name}")
    if kind == "transcript" and not finding.rows and "no_rows" not in reasons:
        reasons.append("no_rows")
    if any(field.confidence < threshold for row in finding.rows for field in row.values()) and kind == "transcript":
        reasons.append("unsure_rows")
    return tuple(dict.fromkeys(reasons))
