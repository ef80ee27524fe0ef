"""What the FCM stand-in makes of a body, without a process."""

import json

import pytest

from cli.fakes.fcm_protocol import Accepted, Invalid, Reader, read


def body(token, **other):
    return json.dumps({"message": {"token": token, **other}}, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "other",
    [
        {"android": {"notification": {"tag": "n"}}},
        {"data": {"token": "another"}},  # two that could be meant
        {"notification": {"body": '"token":"quoted"'}},
    ],
)
def test_bodies_that_differ_in_the_token_are_read_alike(other):
    reader = Reader()
    for token in ("first", "second", "second"):
        assert reader.read(body(token, **other)) == read(body(token, **other))


def test_only_the_token_of_the_message_may_differ():
    # given a body whose only plain "token" is data
    reader = Reader()
    fids = [
        json.dumps({"message": {"fid": "f", "data": {"token": each}}}, separators=(",", ":")).encode() for each in "ab"
    ]
    assert [reader.read(each) for each in fids] == [Accepted("f", "")] * 2


def test_what_is_refused_once_is_refused_again():
    reader = Reader()
    for token in ("first", "second"):
        with pytest.raises(Invalid):
            reader.read(body(token, data={"n": 1}))
