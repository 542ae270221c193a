"""A run: servers, clients, a publisher and faults, then calm, then the count."""

import asyncio
import collections
import os
import time

from .check import Truth, blind_spots, judge
from .clients import crowd
from .events import DIALECTS, FEEDS
from .faults import Hand, sequence
from .publisher import Publisher, answered, published
from .servers import Group, RedisPair, Relay
from .waiting import pause, until

# Time after the last fault for relays to be ready, and for clients to have all, in seconds.
RECOVERY = 60.0
# Time for an event that comes twice to arrive, when everybody has everything, in seconds.
REPEATS = 1.0
# Findings that are printed of a client.
SHOWN = 5


class Run:
    """The parts of a run, and answers to its clients."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.group = Group()
        self.redis = RedisPair(folder, self.group)
        more = ["--streams", DIALECTS] if options.streams else []
        more += ["--outbox", "128KiB"]
        self.relays = [
            Relay(f"relay-{n}", folder, self.group, options.binary, self.redis.switch.port, more) for n in range(2)
        ]
        # Servers that clients connect to.
        self.doors = self.relays
        self.publisher = Publisher(self.redis, options.seed, options.streams)
        self.keeps_all = options.streams
        self.deliveries, self.proved = 0, 0
        self.calm, self.began = asyncio.Event(), time.monotonic()
        self.clients = crowd(self, options.seed, options.rounds)
        self.hand = Hand(self.redis, self.relays, self.say)

    @property
    def is_calm(self):
        """Whether the faults are over: clients stay connected and read."""
        return self.calm.is_set()

    async def calm_or(self, seconds):
        """Waits for so many seconds, or until it is calm."""
        try:
            async with asyncio.timeout(seconds):
                await self.calm.wait()
        except TimeoutError:
            pass

    def sent(self, number):
        """An event that was published, by its number."""
        return self.publisher.journal.sent[number]

    def say(self, text):
        """Prints a line with the time."""
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    async def go(self):
        """Goes through it all. Gives what is wrong, by client."""
        await self.redis.start()
        await asyncio.gather(*(relay.start() for relay in self.relays))
        await self._until_ready()
        self.began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            background = [tasks.create_task(client.run()) for client in self.clients]
            feeds = [tasks.create_task(self.publisher.run(feed)) for feed in FEEDS]
            await self._faults()
            self.publisher.goes_on = False
            self.calm.set()
            await asyncio.wait(feeds)
            await self._until_ready()
            await self._until_settled()
            await self.publisher.finish()
            truth = await self._truth()
            await self._until_complete(truth)
            for task in background:
                task.cancel()
        return self._judged(truth)

    async def _faults(self):
        faults = sequence(self.options.seed, self.options.seconds) if self.options.faults else []
        async with asyncio.TaskGroup() as tasks:
            for fault in faults:
                await pause(self.began + fault.at - time.monotonic())
                lasting = f" for {fault.seconds:.1f} s" if fault.seconds else ""
                self.say(f"{fault.target} {fault.name}{lasting}")
                tasks.create_task(self.hand.do(fault))
        await pause(self.began + self.options.seconds - time.monotonic())
        self.say("calm")

    async def _until_ready(self):
        for relay in self.relays:
            await relay.until("to be ready", relay.is_ready)
        await self.redis.replica.until("to be in sync", self.redis.is_in_sync)

    async def _until_settled(self):
        """Waits until all clients hold a connection that they will keep."""

        async def are_settled():
            return all(client.is_settled for client in self.clients)

        try:
            await until("all clients to be connected", are_settled, RECOVERY)
        except TimeoutError as error:
            away = [client.record.name for client in self.clients if not client.is_settled]
            raise TimeoutError(f"{error}; away are {away}") from None

    async def _truth(self):
        streams = await published(self.redis) if self.options.streams else answered(self.publisher.order)
        return Truth(self.publisher.journal, streams, self.options.streams)

    async def _until_complete(self, truth):
        """Waits until everybody has the last milestone of each lane, as long as that may take."""
        records = [client.record for client in self.clients]
        last = [(record, lane, must[-1]) for record in records for lane in record.lanes if (must := truth.milestones(lane, record))]

        async def are_complete():
            return all(record.has(lane, number) for record, lane, number in last)

        try:
            await until("the last milestones", are_complete, RECOVERY)
        except TimeoutError:
            # The count then says who lacks which.
            self.say("somebody lacks a last milestone")
            return
        self.say("everybody has the last milestones")
        await pause(REPEATS)

    def _judged(self, truth):
        # Somebody got an event that a failover then took back: positions behind it are lost with it.
        taken_back = truth.taken_back([client.record for client in self.clients])
        if taken_back:
            self.say(f"taken back by a failover: {sorted(taken_back)}")
        may_gap = not self.options.streams or bool(taken_back)
        found = {client.record.name: judge(client.record, truth, may_gap) for client in self.clients}
        found["redis"] = [f"{n} was answered for, and is gone" for n in truth.lost_by_redis()]
        found["count"] = []
        for client in self.clients:
            proved, unnoticed = blind_spots(client.record, truth)
            self.proved += proved
            found["count"] += unnoticed
        return {name: wrongs for name, wrongs in found.items() if wrongs}

    def summary(self):
        """A few lines about what was published, delivered and done."""
        journal = self.publisher.journal
        gaps = collections.Counter(gap for client in self.clients for gap in client.record.gaps)
        closes = collections.Counter()
        for client in self.clients:
            closes.update({str(how): times for how, times in client.closes.items()})
        again = sum(client.record.sent_again for client in self.clients)
        opened = sum(client.opened for client in self.clients)
        refused = sum(client.refused for client in self.clients)
        return "\n".join((
            f"published {len(journal.sent)}, confirmed {len(journal.confirmed)}, delivered {self.deliveries} to {len(self.clients)} clients",
            f"connections {opened}, refused {refused}, ended by {dict(closes.most_common())}",
            f"faults {self.hand.done}, skipped {self.hand.skipped}; gaps told {dict(gaps.most_common())}; came without a cursor and again {again}",
            f"the count noticed {self.proved} events that were dropped, repeated or swapped to prove it",
        ))

    async def stop(self):
        """Ends all processes, and the switch."""
        self.group.end()
        await self.redis.switch.stop()


def report(found, journal, folder):
    """Prints what is wrong. All events go to a file beside the logs."""
    with open(os.path.join(folder, "events.log"), "w", encoding="utf-8") as log:
        for number, sent in journal.sent.items():
            answer = "answered" if number in journal.confirmed else "unanswered"
            print(number, f"{sent.at:.3f}", answer, sent.lane, sent.said, file=log)
    for name, wrongs in found.items():
        print(f"{name}: {len(wrongs)} wrong")
        for wrong in wrongs[:SHOWN]:
            print(f"    {wrong}")
    print(f"logs are in {os.path.abspath(folder)}")
