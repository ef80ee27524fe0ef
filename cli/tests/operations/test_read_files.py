"""`schoolconnect files read`: what it prints for good and bad files, and how it ends."""

import json

import pytest

from cli.demo.documents.maker import make_document, photograph
from cli.main import command

FACTS = {
    "language": "en",
    "country": "GB",
    "currency": "GBP",
    "merchant": "Demo Academy Trust Ltd",
    "address": "1 Example Road, Demo Town, office@example.org",
    "payer": "Aló Demo-Oakley",
    "student": "Bela Demo-Oakley",
    "date": "2026-09-14",
    "reference": "R-2026-0042",
    "amount": "42.50",
    "tax": "20",
    "paid_by": "Card",
    "items": [{"description": "School trip", "quantity": "1", "unit_price": "42.50", "amount": "42.50"}],
}
ARGUMENTS = ("files", "read", "--kind", "receipt")


@pytest.fixture
def receipt(tmp_path):
    path = tmp_path / "receipt.pdf"
    path.write_bytes(make_document("payment_receipt", FACTS, "receipt_invoice"))
    return path


def _objects(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_receipt_is_one_object_with_values_confidences_and_places(receipt, capsys):
    assert command([*ARGUMENTS, "--json", "--country", "gb", str(receipt)]) == 0
    printed = capsys.readouterr()
    [answer] = _objects(printed.out)
    assert answer["path"] == str(receipt)
    assert (answer["verdict"], answer["reason"], answer["kind"]) == ("accepted", None, "receipt")
    assert answer["needs_review"] is False
    assert {name: answer["fields"][name]["value"] for name in ("amount", "currency", "date", "merchant")} == {
        "amount": "42.50",
        "currency": "GBP",
        "date": "2026-09-14",
        "merchant": "Demo Academy Trust Ltd",
    }
    amount = answer["fields"]["amount"]
    assert amount["page"] == 1
    assert 0 <= amount["box"][0] < amount["box"][2] <= 1
    assert "1/1" in printed.err


def test_a_refused_file_stops_no_other_and_the_order_is_that_of_the_arguments(receipt, tmp_path, capsys):
    empty, broken = tmp_path / "empty.pdf", tmp_path / "broken.png"
    empty.touch()
    broken.write_bytes(photograph(receipt.read_bytes())[:900])
    assert command([*ARGUMENTS, "--json", str(empty), str(broken), str(receipt)]) == 3
    answer = _objects(capsys.readouterr().out)
    assert [(one["path"], one["verdict"], one["reason"]) for one in answer] == [
        (str(empty), "refused", "empty"),
        (str(broken), "refused", "corrupt"),
        (str(receipt), "accepted", None),
    ]
    assert answer[0]["fields"] == {}


def test_a_directory_and_a_missing_file_are_errors_and_the_others_are_read(receipt, tmp_path, capsys):
    assert command([*ARGUMENTS, "--json", str(tmp_path), str(tmp_path / "none.pdf"), str(receipt)]) == 1
    printed = capsys.readouterr()
    assert len(_objects(printed.out)) == 1
    assert f"{tmp_path} is a directory: name the files in it" in printed.err
    assert "none.pdf: No such file or directory" in printed.err


def test_a_name_cannot_command_the_terminal_or_the_reader(receipt, tmp_path, monkeypatch, capsys):
    strange = receipt.rename(tmp_path / "--out\x1b[2J.pdf")
    monkeypatch.chdir(tmp_path)
    assert command([*ARGUMENTS, "--json", "--", strange.name]) == 0
    assert _objects(capsys.readouterr().out)[0]["path"] == strange.name
    assert command([*ARGUMENTS, str(strange)]) == 0
    assert "\x1b[2J" not in capsys.readouterr().out


def test_without_json_people_get_a_table(receipt, capsys):
    assert command([*ARGUMENTS, str(receipt)]) == 0
    printed = capsys.readouterr().out
    assert "receipt.pdf: accepted" in printed
    assert "42.50" in printed
    assert "School trip" in printed


def test_an_old_date_needs_a_review_only_beside_the_day_of_an_upload(receipt, capsys):
    assert command([*ARGUMENTS, "--json", str(receipt)]) == 0
    assert _objects(capsys.readouterr().out)[0]["needs_review"] is False
    assert command([*ARGUMENTS, "--json", "--uploaded-on", "2029-01-01", str(receipt)]) == 0
    [answer] = _objects(capsys.readouterr().out)
    assert answer["review_reasons"] == ["doubtful_date"]
