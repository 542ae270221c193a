"""The clients: each holds a cursor, loses its connection in its own way, and comes back."""

import asyncio
import json
import os
import random
import time
from urllib.parse import quote

from .check import Record, Watch
from .events import LANES
from .sockets import Closed, EventStream, NotAnswered, WebSocket
from .waiting import pause

# Time that opening may take, in seconds: a relay that is starting lets look-ups wait for 5 s.
OPENING = 12.0
# Time that a client stays away when the faults are over, in seconds.
CALM_AWAY = 0.1
# Messages that are no events and say nothing that is counted.
IGNORED = ("cursor", "pong", "connection", "heartbeat", "subscribed", "watching")

ROUTES = (
    *((f"/ws/scraping/{n}", (Watch(f"scraping/{n}"),)) for n in range(1, 7)),
    *((f"/ws/download/d{n}", (Watch(f"downloads/d{n}"),)) for n in range(1, 5)),
    *((f"/ws/t{n}", (Watch(f"tasks/t{n}"),)) for n in range(1, 4)),
    ("/ws/campaigns", (Watch("channel:campaigns"),)),
    ("/ws/campaigns?campaign_id=2", (Watch("channel:campaigns", "2"),)),
    ("/ws?channels=campaigns,leads", (Watch("channel:campaigns"), Watch("channel:leads"))),
)
TARGETS = (
    ("scraping/1", "downloads/d1", "tasks/t1"),
    ("scraping/*",),
    ("channel:campaigns", "room:lead:2"),
    # A room is of the streams of all channels.
    ("room:campaign:1", "scraping/2"),
    ("downloads/*", "tasks/*"),
    ("scraping/*", "downloads/*", "tasks/*", "channel:campaigns", "channel:leads"),
)
ROOMS = {"campaign": "channel:campaigns", "lead": "channel:leads"}


def watch_of(target):
    """The watch of a target of /watch."""
    if target.startswith("room:"):
        _, kind, resource = target.split(":")
        return Watch(ROOMS[kind], resource)
    return Watch(target)


class Behaviour:
    """A client's way with its connections: how long it holds them, with which relay, and whether it reads."""

    def __init__(self, name, rng):
        self.name, self.rng = name, rng

    def lifetime(self):
        """Seconds after which it leaves; None where it stays."""
        return self.rng.expovariate(1 / 2.0) if self.name in ("churning", "hopping") else None

    def relay(self, last):
        """The number of the relay that it goes to next."""
        return 1 - last if self.name == "hopping" else last

    def seconds_of_reading(self):
        """Seconds until it stops reading; None where it does not."""
        return self.rng.uniform(0.2, 3.0) if self.name == "stalled" else None

    def seconds_of_stalling(self):
        """Seconds for which it then reads nothing."""
        return self.rng.uniform(2.0, 14.0)

    def seconds_away(self):
        """Seconds until it comes back after a connection."""
        return self.rng.uniform(0.0, 1.5)

    def seconds_refused(self):
        """Seconds until it tries again after a connection that was not opened."""
        return self.rng.uniform(0.1, 0.5)


class Client:
    """A client and what it got."""

    def __init__(self, number, world, behaviour, path, watches, *, is_stream, is_watch, from_start):
        self.world, self.behaviour, self.path = world, behaviour, path
        self.is_stream, self.is_watch, self.from_start = is_stream, is_watch, from_start
        transport = "sse" if is_stream else "ws"
        self.number = number
        name = f"{number:02} {behaviour.name} {transport} {path}{' from the start' if from_start else ''}"
        self.record = Record(name, list(watches), LANES)
        self.cursor, self.at_relay = None, number % 2
        self.has_state, self.owed = set(), None
        self.opened = self.refused = 0
        self.closes, self.is_settled = {}, False
        self.trace = open(os.path.join(world.folder, f"client-{number:02}.log"), "w", encoding="utf-8")
        self._note(name)

    def _note(self, text):
        """Writes a line of what happened to the client's log."""
        print(f"{time.monotonic() - self.world.began:7.3f} {text}", file=self.trace)

    async def run(self):
        """Connects again and again until it is cancelled."""
        while True:
            self.at_relay = self.behaviour.relay(self.at_relay)
            try:
                async with asyncio.timeout(OPENING):
                    connection = await self._open()
            except (NotAnswered, OSError, EOFError, TimeoutError) as error:
                self._note(f"not opened at relay-{self.at_relay}: {error!r}")
                self.refused += 1
                self.at_relay = self.behaviour.rng.randrange(2)
                await pause(self.behaviour.seconds_refused())
                continue
            self.opened += 1
            self._begin()
            await self._hold(connection)
            await pause(CALM_AWAY if self.world.is_calm else self.behaviour.seconds_away())

    async def _open(self):
        port = self.world.doors[self.at_relay].port
        joint = "&" if "?" in self.path else "?"
        since = self.cursor or ("0" if self.from_start else None)
        if self.is_stream:
            return await EventStream.open(port, self.path, since)
        more = [*(() if self.is_watch else ("cursor=1",)), *((f"since={since}",) if since else ())]
        return await WebSocket.open(port, self.path + (joint + "&".join(more) if more else ""))

    def _begin(self):
        """Prepares for what a connection begins with: nothing behind a cursor, else states."""
        self.owed = None
        self._note(f"opened at relay-{self.at_relay} behind {self.cursor}")
        self.record.goes_back()
        if self.cursor is None:
            self.record.begin_anew(float("-inf") if self.from_start and self.world.keeps_all else time.monotonic())
        self.has_state = set() if self.cursor is None and not self.from_start else None

    async def _hold(self, connection):
        lifetime = None if self.world.is_calm else self.behaviour.lifetime()
        is_polite = self.behaviour.rng.random() < 0.5
        self.is_settled = lifetime is None
        try:
            async with asyncio.timeout(lifetime):
                await self._read(connection)
        except TimeoutError:
            self._closed("left")
        except Closed as closed:
            self._closed(closed.code)
        except (OSError, EOFError):
            self._closed("broken")
        finally:
            self.is_settled = False
            connection.close(is_polite)

    def _closed(self, how):
        self._note(f"closed: {how}")
        self.closes[how] = self.closes.get(how, 0) + 1

    async def _read(self, connection):
        stop = self.behaviour.seconds_of_reading()
        stop_at = time.monotonic() + stop if stop else None
        while True:
            text, last_id = await connection.receive()
            if text is not None:
                message = json.loads(text)
                self._take(message)
                last_id = message.get("cursor") or last_id
            if last_id:
                # The cursor is the last to change: what was not counted is asked for again.
                self.cursor = last_id
                self.record.got_cursor()
            if stop_at and time.monotonic() > stop_at and not self.world.is_calm:
                self._note("stalls")
                await self.world.calm_or(self.behaviour.seconds_of_stalling())
                stop_at = time.monotonic() + self.behaviour.seconds_of_reading()

    def _take(self, message):
        kind = message.get("type")
        if kind == "gap":
            self.owed = None
            target = message.get("target")
            self.record.gap(message["reason"], time.monotonic(), watch_of(target) if target else None)
            self.has_state = set()
        elif kind == "ended" and self.is_watch:
            self.owed = None if self.owed == message["target"] else self.owed
        elif kind == "error" and "n" not in message:
            self.record.wrongs.append(f"got an error: {message}")
        elif kind not in IGNORED:
            self._event(message)
            return
        self._note(f"got {kind} {message}")

    def _event(self, message):
        if self.owed:
            self.record.wrongs.append(f"{self.owed} ended, and no `ended` followed")
            self.owed = None
        payload = message["event"] if "event" in message else message
        payload = payload.get("data", payload) if isinstance(payload, dict) else {}
        number = payload.get("n")
        if number is None:
            # A dialect made this up for a job that it does not know.
            return
        sent = self.world.sent(number)
        self._note(f"{number} {sent.lane}{' snapshot' if message.get('snapshot') else ''} {message.get('cursor')}")
        self.world.deliveries += 1
        self.record.took(sent.lane, number, time.monotonic(), self._is_state(message, sent.lane))
        if self.is_watch and sent.is_ending and not message.get("snapshot"):
            self.owed = sent.lane

    def _is_state(self, message, lane):
        """Whether it is the state of a job, which comes first where a cursor was not honoured."""
        if self.is_watch:
            return bool(message.get("snapshot"))
        if self.has_state is None or lane.startswith("channel:") or lane in self.has_state:
            return False
        self.has_state.add(lane)
        return True


def crowd(world, seed, rounds):
    """Clients of every transport, route and behaviour, `rounds` times 16, with targets in turns."""
    clients = []
    for number in range(16 * rounds):
        rng = random.Random(f"{seed}/client/{number}")
        behaviour = Behaviour(("steady", "stalled", "churning", "hopping")[number // 4 % 4], rng)
        is_stream, is_watch = bool(number & 1), bool(number & 2)
        if is_watch:
            targets = TARGETS[(number // 4 + number) % len(TARGETS)]
            path = "/watch?" + "&".join(f"target={quote(target, safe='')}" for target in targets)
            watches = [watch_of(target) for target in targets]
        else:
            path, watches = ROUTES[(number // 4 + number) % len(ROUTES)]
        from_start = rng.random() < 0.3
        clients.append(
            Client(number, world, behaviour, path, watches, is_stream=is_stream, is_watch=is_watch, from_start=from_start)
        )
    return clients
