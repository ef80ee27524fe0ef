"""Behaviour reports, payments, absences, grades, remarks."""
