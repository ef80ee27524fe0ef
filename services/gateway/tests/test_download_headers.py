"""What a download asks for and says in its headers."""

import errno
from urllib.parse import unquote

import pytest

from gateway.downloads.file_names import attachment
from gateway.downloads.ranges import NotSatisfiable, Part, part_of
from gateway.problems import answer
from gateway.routers import ACCESS
from shared.errors import StorageFull


def test_a_link_is_all_that_a_download_asks_for():
    access = ACCESS["GET", "/v1/blobs/{token}"]
    assert (access.roles, access.audience) == (None, "link")


@pytest.mark.parametrize("problem", [StorageFull("the folder is full"), OSError(errno.ENOSPC, "No space left")])
def test_a_full_store_or_disk_is_a_problem_with_a_time_to_try_again(problem):
    response = answer(problem)
    assert (response.status_code, response.headers["retry-after"]) == (507, "60")
    assert b'"storage_full"' in response.body


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, (0, 10)),
        ("bytes=0-", (0, 10)),
        ("bytes=0-0", (0, 1)),
        ("bytes=2-4", (2, 5)),
        ("bytes=9-99", (9, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        *(
            (ignored, (0, 10))
            for ignored in ("bytes=", "bytes=-", "bytes=4-2", "bytes=1-2,4-5", "lines=1-2", "nonsense")
        ),
        ("bytes=" + "9" * 40 + "-", (0, 10)),
    ],
)
def test_one_plain_range_is_understood_and_all_else_ignored(wanted, expected):
    assert part_of(10, '"a"', wanted, None) == Part(*expected, 10)


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_a_range_behind_the_end_cannot_be_satisfied(wanted):
    with pytest.raises(NotSatisfiable):
        part_of(10, '"a"', wanted, None)


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("receipt.pdf", "receipt.pdf"),
        ("شهادة.pdf", "شهادة.pdf"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ('a"; filename="evil.exe', "a_; filename=_evil.exe"),
        ("a\r\nSet-Cookie: x=1", "aSet-Cookie_ x=1"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("...", "download"),
        ("100%.pdf", "100_.pdf"),
    ],
)
def test_a_name_is_saved_in_any_language_and_cannot_break_out(name, saved):
    header = attachment(name)
    assert header.isascii()
    assert "\r" not in header
    plain, _, extended = header.partition("; filename*=UTF-8''")
    assert (unquote(extended) if extended else plain.removeprefix('attachment; filename="')[:-1]) == saved
