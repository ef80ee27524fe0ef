"""School reports: every subject with its grade, whatever stands beside it."""

import datetime as dt

from files.domain.finding import Finding, Hints
from files.extraction import extract, needs_review
from services.files.tests.extraction.pages import document

TWO_COLUMNS = """
Example High School
Student: Lea Muster                ID: 4711
School year 2025-2026
Course             Grade   Credits        Course          Grade   Credits
English 9          A-      1.0            Algebra II      B+      1.0
World History      B       1.0            Biology         C       1.0
Grading scale:  A 90-100   B 80-89   C 70-79
"""


def read(*pages: str) -> Finding:
    return extract(document(*pages), "transcript", Hints(dt.date(2026, 11, 30)))


def grades(finding: Finding) -> list[tuple[str, str]]:
    return [(row["subject"].value, row["grade"].value) for row in finding.rows]


def test_two_columns_of_subjects_stand_side_by_side():
    finding = read(TWO_COLUMNS)

    assert sorted(grades(finding)) == [
        ("Algebra II", "B+"),
        ("Biology", "C"),
        ("English 9", "A-"),
        ("World History", "B"),
    ]
    assert finding.fields["student"].value == "Lea Muster"
    assert finding.fields["school"].value == "Example High School"


def test_a_class_above_the_table_is_no_grade():
    finding = read(
        """
Colegio Ejemplo
Alumno         Pablo Ejemplo
Clase          10 A
Asignatura          Nota
Lengua              7,5
Matemáticas         6
Historia            9
"""
    )

    assert grades(finding) == [("Lengua", "7,5"), ("Matemáticas", "6"), ("Historia", "9")]


def test_a_scale_beside_the_table_and_totals_are_no_grades():
    finding = read(
        """
Example High School
Transcript for: Lea Muster
Course            Grade  Credit         A   Excellent   4.0
Algebra I         B-     1.00           B   Good        3.0
Spanish I         A+     1.00           C   Average     2.0
Drama             C      0.50           D   Poor        1.0
Total                    2.50           F   Failing     0.0
"""
    )

    assert grades(finding) == [("Algebra I", "B-"), ("Spanish I", "A+"), ("Drama", "C")]


def test_each_of_several_years_is_a_row_and_of_several_terms_the_last_counts():
    years = read("MATERIA    1º ESO  2º ESO\nLengua        7       8\nInglés        6       9")
    terms = read("MATERIA    1ª Ev   2ª Ev   Final\nLengua        7       8       8\nInglés        6       9       7")

    assert grades(years) == [("Lengua", "7"), ("Lengua", "8"), ("Inglés", "6"), ("Inglés", "9")]
    assert grades(terms) == [("Lengua", "8"), ("Inglés", "7")]


def test_a_subject_on_two_lines_and_pages_that_continue():
    finding = read(
        "Asignatura                         Nota\n\n"
        "Primera Lengua Extranjera:\nInglés                             7\n\n"
        "Física y Química                   6\n\nMúsica                             5",
        "Asignatura           Nota\n\nLatín                9\n\nGriego               4",
    )

    assert grades(finding) == [
        ("Primera Lengua Extranjera: Inglés", "7"),
        ("Física y Química", "6"),
        ("Música", "5"),
        ("Latín", "9"),
        ("Griego", "4"),
    ]


def test_a_printed_average_is_recomputed():
    table = "Course    Grade   Credits\nMath      A       1.0\nDrama     B       1.0\nGPA: {gpa}"

    assert "gpa_mismatch" not in read(table.format(gpa="3.50")).reasons
    assert "gpa_mismatch" in read(table.format(gpa="3.90")).reasons


CARD = """
Colegio Ejemplo
Alumno: Pablo Ejemplo
Asignatura          1.ª eval.         Final
Inglés              Bien              Notable
Francés             Suficiente        Bien
Música              Notable           Notable
Matemáticas         Bien              {grade}
Latín               Notable           Bien
"""


def test_a_subject_whose_grade_was_not_read_is_a_doubt():
    lost = read(CARD.format(grade=""))
    alone = read(CARD.format(grade="Bien").replace("Matemáticas         Bien              Bien", "Matemáticas"))

    assert needs_review(read(CARD.format(grade="Bien")), "transcript") == ()
    assert needs_review(lost, "transcript") == ("missing_grade",)
    assert needs_review(alone, "transcript") == ("missing_grade",)


def test_a_heading_between_subjects_is_no_subject_without_a_grade():
    finding = read(
        "Student: Lea Muster\nCourse          Grade\n9th Grade\nAlgebra         B\nBiology         A\n"
        "10th Grade\nGeometry        C\nPhysics         B\nELECTIVES\nDrama           A\nArt             A"
    )

    assert len(finding.rows) == 6
    assert needs_review(finding, "transcript") == ()


def test_a_comment_that_a_reader_joined_to_a_grade_is_no_part_of_it():
    finding = read(CARD.format(grade="Sobresaliente Buen trabajo"))

    assert ("Matemáticas", "Sobresaliente") in grades(finding)
    assert needs_review(finding, "transcript") == ()


def test_a_school_year_keeps_the_word_in_front_of_it():
    assert read("Colegio Ejemplo\nCurso 2025-2026, final").fields["period"].value == "Curso 2025-2026, final"


def test_labels_in_a_row_of_a_form_are_no_subjects():
    finding = read(
        "Curso   2025/26, final   Grupo   3 A\nMateria                          Nota\n"
        "Lengua Castellana y Literatura   7\nMúsica                           9"
    )

    assert grades(finding) == [("Lengua Castellana y Literatura", "7"), ("Música", "9")]


def test_the_code_of_a_course_is_no_part_of_its_name():
    finding = read("Course              Grade\nS309 Biology        B\nMAT-101 Algebra I   A\n10234 Drama         C")

    assert grades(finding) == [("Biology", "B"), ("Algebra I", "A"), ("Drama", "C")]


CERTIFICATE = """
Colegio Ejemplo                     CERTIFICACIÓN ACADÉMICA
La secretaria certifica que Pablo Ejemplo, con número de expediente D-19044, ha obtenido
en el curso 2025/26, 2.ª evaluación las siguientes calificaciones:
Asignatura              Convocatoria     Calificación
Física y Química        Ordinaria        Suficiente
Economía                Ordinaria        Bien
Matemáticas             Extraordinaria   Notable
"""


def test_a_certificate_names_the_student_in_a_sentence_and_the_call_before_the_grade():
    finding = read(CERTIFICATE)

    assert grades(finding) == [("Física y Química", "Suficiente"), ("Economía", "Bien"), ("Matemáticas", "Notable")]
    assert finding.fields["student"].value == "Pablo Ejemplo"
    assert finding.fields["student_number"].value == "D-19044"
    assert finding.fields["period"].value == "curso 2025/26, 2.ª evaluación"
    assert needs_review(finding, "transcript") == ()


def test_a_grade_may_carry_its_label_and_a_comment_stand_below():
    finding = read(
        "Student: Lea Muster\nAlgebra II                    Grade: B+\nHas improved this term\n\n"
        "Drama                         Grade: A\nWorks steadily\n\nMusic                         Grade: C\n"
        "Should revise\n\nArt                           Grade: A-\nWorks steadily"
    )

    assert grades(finding) == [("Algebra II", "B+"), ("Drama", "A"), ("Music", "C"), ("Art", "A-")]


def test_the_longest_label_of_a_row_without_colons_wins():
    finding = read(
        "Name Lea Muster     Student No. D-99390     Year 2025/26\nCourse     Grade\nDrama      A\nMusic      B"
    )

    assert finding.fields["student"].value == "Lea Muster"
    assert finding.fields["student_number"].value == "D-99390"
