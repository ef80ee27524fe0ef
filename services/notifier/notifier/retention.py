"""How long notifications are kept after their end. What people see of them in their inboxes goes with them."""

from shared.service.retention import Policy

OVER = "n.completed_at < clock_timestamp() - make_interval(days => %(days)s)"
PART = "EXISTS (SELECT FROM notification n WHERE n.notification_id = {table}.notification_id AND " + OVER + ")"
"""A row of a notification that ended long ago."""
ATTEMPTS = f"""
EXISTS (SELECT FROM delivery d JOIN notification n USING (notification_id)
        WHERE d.delivery_id = attempt.delivery_id AND {OVER})
"""  # a constant
DELIVERIES = f"""
{PART.format(table="delivery")} AND NOT EXISTS (SELECT FROM attempt a WHERE a.delivery_id = delivery.delivery_id)
"""
NOTIFICATIONS = """
notification.completed_at < clock_timestamp() - make_interval(days => %(days)s)
AND NOT EXISTS (SELECT FROM delivery c WHERE c.notification_id = notification.notification_id)
AND NOT EXISTS (SELECT FROM rendering c WHERE c.notification_id = notification.notification_id)
AND NOT EXISTS (SELECT FROM release c WHERE c.notification_id = notification.notification_id)
AND NOT EXISTS (SELECT FROM escalation c WHERE c.notification_id = notification.notification_id)
"""
PARTS = ("inbox_item", "group_address", "rendering", "release", "escalation_person")
ESCALATIONS = f"""
{PART.format(table="escalation")} AND NOT EXISTS (
    SELECT FROM escalation_person c
    WHERE c.notification_id = escalation.notification_id AND c.about = escalation.about)
"""


def of_notifications(days: int) -> tuple[Policy, ...]:
    """Return the policies in the order of their references: parts go before what they are part of."""
    return (
        Policy("attempt", ATTEMPTS, days),
        *(Policy(table, PART.format(table=table), days) for table in PARTS),
        Policy("escalation", ESCALATIONS, days),
        Policy("delivery", DELIVERIES, days),
        Policy("notification", NOTIFICATIONS, days),
    )
