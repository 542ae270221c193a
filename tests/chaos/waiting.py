"""Time: what passes on purpose, and what is waited for with a deadline. No other module here sleeps."""

import asyncio
import time

# Time between two looks at a condition, in seconds.
LOOK = 0.02


async def pause(seconds):
    """Lets time pass that belongs to what is tried: a fault lasts, a client stays away, a publisher keeps its rate."""
    await asyncio.sleep(max(0.0, seconds))


async def until(what, condition, seconds):
    """Waits until a condition holds, for so many seconds. Raises TimeoutError with what was waited for."""
    end = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        await asyncio.sleep(LOOK)
