"""The probe of a paused service tries what its work needs: room for a row, which stays nowhere."""


async def test_trust_11_the_probe_writes_a_row_and_leaves_none(spine):
    service = spine.build()
    await service.database.open()
    try:
        before = await spine.count(service, "SELECT count(*) FROM outbox")
        wal = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS count"
        since = await spine.count(service, wal)
        await service.database.check_room()
        assert await spine.count(service, wal) - since > 16_000
        assert await spine.count(service, "SELECT count(*) FROM outbox") == before
    finally:
        await service.database.close()
