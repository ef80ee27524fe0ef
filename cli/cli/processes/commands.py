"""Run short commands of the machine."""

import asyncio


async def succeeds(argv: tuple[str, ...], limit: float) -> bool:
    """Whether the program exists and ends with 0 within `limit` seconds; it has no input and prints nothing."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    try:
        return await asyncio.wait_for(process.wait(), limit) == 0
    except TimeoutError:
        return False
    finally:
        # Also when this task is cancelled while the program runs.
        if process.returncode is None:
            process.kill()
            await process.wait()
