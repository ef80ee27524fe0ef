"""Electronic invoices inside PDFs: read with confidence 1, and compared with the page."""

import datetime as dt

import pytest

from files.domain.document import Attachment
from files.domain.finding import Finding, Hints
from files.extraction import extract, needs_review
from services.files.tests.extraction.pages import document

CII = """<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
 xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
 xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100">
 <rsm:ExchangedDocumentContext><ram:GuidelineSpecifiedDocumentContextParameter>
  <ram:ID>urn:cen.eu:en16931:2017</ram:ID></ram:GuidelineSpecifiedDocumentContextParameter></rsm:ExchangedDocumentContext>
 <rsm:ExchangedDocument><ram:ID>RE-2026-17</ram:ID><ram:TypeCode>{code}</ram:TypeCode>
  <ram:IssueDateTime><udt:DateTimeString format="102">20261103</udt:DateTimeString></ram:IssueDateTime>
 </rsm:ExchangedDocument>
 <rsm:SupplyChainTradeTransaction>
  <ram:ApplicableHeaderTradeAgreement>
   <ram:SellerTradeParty><ram:Name>Beispiel Verlag GmbH</ram:Name></ram:SellerTradeParty>
   <ram:BuyerTradeParty><ram:Name>Petra Beispiel</ram:Name></ram:BuyerTradeParty>
  </ram:ApplicableHeaderTradeAgreement>
  <ram:ApplicableHeaderTradeDelivery/>
  <ram:ApplicableHeaderTradeSettlement><ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>
   <ram:SpecifiedTradeSettlementHeaderMonetarySummation>
    <ram:LineTotalAmount>100.00</ram:LineTotalAmount><ram:TaxBasisTotalAmount>100.00</ram:TaxBasisTotalAmount>
    <ram:TaxTotalAmount currencyID="EUR">19.00</ram:TaxTotalAmount><ram:GrandTotalAmount>119.00</ram:GrandTotalAmount>
    <ram:TotalPrepaidAmount>50.00</ram:TotalPrepaidAmount><ram:DuePayableAmount>69.00</ram:DuePayableAmount>
   </ram:SpecifiedTradeSettlementHeaderMonetarySummation>
  </ram:ApplicableHeaderTradeSettlement>
 </rsm:SupplyChainTradeTransaction>
</rsm:CrossIndustryInvoice>"""

ZUGFERD_1 = """<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryDocument xmlns:rsm="urn:ferd:CrossIndustryDocument:invoice:1p0"
 xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:12"
 xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:15">
 <rsm:HeaderExchangedDocument><ram:ID>RE-2026-17</ram:ID><ram:TypeCode>380</ram:TypeCode>
  <ram:IssueDateTime><udt:DateTimeString format="102">20261103</udt:DateTimeString></ram:IssueDateTime>
 </rsm:HeaderExchangedDocument>
 <rsm:SpecifiedSupplyChainTradeTransaction>
  <ram:ApplicableSupplyChainTradeAgreement>
   <ram:SellerTradeParty><ram:Name>Beispiel Verlag GmbH</ram:Name></ram:SellerTradeParty>
   <ram:BuyerTradeParty><ram:Name>Petra Beispiel</ram:Name></ram:BuyerTradeParty>
  </ram:ApplicableSupplyChainTradeAgreement>
  <ram:ApplicableSupplyChainTradeSettlement><ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>
   <ram:SpecifiedTradeSettlementMonetarySummation><ram:GrandTotalAmount>119.00</ram:GrandTotalAmount>
    <ram:DuePayableAmount>69.00</ram:DuePayableAmount></ram:SpecifiedTradeSettlementMonetarySummation>
  </ram:ApplicableSupplyChainTradeSettlement>
 </rsm:SpecifiedSupplyChainTradeTransaction>
</rsm:CrossIndustryDocument>"""

PAGE = """
Beispiel Verlag GmbH
Rechnung RE-2026-17          Datum: 03.11.2026
Petra Beispiel
Netto              100,00 EUR
MwSt. 19 %          19,00 EUR
Gesamtbetrag       {total} EUR
Anzahlung           50,00 EUR
Zu zahlen           69,00 EUR
"""


def read(xml: str, page: str, name: str = "factur-x.xml") -> Finding:
    attached = (Attachment(name, xml.encode()),)
    return extract(document(page, attachments=attached), "payment_receipt", Hints(dt.date(2026, 11, 30), "DE"))


@pytest.mark.parametrize(("xml", "name"), [(CII.format(code=380), "factur-x.xml"), (ZUGFERD_1, "ZUGFeRD-invoice.xml")])
def test_the_attached_invoice_counts_with_confidence_1(xml, name):
    finding = read(xml, PAGE.format(total="119,00"), name)

    found = {key: field.value for key, field in finding.fields.items()}
    assert found["total"] == "119.00"
    assert found["payable"] == found["amount"] == "69.00"
    assert (found["date"], found["currency"], found["reference"]) == ("2026-11-03", "EUR", "RE-2026-17")
    assert (found["merchant"], found["payer"]) == ("Beispiel Verlag GmbH", "Petra Beispiel")
    assert {field.confidence for field in finding.fields.values()} == {1.0}
    assert finding.fields["total"].box is not None
    assert needs_review(finding, "payment_receipt") == ()


def test_a_page_that_says_another_total_is_a_mismatch():
    finding = read(CII.format(code=380), PAGE.format(total="191,00"))

    assert "attachment_mismatch" in finding.reasons


def test_a_credit_note_is_a_refund():
    finding = read(CII.format(code=381), PAGE.format(total="119,00"))

    assert finding.fields["amount"].value == "-69.00"
    assert finding.fields["refund"].value == "true"
    assert "refund" in needs_review(finding, "payment_receipt")


def test_an_attachment_that_cannot_be_read_leaves_the_page_and_says_so():
    finding = read("<broken", PAGE.format(total="119,00"))

    assert finding.fields["total"].value == "119.00"
    assert "attachment_unreadable" in finding.reasons


def test_entities_of_an_attachment_are_not_resolved():
    bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Invoice>&x;</Invoice>'

    assert "attachment_unreadable" in read(bomb, PAGE.format(total="119,00")).reasons
