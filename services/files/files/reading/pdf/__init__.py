"""PDF: the safety walk, the text layer, forms, attached invoices, and pages as pictures."""
