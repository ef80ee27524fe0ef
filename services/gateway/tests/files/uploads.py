"""Uploads a file, and looks at what was kept of it."""

from uuid import uuid4

from gateway.files.intake import original_key

UPLOADS = "SELECT * FROM upload WHERE school_id = %s ORDER BY file_id"

UPLOADED = """
SELECT data::jsonb AS data FROM outbox
WHERE routing_key = 'file.uploaded' AND data::jsonb ->> 'school_id' = %s ORDER BY position
"""

PDF = b"%PDF-1.7 made-up"


async def add_student(gateway, school, guardian=None, *, billing=True):
    student = await gateway.add_person(school, "student")
    async with gateway.service.transactions.begin() as tx:
        await tx.execute("INSERT INTO student (school_id, student_id) VALUES (%s, %s)", (school, student))
        if guardian:
            query = "INSERT INTO guardianship (school_id, student_id, guardian_id, billing) VALUES (%s, %s, %s, %s)"
            await tx.execute(query, (school, student, guardian, billing))
    return student


async def upload(gateway, school, content=PDF, role="staff", person=None, key=None, name="receipt.pdf", **form):
    data = {"kind": "payment_receipt"} | {field.removeprefix("form_"): str(value) for field, value in form.items()}
    headers = {"Idempotency-Key": key} if key else None
    files = {"file": (name, content, "application/pdf")}
    return await gateway.ask(
        "POST", "/v1/files", role, school, person or uuid4(), headers=headers, data=data, files=files
    )


async def content_of(store, school, file):
    blob = await store.open(original_key(school, file))
    return b"".join([part async for part in blob.chunks()])


async def keys(store, school):
    return [blob.key async for blob in store.list(f"files/{school}/")]
