"""How long acts are kept in the audit. A trigger refuses to delete one of the last year, whatever the setting says."""

from shared.service.retention import Policy

ACTS = "audit.at < clock_timestamp() - make_interval(days => %(days)s)"


def of_audit(days: int) -> Policy:
    """Return the policy of the audit."""
    return Policy("audit", ACTS, days)
