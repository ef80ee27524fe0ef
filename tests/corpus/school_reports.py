"""Facts of school reports in English and Spanish, from a seed: several grades for each subject, and what is beside."""

from random import Random
from typing import Any, Final

Facts = dict[str, Any]

LANGUAGE: Final = {
    "report_years": "es", "report_blocks": "en", "report_trimesters": "es", "report_leaders": "en",
    "report_percent": "en", "report_certificate": "es", "report_semesters": "en", "report_comments": "en",
    "report_areas": "es", "report_effort": "en",
}  # fmt: skip
"""The layouts of `layouts/`, and the language of each."""
SUBJECTS: Final = {
    "en": ["Algebra II", "English Literature", "World History", "Biology", "Physics", "Physical Education", "Art I",
           "Computer Science", "Spanish", "Music", "Geography", "Religious Studies", "Drama", "Civic Education"],
    "es": ["Matemáticas", "Lengua Castellana y Literatura", "Inglés", "Física y Química", "Biología y Geología",
           "Educación Física", "Música", "Geografía e Historia", "Tecnología", "Valores Éticos", "Latín", "Economía",
           "Educación Plástica", "Filosofía"],
}  # fmt: skip
LETTERS: Final = ["A+", "A", "A-", "B+", "B", "B-", "C+", "C", "C-", "D+", "D", "F"]
TEN: Final = ["3", "4", "5", "6", "7", "8", "9", "10"]
DECIMALS: Final = ["4,5", "5,2", "6", "6,8", "7,5", "8", "9,1", "10"]
WORDS: Final = ["Sobresaliente", "Notable", "Bien", "Suficiente", "Insuficiente"]
GRADES: Final = {
    "report_years": TEN, "report_trimesters": TEN, "report_certificate": WORDS, "report_areas": DECIMALS,
}  # fmt: skip
TEACHERS: Final = ["Ms. Demo", "Mr. Sample", "Dr. Example", "Mrs. Test"]
REMARKS: Final = {
    "en": ["Works steadily and asks good questions.", "Has improved this term.", "Should revise more."],
    "es": ["Buen trabajo", "Ha mejorado mucho", "Debe esforzarse"],
}
YEARS: Final = 3


def draw_report(layout: str, dice: Random) -> Facts:
    """Return what a report of this layout says: `table` as it is printed, `rows` as they have to be read."""
    language = LANGUAGE[layout]
    table = [
        _entry(layout, subject, dice)
        for subject in dice.sample(SUBJECTS[language], dice.randint(7, len(SUBJECTS[language])))
    ]
    return {"table": table, "rows": [row for entry in table for row in _rows(layout, entry)]}


def _entry(layout: str, subject: str, dice: Random) -> dict[str, Any]:
    scale = GRADES.get(layout, LETTERS)
    return {
        "subject": subject,
        "grades": [dice.choice(scale) for _ in range(4)],
        "credits": dice.choice(("0.5", "1.0")),
        "hours": str(dice.randint(1, 5)),
        "percent": f"{dice.randint(41, 100)}%",
        "code": f"{dice.choice('EMSHA')}{dice.randint(100, 499)}",
        "teacher": dice.choice(TEACHERS),
        "absences": str(dice.choice((0, 0, 0, 1, 2))),
        "effort": dice.choice("123"),
        "remark": dice.choice(REMARKS[LANGUAGE[layout]]),
    }


def _rows(layout: str, entry: dict[str, Any]) -> list[dict[str, str]]:
    """Return one row for each year where columns are years, else one with the final grade, which is printed last."""
    grades = entry["grades"][:YEARS] if layout == "report_years" else entry["grades"][-1:]
    return [{"subject": entry["subject"], "grade": grade} for grade in grades]
