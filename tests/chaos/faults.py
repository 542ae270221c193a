"""The faults: a sequence made of a seed, and how each is done to the servers."""

import asyncio
import random
import signal
from dataclasses import dataclass

from . import resp
from .waiting import pause, until

# The limits of the output buffers of Redis while they are squeezed, and otherwise.
SQUEEZED = "normal 64kb 0 0 pubsub 16kb 0 0"
NORMAL = "normal 0 0 0 pubsub 32mb 8mb 60"


@dataclass(frozen=True)
class Fault:
    """A fault: its time in seconds from the start, its name, the server it is done to, and how long it lasts in seconds."""

    at: float
    name: str
    target: str
    seconds: float

    def __str__(self):
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.at:6.1f} s  {self.target} {self.name}{lasting}"


@dataclass(frozen=True)
class Kind:
    """A kind of fault: how often it comes, to which of the targets, and how long it lasts at least and at most, in seconds."""

    weight: int
    targets: tuple
    least: float
    most: float


RELAYS = ("relay-0", "relay-1")
KINDS = {
    "killed": Kind(4, (*RELAYS, *RELAYS, "redis", "redis"), 0.1, 4.0),
    "stopped": Kind(4, (*RELAYS, "redis"), 1.0, 15.0),
    "drained": Kind(1, RELAYS, 0.1, 3.0),
    "clients killed": Kind(2, ("redis",), 0.0, 0.0),
    "clients paused": Kind(2, ("redis",), 0.5, 6.0),
    "buffers squeezed": Kind(2, RELAYS, 2.0, 6.0),
    "network cut": Kind(1, ("redis",), 0.0, 0.0),
    "network silent": Kind(1, ("redis",), 0.5, 8.0),
    "failed over": Kind(2, ("redis",), 0.0, 0.0),
    "killed, replica promoted": Kind(2, ("redis",), 0.5, 4.0),
    "stopped, replica promoted": Kind(1, ("redis",), 1.0, 6.0),
    "replica stopped": Kind(1, ("redis",), 1.0, 3.0),
}
# Time after a fault in which nothing more is done to its target, so that some of it comes back between two, in seconds.
SETTLE = 1.5
# Time for Redis' own failover, in seconds.
FAILOVER = 6.0


def sequence(seed, seconds):
    """The faults of a run: never two at once at one target, all over by the end."""
    rng = random.Random(f"{seed}/faults")
    free_from = dict.fromkeys((*RELAYS, "redis"), 0.0)
    found, at = [], 2.0
    while at < seconds - 2.0:
        name = rng.choices(list(KINDS), [kind.weight for kind in KINDS.values()])[0]
        kind = KINDS[name]
        target = rng.choice(kind.targets)
        # Short ones are more frequent.
        lasting = min(kind.least + (kind.most - kind.least) * rng.random() ** 2, seconds - at)
        lasting = max(lasting, 0.0)
        if at >= free_from[target]:
            found.append(Fault(round(at, 1), name, target, round(lasting, 1)))
            free_from[target] = at + lasting + SETTLE
            at += rng.uniform(0.2, 3.0)
        else:
            at += 0.2
    return found


class Hand:
    """Does the faults to the servers, and says so."""

    def __init__(self, redis, relays, say):
        self.redis, self.say = redis, say
        self.relays = {relay.name: relay for relay in relays}
        # A fault that takes longer than planned holds up the next one at its target. Two at once would start a server twice.
        self.turns = {target: asyncio.Lock() for target in (*RELAYS, "redis")}
        self.done, self.skipped = 0, 0

    async def do(self, fault):
        """Does one fault and what ends it. Raises TimeoutError where a server does not come back."""
        deed = {
            "killed": self._kill,
            "stopped": self._stop,
            "drained": self._drain,
            "clients killed": self._kill_clients,
            "clients paused": self._pause_clients,
            "buffers squeezed": self._squeeze,
            "network cut": self._cut,
            "network silent": self._silence,
            "failed over": self._fail_over,
            "killed, replica promoted": self._promote_after_kill,
            "stopped, replica promoted": self._promote_after_stop,
            "replica stopped": self._stop_replica,
        }[fault.name]
        async with self.turns[fault.target]:
            is_done = await deed(fault)
        self.done += is_done is not False
        if is_done is False:
            self.skipped += 1
            self.say(f"skipped: {fault}")

    def _server(self, fault):
        return self.relays.get(fault.target) or self.redis.master

    async def _kill(self, fault):
        server = self._server(fault)
        await server.kill()
        await pause(fault.seconds)
        await server.start()

    async def _drain(self, fault):
        server = self._server(fault)
        await server.kill(signal.SIGTERM)
        await pause(fault.seconds)
        await server.start()

    async def _stop(self, fault):
        await self._hold(self._server(fault), fault.seconds)

    async def _stop_replica(self, fault):
        await self._hold(self.redis.replica, fault.seconds)

    async def _hold(self, server, seconds):
        server.send(signal.SIGSTOP)
        await pause(seconds)
        server.send(signal.SIGCONT)

    async def _kill_clients(self, _):
        for kind in ("pubsub", "normal"):
            await self.redis.master.try_call("CLIENT", "KILL", "TYPE", kind)

    async def _pause_clients(self, fault):
        await self.redis.master.try_call("CLIENT", "PAUSE", int(fault.seconds * 1000), "ALL")
        await pause(fault.seconds)

    async def _squeeze(self, fault):
        """A relay stops reading, and Redis keeps little for it."""
        for server in self.redis.servers:
            await self._limit_buffers(server, SQUEEZED)
        await self._hold(self._server(fault), fault.seconds)
        for server in self.redis.servers:
            # A server that is paused or stopped takes them later; one that was started again has the limits of its start.
            await server.until("to widen its buffers", lambda server=server: self._limit_buffers(server, NORMAL))

    async def _limit_buffers(self, server, limits):
        return await server.try_call("CONFIG", "SET", "client-output-buffer-limit", limits) == b"OK"

    async def _cut(self, _):
        self.redis.switch.cut()

    async def _silence(self, fault):
        self.redis.switch.hang(True)
        await pause(fault.seconds)
        self.redis.switch.hang(False)

    async def _fail_over(self, _):
        """Redis' own failover: the master waits until the replica has all."""
        old, new = self.redis.master, self.redis.replica
        if not await self.redis.is_in_sync():
            return False
        await old.try_call("FAILOVER", "TO", "127.0.0.1", new.port, "TIMEOUT", 5000)
        try:
            await until("the replica to be the master", new.is_master, FAILOVER)
        except TimeoutError:
            # Redis gave it up.
            return False
        self.redis.change_places()
        return True

    async def _promote_after_kill(self, fault):
        if not await self.redis.is_in_sync():
            return False
        old = self.redis.master
        await old.kill()
        await self._promote()
        await pause(fault.seconds)
        await old.start(self.redis.master)
        return True

    async def _promote_after_stop(self, fault):
        """The old master hangs while it loses its part, and goes on believing in it until it is told."""
        if not await self.redis.is_in_sync():
            return False
        old = self.redis.master
        old.send(signal.SIGSTOP)
        await self._promote()
        await pause(fault.seconds)
        old.send(signal.SIGCONT)
        await old.until("to become a replica", lambda: self._demote(old))
        return True

    async def _promote(self):
        new = self.redis.replica
        await resp.once(new.port, "REPLICAOF", "NO", "ONE", timeout=10.0)
        self.redis.change_places()

    async def _demote(self, old):
        return await old.try_call("REPLICAOF", "127.0.0.1", self.redis.master.port) is not None
