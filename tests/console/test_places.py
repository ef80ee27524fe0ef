"""No page of the console is forgotten by the tests in a browser."""

from benchmarks.console_places import NOT_YET, PLACES, SIGN_IN, routes


def test_every_page_is_opened_or_named_as_not_yet():
    assert {place.route for place in PLACES} | {SIGN_IN.route} == routes() - NOT_YET
