"""Watches a scraping job with compression, with MessagePack or with neither, and prints what it is told."""

import asyncio
import json
import sys

import websockets


async def main(url, path, subprotocol, compression):
    options = {"compression": compression if compression != "none" else None, "ping_interval": None}
    if subprotocol != "none":
        options["subprotocols"] = [subprotocol]
    async with websockets.connect(url + path, **options) as socket:
        print("subprotocol", socket.subprotocol)
        await socket.send("ping" if "/watch" not in path else json.dumps({"type": "ping", "pad": "x" * 300}))
        async for message in socket:
            if isinstance(message, bytes):
                print("bytes", message[:1].hex(), len(message))
            else:
                print("text", len(message), message[:40])
            if b"job_completed" in message if isinstance(message, bytes) else "job_completed" in message:
                return


asyncio.run(main(*sys.argv[1:5]))
