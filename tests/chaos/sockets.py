"""WebSocket and Server-Sent Events, as a client that knows nothing of jobwire."""

import asyncio
import base64
import json
import os
import socket
import struct

# Received bytes that wait in a client that has stopped reading; the rest stays in the kernel, and then at the relay.
WAITING_BYTES = 16 << 10
# Receive buffer of the kernel, small for the same reason.
RECEIVE_BUFFER = 8 << 10
# The longest message that is taken.
MAX_MESSAGE = 4 << 20


class Closed(Exception):
    """A connection has ended, with the close code where there was one, else 0."""

    def __init__(self, code=0, reason=""):
        super().__init__(f"{code} {reason}".strip())
        self.code = code


class NotAnswered(Exception):
    """A request was refused, with the status of HTTP."""

    def __init__(self, status):
        super().__init__(f"HTTP {status}")
        self.status = status


async def connect(port):
    """A TCP connection with a small receive buffer."""
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    tcp.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(tcp, ("127.0.0.1", port))
        return await asyncio.open_connection(sock=tcp, limit=WAITING_BYTES)
    except BaseException:
        tcp.close()
        raise


async def request(port, path, headers):
    """Sends a GET and reads the head of the answer: reader, writer, status and the head in small letters."""
    reader, writer = await connect(port)
    try:
        head = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *headers]
        writer.write(("\r\n".join(head) + "\r\n\r\n").encode())
        answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        return reader, writer, int(answer.split(" ", 2)[1]), answer.lower()
    except BaseException:
        writer.transport.abort()
        raise


class WebSocket:
    """A socket whose messages are texts without ids."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port, path):
        """Upgrades. Raises NotAnswered, OSError or EOFError."""
        key = base64.b64encode(os.urandom(16)).decode()
        headers = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
        reader, writer, status, _ = await request(port, path, headers)
        if status != 101:
            writer.transport.abort()
            raise NotAnswered(status)
        return cls(reader, writer)

    async def receive(self):
        """The next message, as (text, no id). Answers pings meanwhile. Raises Closed, OSError or EOFError."""
        while True:
            opcode, payload = await self._frame()
            if opcode == 1:
                return payload.decode(), None
            if opcode == 8:
                code = struct.unpack("!H", payload[:2])[0] if payload else 1005
                raise Closed(code, payload[2:].decode(errors="replace"))
            if opcode == 9:
                self._send(10, payload)

    async def _frame(self):
        first, length = await self.reader.readexactly(2)
        if length == 126:
            (length,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
        if first & 0x80 == 0 or length > MAX_MESSAGE:
            raise Closed(0, f"an impossible frame: {first:#x} {length}")
        return first & 0x0F, await self.reader.readexactly(length)

    def _send(self, opcode, payload):
        # The mask is all zeros, which RFC 6455 allows a client that is not a browser.
        self.writer.write(bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload)

    def close(self, politely):
        """Ends it, with a close frame or as a network that breaks."""
        if politely and not self.writer.is_closing():
            self._send(8, struct.pack("!H", 1000))
        end(self.writer, politely)


class EventStream:
    """An event stream whose messages are texts with the last id."""

    def __init__(self, reader, writer, is_chunked):
        self.reader, self.writer, self.is_chunked = reader, writer, is_chunked
        self.buffer = b""

    @classmethod
    async def open(cls, port, path, last_id):
        """Asks for the stream behind an id. Raises NotAnswered, OSError or EOFError."""
        headers = ["Accept: text/event-stream"] + ([f"Last-Event-ID: {last_id}"] if last_id else [])
        reader, writer, status, head = await request(port, path, headers)
        if status != 200:
            writer.transport.abort()
            raise NotAnswered(status)
        return cls(reader, writer, "\r\ntransfer-encoding: chunked\r\n" in head)

    async def receive(self):
        """The next block that says something, as (text or None, id or None). Raises Closed, OSError or EOFError."""
        while True:
            data, last_id, event = await self._block()
            if event == "close":
                raise Closed(*code_of(data))
            if data or last_id is not None:
                return ("\n".join(data) if data else None), last_id

    async def _block(self):
        data, last_id, event = [], None, None
        while line := (await self._line()):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data.append(value)
            elif name == "id":
                last_id = value
            elif name == "event":
                event = value
        return data, last_id, event

    async def _line(self):
        while b"\n" not in self.buffer:
            self.buffer += await self._more()
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode().rstrip("\r")

    async def _more(self):
        """Reads bytes of the body, without the chunks that a proxy puts them into."""
        if not self.is_chunked:
            length = 4096
        elif (length := int(await self.reader.readuntil(b"\r\n"), 16)) > 0:
            return (await self.reader.readexactly(length + 2))[:-2]
        data = await self.reader.read(length)
        if not data:
            raise EOFError
        return data

    def close(self, politely):
        """Ends it, in order or as a network that breaks."""
        end(self.writer, politely)


def code_of(data):
    """Code and reason of an `event: close`."""
    said = json.loads("\n".join(data))
    return said.get("code", 0), said.get("reason", "")


def end(writer, politely):
    """Closes what a writer writes to."""
    if politely:
        writer.close()
    else:
        writer.transport.abort()
