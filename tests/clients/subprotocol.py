"""A script that offers subprotocols, a token among them: subprotocol.py WS_URL PATH OFFER..."""

import asyncio
import json
import sys

import websockets


async def watch(base, path, *offers):
    async with websockets.connect(base + path, subprotocols=offers) as socket:
        print("open", socket.subprotocol, flush=True)
        print(json.loads(await socket.recv())["type"], flush=True)


asyncio.run(watch(*sys.argv[1:]))
