"""Names of the kinds of reports, for notifications and file names."""

from collections.abc import Mapping

from shared.events.reports import ReportKind, ReportLanguage

NAMES: Mapping[ReportKind, Mapping[ReportLanguage, str]] = {
    "monthly": {"en": "Monthly report", "de": "Monatsbericht", "fr": "Rapport mensuel", "ar": "التقرير الشهري"},
    "student_progress": {
        "en": "Progress report",
        "de": "Lernstandsbericht",
        "fr": "Rapport de progression",
        "ar": "تقرير التقدم",
    },
    "grade_progress": {
        "en": "Progress reports",
        "de": "Lernstandsberichte",
        "fr": "Rapports de progression",
        "ar": "تقارير التقدم",
    },
}


def name_of(kind: ReportKind, language: ReportLanguage) -> str:
    """Return the name of a kind in a language."""
    return NAMES[kind][language]
