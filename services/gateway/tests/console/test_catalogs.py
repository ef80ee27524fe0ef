"""The language of the console's pages: the person's choice, else the browser's."""

import pytest

from gateway.console import texts


def test_a_text_is_shown_in_each_language():
    shown = {texts.translations(language).ugettext("Tasks") for language in texts.LANGUAGES}
    assert len(shown) == len(texts.LANGUAGES)
    assert texts.direction("ar") == "rtl"


@pytest.mark.parametrize(
    ("kept", "accepted", "chosen"),
    [
        ("de", "ar", "de"),
        (None, "ar-EG,de;q=0.5", "ar"),
        (None, "fr, de;q=0.3, en;q=0.2", "de"),
        ("xx", "", "en"),
        (None, "en;q=x, ;;,*", "en"),
    ],
)
def test_the_language_is_the_persons_choice_else_the_browsers(kept, accepted, chosen):
    assert texts.chosen_language(kept, accepted) == chosen
