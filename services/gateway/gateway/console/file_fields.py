"""What the fields of files and the reasons for a review are called on pages."""

from gateway.console.texts import N_

FIELDS = {
    "payer": N_("Payer"),
    "merchant": N_("Merchant"),
    "amount": N_("Amount"),
    "total": N_("Total"),
    "payable": N_("Payable"),
    "discount": N_("Discount"),
    "currency": N_("Currency"),
    "date": N_("Date"),
    "reference": N_("Reference"),
    "purpose": N_("Purpose"),
    "payment_method": N_("Way of payment"),
    "student": N_("Student"),
    "student_number": N_("Student number"),
    "school": N_("School"),
    "period": N_("Term"),
    "gpa": N_("Average"),
    "credits": N_("Credits"),
    "subject": N_("Subject"),
    "grade": N_("Grade"),
    "reporter": N_("Reporter"),
    "category": N_("Category"),
    "severity": N_("Severity"),
    "action": N_("Action"),
    "description": N_("Description"),
    "quantity": N_("Quantity"),
    "unit_price": N_("Unit price"),
    "refund": N_("Refund"),
}
EXPECTED = {
    "payment_receipt": ("amount", "discount", "currency", "date", "merchant", "reference"),
    "transcript": ("period",),
    "behavior_report": ("date", "category", "severity", "description"),
    "other": (),
}
"""Fields that a record of the kind is made of: a form has them, read or not."""
COLUMNS = {"transcript": ("subject", "grade", "credits")}
"""Columns of rows that a record of the kind is made of."""
REASONS = {
    "ambiguous_amount": N_("The amount can be read in several ways."),
    "ambiguous_date": N_("The date can be read in several ways."),
    "ambiguous_student": N_("Several students fit the name."),
    "unsure_student": N_("The student's name is not certain."),
    "missing_student": N_("No student is named."),
    "no_student": N_("No student of the school fits the name."),
    "student_mismatch": N_("The document names another student than the upload."),
    "several_students": N_("The document names several students."),
    "several_documents": N_("The file seems to hold several documents."),
    "duplicate": N_("The same file was uploaded before."),
    "possible_duplicate": N_("Another file seems to be the same document."),
    "uploaded_by_family": N_("A family uploaded it."),
    "doubtful_date": N_("The date is far from the day of the upload."),
    "text_layer_mismatch": N_("The text in the file is not what its pages show."),
    "sum_mismatch": N_("The items do not come to the total."),
    "gpa_mismatch": N_("The average does not fit the grades."),
    "no_rows": N_("No rows were found."),
    "unsure_rows": N_("Some rows are not certain."),
    "too_many_rows": N_("There are too many rows."),
    "nothing_found": N_("Nothing to record was found."),
    "script_not_supported": N_("The script cannot be read by machine."),
    "missing_cell_values": N_("Cells of the sheet have no stored value."),
    "refund": N_("It is a refund."),
}
MISSING = N_("%(field)s: not found.")
UNSURE = N_("%(field)s: not certain.")
INVALID = N_("%(field)s: the value cannot be used.")
PREFIXES = {"missing_": MISSING, "unsure_": UNSURE, "invalid_": INVALID}


def field_name(name: str) -> str:
    """Return what a field is called, before translation."""
    return FIELDS.get(name) or name.replace("_", " ").capitalize()
