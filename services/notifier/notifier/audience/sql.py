"""Which guardians answer for a student: one condition for every statement that asks."""

# By what the audience wants of them; and whoever the school has let go is not told of its students any more. A guardian
# who never was a member here (some rosters name them at the group only) is one all the same.
ANSWERS = """CASE %(responsibility)s WHEN 'custody' THEN g.custody WHEN 'billing' THEN g.billing
     WHEN 'emergency' THEN g.emergency WHEN 'care' THEN g.custody OR g.emergency ELSE true END
AND NOT EXISTS (SELECT FROM membership o
                WHERE (o.person_id, o.school_id, o.role) = (g.guardian_id, g.school_id, 'guardian')
                  AND o.ends IS NOT NULL AND o.ends <= (SELECT school_today({school})))"""
OF_THE_SCHOOL = ANSWERS.format(school="%(school_id)s")
OF_THE_BOUND_SCHOOL = ANSWERS.format(school="(SELECT bound_school())")
