"""Makes texts that attack what reads them."""

from services.files.tests.reading import made_files as made

HOSTILE_TEXTS = {
    "empty picture": ("a.jpg", lambda: b"", "empty"),
    "empty table": ("a.csv", lambda: b"", "empty"),
    "only spaces": ("a.txt", lambda: b" \r\n\t\n" * 20, "empty"),
    "only a mark": ("a.txt", lambda: b"\xef\xbb\xbf", "empty"),
    "program of linux": ("a.bin", lambda: b"\x7fELF\x02\x01\x01" + bytes(200), "type_not_allowed"),
    "program named as a document": ("a.docx", lambda: b"\x7fELF\x02\x01\x01" + bytes(200), "type_mismatch"),
    "program named as text": ("a.txt", lambda: b"MZ\x90\x00" + bytes(200), "type_mismatch"),
    "shell script": ("a.sh", lambda: b"#!/bin/sh\nrm -rf /\n", "type_not_allowed"),
    "web page": ("a.htm", lambda: b"\n <HTML><body onload=alert(1)>", "type_not_allowed"),
    "web page named as a pdf": ("a.pdf", lambda: b"<!DOCTYPE html><html></html>", "type_mismatch"),
    "rich text": ("a.rtf", lambda: b"{\\rtf1\\ansi hello}", "type_not_allowed"),
    "postscript": ("a.ps", lambda: b"%!PS-Adobe-3.0\n(a) print\n", "type_not_allowed"),
    "script that is only text": ("a.js", lambda: b"alert(1)\n", "harmless"),
    "video": ("a.mp4", lambda: bytes.fromhex("000000186674797069736f6d") + bytes(300), "type_not_allowed"),
    "compressed": ("a.gz", lambda: bytes.fromhex("1f8b0800") + bytes(300), "type_not_allowed"),
    "one line of 20 MB": ("a.csv", lambda: b"a" * 20_000_000, "harmless"),
    "one quote of 20 MB": ("a.csv", lambda: b'a,"' + b"b\n" * 10_000_000, "harmless"),
    "million cells": ("a.csv", lambda: b"1,2,3,4,5,6,7,8,9,0\n" * 100_000, "too_large"),
    "nothing but delimiters": ("a.csv", lambda: b"," * 5_000_000, "harmless"),
    "million short lines": ("a.txt", lambda: b"a\n" * 2_000_000, "harmless"),
    "letters that combine": ("a.txt", ("e" + "\u0301" * 2_000_000).encode, "harmless"),
    "text with control signs": ("a.txt", lambda: b"Total\x1b[2J\x00\x07 42.50\n", "harmless"),
    "text that runs backwards": ("a.txt", "Total \u202e05.24 RUE\u202c".encode, "harmless"),
    "half a letter": ("a.txt", lambda: b"\xff\xfea", "corrupt"),
    "formula in csv": ("a.csv", lambda: b"name,total\n=cmd|'/C calc'!A0,42\n", "harmless"),
    "eicar behind spaces": ("a.txt", lambda: b" " * 9_000 + made.EICAR.encode(), "malware"),
}
