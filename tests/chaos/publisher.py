"""Publishes events, and knows which of them Redis has answered for."""

import json
import random

from . import resp
from .events import FEEDS, Journal
from .waiting import pause

# Time that an answer of Redis may take; then the connection is given up, and the event may or may not be there.
ANSWER = 2.0
# Time until a publisher without an answer tries again, in seconds.
RETRY = 0.1
# Time for the replica to confirm, in milliseconds.
REPLICA_MS = 1000


class Publisher:
    """A connection and a task for each feed. An event without an answer is followed by another event of the same kind with a number of
    its own, so that no number is published twice, and what is in the stream in the end is what was published."""

    def __init__(self, redis, seed, uses_streams=True):
        self.redis, self.uses_streams = redis, uses_streams
        self.journal = Journal()
        self.unanswered = 0
        self.goes_on = True
        self.order = []
        self.rngs = {feed.name: random.Random(f"{seed}/{feed.name}") for feed in FEEDS}
        self.lanes = {lane: feed.events(self.rngs[feed.name], lane) for feed in FEEDS for lane in feed.lanes}

    async def run(self, feed):
        """Publishes events of a feed until it is told to end."""
        link, rng = Link(self), self.rngs[feed.name]
        while self.goes_on:
            await self._deliver(link, feed, next(self.lanes[rng.choice(feed.lanes)]))
            await pause(rng.expovariate(feed.rate))
        link.close()

    async def _deliver(self, link, feed, event):
        """Tries an event until it is confirmed, each time with another number."""
        while not await self._attempt(link, feed, event):
            self.unanswered += 1
            await pause(RETRY)

    async def _attempt(self, link, feed, event):
        number, payload = self.journal.enter(event)
        try:
            if not await link.publish(feed, event.lane, payload):
                return False
        except (resp.Refused, OSError, EOFError, TimeoutError):
            # A refusal may come from a master that is none any more.
            link.close()
            return False
        self.journal.confirmed.add(number)
        self.order.append((feed.key, number))
        return True

    async def finish(self):
        """Publishes the last milestones of each lane."""
        for feed in FEEDS:
            link = Link(self)
            for lane in feed.lanes:
                await self._last_milestones(link, feed, lane)
            link.close()

    async def _last_milestones(self, link, feed, lane):
        """Publishes until each resource of a channel had a milestone, or until a job's next ending."""
        resources = {"channel:campaigns": 4, "channel:leads": 3}.get(lane)
        seen = set()
        while True:
            event = next(self.lanes[lane])
            await self._deliver(link, feed, event)
            if event.is_milestone if resources else event.is_ending:
                seen.add(event.resource)
            if len(seen) == (resources or 1):
                return


class Link:
    """A connection to the master of the moment, opened when it is needed."""

    def __init__(self, publisher):
        self.publisher, self.connection, self.port = publisher, None, 0

    async def publish(self, feed, lane, payload):
        """Publishes once; whether that is confirmed. Raises as a connection does."""
        port = self.publisher.redis.master.port
        if port != self.port:
            # A demoted master takes PUBLISH for its own subscribers.
            self.close()
        if self.connection is None:
            self.connection, self.port = await resp.Connection.open(port, ANSWER), port
        if not self.publisher.uses_streams:
            return await self.connection.call("PUBLISH", feed.channel(lane), payload, timeout=ANSWER) > 0
        job = ("job", lane.partition("/")[2]) if feed.names_job else ()
        await self.connection.call("XADD", feed.key, "*", *job, "data", payload, timeout=ANSWER)
        return await self._is_replicated()

    async def _is_replicated(self):
        if await self.connection.call("WAIT", 1, REPLICA_MS, timeout=ANSWER) >= 1:
            return True
        # The server may be a master that is none any more.
        raise TimeoutError

    def close(self):
        """Closes what is open."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


async def published(redis):
    """All numbers in Redis' streams, a list a key in the streams' own order: what was published, whatever its publisher knows."""
    connection = await resp.Connection.open(redis.master.port)
    found = {feed.key: await numbers(connection, feed.key) for feed in FEEDS}
    connection.close()
    return found


def answered(order):
    """Numbers that Redis has answered for, a list a key in the order of the answers: the publications without streams."""
    found = {feed.key: [] for feed in FEEDS}
    for key, number in order:
        found[key].append(number)
    return found


async def numbers(connection, key):
    """The numbers of the entries of a stream, read in pages."""
    found, start = [], "-"
    while page := await connection.call("XRANGE", key, start, "+", "COUNT", 1000, timeout=30.0):
        for entry, fields in page:
            found.append(json.loads(fields[fields.index(b"data") + 1])["n"])
            start = "(" + entry.decode()
    return found
