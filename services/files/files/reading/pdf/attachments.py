"""Electronic invoices attached to a PDF (Factur-X, ZUGFeRD, XRechnung). Any other attachment is refused."""

from collections.abc import Iterator
from xml.etree.ElementTree import ParseError

import pypdfium2
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from files.domain.document import Attachment
from files.reading.malware import refuse_eicar
from files.reading.refusal import Refused

INVOICES = frozenset({"factur-x.xml", "zugferd-invoice.xml", "xrechnung.xml"})
"""Names that the standards fix; ZUGFeRD-invoice.xml is written with capitals."""
ROOTS = frozenset(
    {"CrossIndustryInvoice", "CrossIndustryDocument", "Invoice", "CreditNote", "SCRDMCCBDACIOMessageStructure"}
)
LARGEST = 5_000_000


def is_invoice(name: str) -> bool:
    """Whether an attachment has the name of an electronic invoice."""
    return name.lower() in INVOICES


def invoices(document: pypdfium2.PdfDocument) -> Iterator[Attachment]:
    """Yield the attached invoices. Raises Refused for any other attachment."""
    for index in range(document.count_attachments()):
        attached = document.get_attachment(index)
        name = attached.get_name()
        if not is_invoice(name):
            raise not_an_invoice(name)
        content = bytes(attached.get_data())
        refuse_eicar(content)
        _refuse_other_content(name, content)
        yield Attachment(name, content)


def _refuse_other_content(name: str, content: bytes) -> None:
    if len(content) > LARGEST:
        raise Refused("too_large", f"The attached invoice {name} is larger than {LARGEST // 1_000_000} MB.")
    try:
        root = fromstring(content)
    except DefusedXmlException as error:
        raise Refused("bomb", f"The attached invoice {name} defines entities, which invoices never do.") from error
    except (ParseError, ValueError) as error:
        raise not_an_invoice(name) from error
    if root.tag.rpartition("}")[2] not in ROOTS:
        raise not_an_invoice(name)


def not_an_invoice(name: str) -> Refused:
    """The refusal of an attachment that is no electronic invoice."""
    printable = "".join(letter for letter in name if letter.isprintable())[:60]
    return Refused("embedded_file", f"The PDF has an attachment ({printable}). Send each file by itself.")
