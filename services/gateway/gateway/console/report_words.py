"""What reports, their states and their formats are called on pages."""

from gateway.console.texts import N_

KINDS = {
    "monthly": N_("Month of the school"),
    "student_progress": N_("Progress of a student"),
    "grade_progress": N_("Progress of a grade"),
}
STATES = {
    "accepted": N_("accepted"),
    "waiting": N_("being made"),
    "ready": N_("ready"),
    "failed": N_("failed"),
    "cancelled": N_("cancelled"),
}
TONES = {"accepted": "busy", "waiting": "busy", "ready": "good", "failed": "bad"}
FORMATS = {
    "pdf": N_("PDF"),
    "xlsx": N_("Excel"),
    "csv": N_("CSV in a ZIP"),
    "zip": N_("ZIP, a PDF for each student"),
}
LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "ar": "العربية"}
