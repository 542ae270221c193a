"""A script that watches a scraping job to its end: scraping.py WS_URL JOB"""

import asyncio
import json
import sys

import websockets


async def watch(base, job):
    async with websockets.connect(f"{base}/ws/scraping/{job}") as socket:
        print("open", flush=True)
        while True:
            event = json.loads(await socket.recv())
            print(event["event_type"], event.get("progress"), event["results_count"], event["message"], flush=True)
            if event["event_type"] in ("job_completed", "job_failed"):
                break


asyncio.run(watch(*sys.argv[1:]))
