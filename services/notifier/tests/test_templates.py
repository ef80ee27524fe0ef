"""Templates of a school and the built-in ones: saved in versions, pinned by a send, said in each person's language."""

import asyncio
from email import message_from_bytes, policy

import pytest
from prometheus_client import CollectorRegistry

from notifier.content import builtin
from shared.service.loop_watchdog import LOOK_SECONDS, LoopWatchdog

PAYMENT = {name: builtin.SAMPLE_VARIABLES[name] for name in builtin.VARIABLES["payment_due"]}
TEXTS = {"en": {"title": "Pay {{ amount | money(currency) }}", "body": "Dear parents of {{ student }}"}}


def mail(sent):
    return message_from_bytes(sent.content, policy=policy.default)


def html(sent):
    return mail(sent).get_body(("html",)).get_content()


async def test_each_person_receives_the_text_in_the_nearest_language(client):
    # given a French school, people of five languages, one of them without words
    await client.set_school(language="fr", mute_details=False)
    people = {tag: await client.add_person(language=tag) for tag in ("de-AT", "en-GB", "ar", "tlh", None)}
    # when
    sent = await client.plan(
        {"people": tuple(people.values())}, kind="payment", template="payment_due", variables=PAYMENT
    )
    await client.harness.run_permits()
    # then every one got mail and push in one language, rendered once for each
    mails = {each.recipient.partition("@")[0]: each for each in client.harness.mail.sent}
    pushes = {each.token.removeprefix("token-"): each for each in client.harness.push.sent}
    subjects = {tag: mail(mails[str(person)])["Subject"] for tag, person in people.items()}
    assert subjects == {
        "de-AT": "Zahlung fällig: € 1.250,50",
        "en-GB": "Payment due: €1,250.50",
        "ar": subjects["ar"],
        "tlh": "Paiement à effectuer : 1 250,50 €",
        None: "Paiement à effectuer : 1 250,50 €",
    }
    assert "دفعة مستحقة" in subjects["ar"]
    assert '<html lang="ar" dir="rtl">' in html(mails[str(people["ar"])])
    assert '<html lang="de" dir="ltr">' in html(mails[str(people["de-AT"])])
    assert pushes[str(people["en-GB"])].title == "Payment due: €1,250.50"
    assert "1 December 2026" in pushes[str(people["en-GB"])].body
    rows = await client.harness.rows("SELECT language FROM rendering WHERE notification_id = %s", (sent,))
    assert {row["language"] for row in rows} == {"de-AT", "en-GB", "ar", "tlh", "fr"}


async def test_a_schools_own_texts_replace_built_in_ones_of_their_language(client):
    await client.set_school(mute_details=False)
    english, german = await client.add_person(language="en"), await client.add_person(language="de")
    assert (await client.call("PUT", "/v1/templates/payment_due", json={"texts": TEXTS})).status_code == 200
    await client.plan({"people": (english, german)}, channels=("push",), template="payment_due", variables=PAYMENT)
    await client.harness.run_permits()
    titles = {each.token.removeprefix("token-"): each.title for each in client.harness.push.sent}
    assert titles == {str(english): "Pay €1,250.50", str(german): "Zahlung fällig: 1.250,50 €"}


async def test_a_send_keeps_the_template_version_of_its_plan(client):
    person = await client.add_person()
    first = await client.call("PUT", "/v1/templates/payment_due", json={"texts": TEXTS})
    sent = await client.plan({"people": (person,)}, template="payment_due", variables=PAYMENT)
    # when the words change before it is sent
    changed = {"en": {"title": "Other", "body": "words"}}
    match = {"If-Match": first.headers["etag"]}
    second = await client.call("PUT", "/v1/templates/payment_due", json={"texts": changed}, headers=match)
    await client.harness.run_permits()
    # then
    assert second.headers["etag"] == '"2"'
    assert mail(client.harness.mail.sent[0])["Subject"] == "Pay €1,250.50"
    pinned = await client.harness.rows("SELECT template_version FROM notification WHERE notification_id = %s", (sent,))
    assert pinned == [{"template_version": 1}]
    old = (await client.call("GET", "/v1/templates/payment_due?version=1")).json()
    assert old["texts"]["en"]["title"] == TEXTS["en"]["title"]


@pytest.mark.parametrize(
    ("template", "variables", "why"),
    [
        ("nonesuch", {}, "there is no template 'nonesuch'"),
        ("payment_due", {"student": "Ada"}, "variables are missing: amount, currency, due_on, purpose"),
        ("payment_due", PAYMENT | {"amount": "a lot"}, "not a number"),
    ],
)
async def test_a_notification_that_cannot_be_rendered_fails_and_sends_nothing(client, template, variables, why):
    person = await client.add_person()
    sent = await client.plan({"people": (person,)}, template=template, variables=variables)
    await client.harness.run_permits()
    assert await client.deliveries(sent) == {}
    assert await client.harness.rows("SELECT 1 FROM inbox_item") == []
    (task,) = await client.harness.emitted("task.changed")
    assert task["state"] == "failed"
    assert why in task["error"]
    assert client.harness.mail.sent == client.harness.push.sent == []


async def test_a_template_change_needs_the_present_version(client):
    created = await client.call("PUT", "/v1/templates/own_words", json={"texts": {"en": {"title": "a", "body": "b"}}})
    assert (created.status_code, created.headers["etag"]) == (200, '"1"')
    body = {"texts": {"en": {"title": "c", "body": "d"}}}
    blind = await client.call("PUT", "/v1/templates/own_words", json=body)
    stale = await client.call("PUT", "/v1/templates/own_words", json=body, headers={"If-Match": '"7"'})
    assert (blind.status_code, stale.status_code) == (428, 412)
    assert (await client.call("DELETE", "/v1/templates/own_words", headers={"If-Match": '"1"'})).status_code == 200
    assert (await client.call("GET", "/v1/templates/own_words")).status_code == 404
    # and the name can be used again, as a further version
    again = await client.call("PUT", "/v1/templates/own_words", json=body, headers={"If-Match": '"2"'})
    assert again.headers["etag"] == '"3"'


async def test_all_problems_of_a_template_are_reported_together(client):
    texts = {
        "en": {"title": "{{ studnet }}", "body": "{% for a in b %}{% endfor %}", "html": "<script>x</script>"},
        "xx": {"title": "a", "body": "b"},
    }
    answer = await client.call("PUT", "/v1/templates/absence", json={"texts": texts})
    assert answer.status_code == 422
    messages = " ".join(error["message"] for error in answer.json()["detail"]["errors"])
    for each in (
        "xx: it is not a known language",
        "en: title: unknown variables: studnet",
        "not: for",
        "<script> is not",
    ):
        assert each in messages


async def test_a_template_preview_shows_the_content_and_sends_nothing(client):
    draft = {"texts": {"ar": {"title": "مرحبا {{ student }}", "body": "x", "html": "<p>{{ student }}</p>"}}}
    shown = (await client.call("POST", "/v1/templates/absence/preview", json={"language": "ar", "draft": draft})).json()
    assert (shown["language"], shown["direction"]) == ("ar", "rtl")
    assert shown["title"] == "مرحبا Ada"
    assert 'dir="rtl"' in shown["html"]
    built_in = (await client.call("POST", "/v1/templates/absence/preview", json={"language": "de"})).json()
    assert built_in["title"] == "Ada fehlt"
    assert await client.harness.rows("SELECT 1 FROM template WHERE school_id = %s", (client.school,)) == []
    assert await client.harness.rows("SELECT 1 FROM notification") == []


async def test_templates_of_another_school_are_not_found(client):
    await client.call("PUT", "/v1/templates/own_words", json={"texts": {"en": {"title": "a", "body": "b"}}})
    names = {each["name"] for each in (await client.call("GET", "/v1/templates")).json()}
    assert names == {*builtin.VARIABLES, "own_words"}
    client.school = await client.harness.add_school()
    assert (await client.call("GET", "/v1/templates/own_words")).status_code == 404


async def test_trust_3_the_costliest_preview_leaves_the_loop_to_others(client):
    """A teacher's preview at every limit; other work of the process goes on meanwhile."""
    # given the most that one text may have, in as many languages as there may be
    worst = {"title": "t", "body": "{{ school | upper }}" * 140, "html": "<p>{{ school | trim }}</p>" * 140}
    draft = {"texts": dict.fromkeys(("en", "de", "fr", "ar", "it", "es", "pt", "nl", "pl", "tr", "uk", "ru"), worst)}
    registry = CollectorRegistry()
    watchdog = asyncio.create_task(LoopWatchdog(registry).run())
    # when
    answer = await client.call("POST", "/v1/templates/payment_due/preview", json={"draft": draft})
    await asyncio.sleep(2 * LOOK_SECONDS)
    watchdog.cancel()
    # then
    assert answer.status_code == 200
    assert registry.get_sample_value("schoolconnect_loop_longest_turn_seconds") < 0.5


async def test_trust_3_a_declaration_in_html_is_an_answer_and_no_error(client):
    texts = {"en": {"title": "t", "body": "b", "html": "<![" * 10_000}}
    answer = await client.call("POST", "/v1/templates/payment_due/preview", json={"draft": {"texts": texts}})
    assert answer.status_code == 422
    assert "declarations are not allowed here" in answer.text


async def test_trust_8_a_saved_template_that_fails_ends_its_sends_with_the_reason(client):
    """Texts that an earlier version let pass fail while rendering: the send ends, and its task says why."""
    await client.harness.execute(
        "INSERT INTO template (school_id, name, version, variables, texts) VALUES (%s, 'old', 1, '{x}', %s)",
        (client.school, '{"en": {"title": "t", "body": "{{ x | default(*x) }}"}}'),
    )
    sent = await client.plan(
        {"people": (await client.add_person(),)}, template="old", variables={"x": "abc"}, title="", body=""
    )
    assert await client.state(sent) == "failed"
    task = await client.harness.task(sent)
    assert task["state"] == "failed"
    assert "cannot use what it is given" in task["error"]
