"""What the notifier says about a person for an export."""


async def exported(client, person):
    answer = await client.call("GET", f"/personal-data/{person}", role="school_admin")
    assert answer.status_code == 200, answer.text
    return answer.json()["parts"]


async def test_what_a_person_was_sent_and_what_is_about_a_student_is_exported(client):
    # given
    guardian, stranger = await client.add_person(), await client.add_person()
    student = await client.add_student(guardian)
    sent = await client.plan({"students": [student]}, title="A made-up title", requested_by=stranger)
    await client.plan({"people": [stranger]}, title="Not theirs")
    query = (
        "INSERT INTO suppression (school_id, channel, target, reason, active) VALUES (%s, 'mail', %s, 'bounced', true)"
    )
    await client.harness.execute(query, (client.school, f"{guardian}@example.org"))
    # when
    theirs, childs, requested = [await exported(client, each) for each in (guardian, student, stranger)]
    # then
    assert [each["title"] for each in theirs["notifications"]] == ["A made-up title"]
    assert {each["channel"] for each in theirs["deliveries"]} == {"push", "mail", "inbox"}
    assert {each["address"] for each in theirs["deliveries"]} >= {f"{guardian}@example.org"}
    assert [each["notification_id"] for each in theirs["inbox"]] == [str(sent)]
    assert [each["reason"] for each in theirs["suppressions"]] == ["bounced"]
    assert [each["title"] for each in childs["notifications"]] == ["A made-up title"]
    assert [each["notification_id"] for each in requested["requested_notifications"]] == [str(sent)]
    assert "A made-up title" not in str(requested)
    # and nothing of it at another school
    await client.set_school()
    client.school = await client.harness.add_school()
    assert not any((await exported(client, guardian)).values())
