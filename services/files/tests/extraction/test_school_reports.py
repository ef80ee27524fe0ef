"""School reports whose columns, legends and comments stand around the grades: only subject and grade are a row."""

import pytest

from files.domain.finding import Finding, Hints
from files.extraction import extract, needs_review
from services.files.tests.extraction.pages import document

TARGETS = """
Example Academy                      Pupil: Lea Muster
Subject          Current    Target    Effort
                  Grade      Grade
English             6          7         2
Mathematics         7          8         1
Art                 5          6         3
Effort: 1 = Excellent   2 = Good   3 = Requires improvement
"""
EFFORT_IN_WORDS = """
Example Primary School
Child's name: Lea Muster
Subject         Attainment     Effort
Reading         Exceeding      Excellent
Writing         Expected       Good
Mathematics     Expected       Good
Teacher's comment: Lea has had a good year.
"""
CITIZENSHIP = """
Example High School
Student Name        Student Number     Grade Level
Lea Muster          55102              9
Per   Course        Teacher        Mark    Abs   Citizenship
1     English 9     Ms. Alpha      93%     2     S
2     Algebra       Mr. Beta       87%     0     S
3     Citizenship   Ms. Gamma      90%     1     N
"""
PERFORMANCE = """
Colegio Ejemplo
Estudiante: Lea Muster
ÁREA               I.H.    NOTA    DESEMPEÑO    FALLAS
Matemáticas         5      4.2     Alto           0
Inglés              3      3.5     Básico         2
Ética y Valores     1      4.8     Superior       0
"""
AVERAGE = """
Colegio Ejemplo
Estudiante: Lea Muster
No.  Asignatura       I Bim   II Bim   Promedio
1    Matemáticas        85      91       88
2    Español            90      94       92
"""
DESCRIPTORS = """
Escuela Ejemplo
Nombre y apellidos: Lea Muster
MATEMÁTICAS
Matemáticas            Sobresaliente
  Calcula mentalmente                    A veces
Lengua                 Notable
  Lee con fluidez                        Siempre
Inglés                 Bien
  Participa en clase                     A veces
"""


def read(text: str) -> Finding:
    return extract(document(text), "transcript", Hints(None))


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        pytest.param(TARGETS, {"English": "6", "Mathematics": "7", "Art": "5"}, id="current beside target"),
        pytest.param(
            EFFORT_IN_WORDS,
            {"Reading": "Exceeding", "Writing": "Expected", "Mathematics": "Expected"},
            id="attainment beside effort, a comment",
        ),
        pytest.param(
            CITIZENSHIP, {"English 9": "93%", "Algebra": "87%", "Citizenship": "90%"}, id="marks beside citizenship"
        ),
        pytest.param(
            PERFORMANCE, {"Matemáticas": "4.2", "Inglés": "3.5", "Ética y Valores": "4.8"}, id="performance, absences"
        ),
        pytest.param(AVERAGE, {"Matemáticas": "88", "Español": "92"}, id="an average as the header of a column"),
        pytest.param(
            DESCRIPTORS, {"Matemáticas": "Sobresaliente", "Lengua": "Notable", "Inglés": "Bien"}, id="descriptors"
        ),
    ],
)
def test_only_subjects_with_their_grades_are_rows(text, rows):
    finding = read(text)

    assert {row["subject"].value: row["grade"].value for row in finding.rows} == rows
    assert len(finding.rows) == len(rows)
    assert finding.fields["student"].value == "Lea Muster"
    assert needs_review(finding, "transcript") == ()
