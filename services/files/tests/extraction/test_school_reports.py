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

GRADE_BESIDE_THE_SECOND_LINE = """
Example School     Pupil: Lea Muster
Subject                       Grade
English Language
and Literature                B
Design and Technology
(Resistant Materials)         C
Religious Studies,
Philosophy and Ethics         A
"""
ATTENDANCE = """
Example School     Student: Lea Muster
SUBJECTS                 1st Tri   2nd Tri
Reading                     2         3
Mathematics                 3         4
Days Present               58        57
Days Tardy                  0         1
"""
AVERAGE_OF_THE_YEAR = """
Example School     Student: Lea Muster
Course           MP1   MP2   Exam   Final Avg
Chemistry         88    90    85     89
US History        85    88    84     87
Orchestra         99    99           99
"""
UNREAD = """
Colegio Ejemplo    Alumna: Lea Muster
Asignatura      N1    N2    Prom
Lenguaje        6.0   6.2   6.1
Inglés          6.8   6.6   6.7
Religión        B     B     ??
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
        pytest.param(
            GRADE_BESIDE_THE_SECOND_LINE,
            {
                "English Language and Literature": "B",
                "Design and Technology (Resistant Materials)": "C",
                "Religious Studies, Philosophy and Ethics": "A",
            },
            id="the grade beside the second line",
        ),
        pytest.param(ATTENDANCE, {"Reading": "3", "Mathematics": "4"}, id="days present and tardy"),
        pytest.param(
            AVERAGE_OF_THE_YEAR, {"Chemistry": "89", "US History": "87", "Orchestra": "99"}, id="an average of the year"
        ),
    ],
)
def test_only_subjects_with_their_grades_are_rows(text, rows):
    finding = read(text)

    assert {row["subject"].value: row["grade"].value for row in finding.rows} == rows
    assert len(finding.rows) == len(rows)
    assert finding.fields["student"].value == "Lea Muster"
    assert needs_review(finding, "transcript") == ()


def test_an_earlier_grade_does_not_replace_one_that_was_not_read():
    finding = read(UNREAD)

    assert {row["subject"].value: row["grade"].value for row in finding.rows} == {"Lenguaje": "6.1", "Inglés": "6.7"}
    assert needs_review(finding, "transcript") == ("missing_grade",)
