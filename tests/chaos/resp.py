"""A client of Redis that does one command at a time, over asyncio."""

import asyncio


class Refused(Exception):
    """Redis answered a command with an error. The command had no effect."""


class Connection:
    """A connection. Whatever goes wrong closes it, because an answer that comes late would be taken for the next one's."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port, timeout=2.0):
        """Connects to a port of this machine. Raises OSError or TimeoutError."""
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        return cls(reader, writer)

    async def call(self, *words, timeout=2.0):
        """Sends one command. Raises Refused; or OSError, EOFError or TimeoutError, after which the command may have had its effect."""
        try:
            self.writer.write(encoded(words))
            async with asyncio.timeout(timeout):
                return await self._answer()
        except (OSError, EOFError, TimeoutError):
            self.close()
            raise

    async def _answer(self):
        answer = await read_reply(self.reader)
        if isinstance(answer, Refused):
            raise answer
        return answer

    def close(self):
        """Closes it at once."""
        self.writer.transport.abort()


def encoded(words):
    """A command as an array of bulk strings."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


async def read_reply(reader):
    """Reads one reply. An error is returned, so that one inside an array does not lose the rest."""
    line = await reader.readuntil(b"\r\n")
    kind, rest = line[:1], line[1:-2]
    if kind == b"+":
        return rest
    if kind == b"-":
        return Refused(rest.decode())
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == b"-1" else (await reader.readexactly(int(rest) + 2))[:-2]
    if kind == b"*":
        return None if rest == b"-1" else [await read_reply(reader) for _ in range(int(rest))]
    raise EOFError(f"not a reply: {line!r}")


async def once(port, *words, timeout=2.0):
    """Connects, sends one command and closes."""
    connection = await Connection.open(port, timeout)
    try:
        return await connection.call(*words, timeout=timeout)
    finally:
        connection.close()
