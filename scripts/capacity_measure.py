"""Measurements of `scripts/capacity --measure`: bench against a relay and a Redis of its own, and Redis by itself."""

import json
import os
import socket
import subprocess
import threading
import time
from dataclasses import dataclass

PAYLOAD = '{"job_id":%d,"event_type":"job_progress","status":"running","progress":1,"results_count":0,"message":"%s","metadata":{},"timestamp":"2026-01-01T00:00:00"}'
# Events that Redis is given at a time.
PIPELINE = 50
# Subscribers or readers that stand for relays.
READERS = (0, 1, 8)


@dataclass(frozen=True)
class Extent:
    """Extent of the measurements. `runs` are those of bench by the name of their report: `own` has a job for each watcher, `crowd` one
    for all. `settle` is how long a relay may take to give memory back and to write all state, in seconds."""

    runs: dict
    events: int
    jobs: int
    sockets: int
    settle: float


FULL = Extent(
    {
        "idle": ["idle", "scraping", "-c", "8k", "-d", "5s"],
        "crowd": ["fanout", "scraping", "-c", "500", "--jobs", "1", "-r", "100", "-d", "10s"],
        "own": ["fanout", "scraping", "-c", "500", "--jobs", "500", "-r", "4000", "-d", "10s"],
        "connect": ["connect", "scraping", "-c", "100", "-n", "20k"],
    },
    events=100_000,
    jobs=50_000,
    sockets=4_000,
    settle=15.0,
)
QUICK = Extent(
    {
        "idle": ["idle", "scraping", "-c", "20", "-d", "1s", "--warm-up", "0s"],
        "crowd": ["fanout", "scraping", "-c", "20", "--jobs", "1", "-r", "50", "-d", "1s"],
        "own": ["fanout", "scraping", "-c", "20", "--jobs", "20", "-r", "50", "-d", "1s"],
        "connect": ["connect", "scraping", "-c", "5", "-n", "50"],
    },
    events=500,
    jobs=500,
    sockets=20,
    settle=2.0,
)


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        return tcp.getsockname()[1]


class Redis:
    """A connection that sends commands and reads what is answered, without looking at it."""

    def __init__(self, port):
        self.tcp = socket.create_connection(("127.0.0.1", port), 10)
        self.file = self.tcp.makefile("rb")

    @staticmethod
    def encoded(words):
        """A command as Redis reads it."""
        parts = [str(word).encode() for word in words]
        return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)

    def call(self, *words):
        """One command, answered by one line or one text."""
        self.tcp.sendall(self.encoded(words))
        return self.reply()

    def reply(self):
        """Reads one answer."""
        line = self.file.readline()
        if not line:
            raise OSError("Redis closed the connection")
        if line[:1] == b"$":
            return self.file.read(int(line[1:]) + 2)[:-2]
        if line[:1] == b"*":
            return [self.reply() for _ in range(max(0, int(line[1:])))]
        if line[:1] == b"-":
            raise OSError(line.decode())
        return line[1:-2]

    def cpu_micros(self):
        """Processor time that the server has used, in microseconds."""
        info = dict(line.split(":", 1) for line in self.call("INFO", "cpu").decode().splitlines() if ":" in line)
        return (float(info["used_cpu_sys"]) + float(info["used_cpu_user"])) * 1e6

    def flood(self, command, events):
        """Sends a command many times. Gives the server's CPU for each, in microseconds."""
        before = self.cpu_micros()
        batch = self.encoded(command) * PIPELINE
        for _ in range(events // PIPELINE):
            self.tcp.sendall(batch)
            for _ in range(PIPELINE):
                self.reply()
            # A relay reads while a worker is busy with the next event.
            time.sleep(0.0005)
        return (self.cpu_micros() - before) / events


def read_all(tcp):
    """Reads and throws away, until the end."""
    try:
        while tcp.recv(1 << 16):
            pass
    except OSError:
        pass


def follow(port):
    """Reads a stream as a relay does, until the end."""
    redis, last = Redis(port), "$"
    try:
        while True:
            for _, entries in redis.call("XREAD", "COUNT", 1000, "BLOCK", 5000, "STREAMS", "measured", last) or []:
                last = entries[-1][0].decode()
    except (OSError, ValueError):
        pass


def redis_micros(port, command, events, start_reader):
    """Redis' CPU an event for each number of readers, as pairs."""
    found = []
    for count in READERS:
        with_readers = count - (found[-1][0] if found else 0)
        for _ in range(with_readers):
            start_reader()
        time.sleep(0.3)
        found.append((count, Redis(port).flood(command, events)))
    return found


def measure_redis(port, events):
    """Redis' CPU for PUBLISH and XADD, with so many relays."""

    def subscribe():
        redis = Redis(port)
        redis.call("PSUBSCRIBE", "measured*")
        threading.Thread(target=read_all, args=(redis.tcp,), daemon=True).start()

    payload = PAYLOAD % (1, "x" * 60)
    publish = redis_micros(port, ("PUBLISH", "measured", payload), events, subscribe)
    append = redis_micros(
        port,
        ("XADD", "measured", "MAXLEN", "~", 10000, "*", "data", payload),
        events,
        lambda: threading.Thread(target=follow, args=(port,), daemon=True).start(),
    )
    return {"publish": publish, "append": append}


def resident(pid):
    """Resident memory of a process, in bytes."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) * 1024


def slab():
    """Memory that the kernel keeps for its own objects, sockets among them, in bytes."""
    with open("/proc/meminfo", encoding="utf-8") as info:
        return next(int(line.split()[1]) for line in info if line.startswith("Slab:")) * 1024


def measure_kernel(port, count):
    """The kernel's memory of an idle connection at one end, in bytes: of both ends, half."""
    before = slab()
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    time.sleep(1)
    grown = slab() - before
    for tcp in held:
        tcp.close()
    return {"connections": count, "bytes": grown / 2}


def cpu_micros(pid):
    """Processor time that a process has used, in microseconds."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        fields = stat.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") * 1e6


def publish_all(redis, count, percent):
    """An event for each of many jobs."""
    for start in range(0, count, PIPELINE):
        jobs = range(1_000_000 + start, 1_000_000 + start + PIPELINE)
        payloads = (PAYLOAD % (job, f"{percent:060}") for job in jobs)
        redis.tcp.sendall(b"".join(redis.encoded(("PUBLISH", "scraping_events", payload)) for payload in payloads))
        for _ in jobs:
            redis.reply()


def measure_jobs(redis_port, pid, extent):
    """Cost of jobs that nobody watches: the relay's memory, and its and Redis' CPU for an event that changes each, with the state
    that is written behind."""
    redis, before = Redis(redis_port), resident(pid)
    publish_all(redis, extent.jobs, 1)
    time.sleep(extent.settle)
    grown = resident(pid) - before
    relay, server = cpu_micros(pid), redis.cpu_micros()
    publish_all(redis, extent.jobs, 2)
    time.sleep(extent.settle)
    micros = {"micros": cpu_micros(pid) - relay, "redis_micros": redis.cpu_micros() - server}
    return {"jobs": extent.jobs, "bytes": grown, **micros}


def measure(folder, binary, extent):
    """Runs everything. Reports of bench are `idle.json` and so on; what is no run of bench is in `others.json`."""
    os.makedirs(folder, exist_ok=True)
    redis_port, relay_port = free_port(), free_port()
    redis_url, server = f"redis://127.0.0.1:{redis_port}", f"ws://127.0.0.1:{relay_port}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    redis = subprocess.Popen(["redis-server", "--port", str(redis_port), "--save", ""], **quiet)
    time.sleep(1)
    relay = None
    try:
        others = {"redis": measure_redis(redis_port, extent.events)}
        for name, args in extent.runs.items():
            relay = restarted(relay, [binary, "serve", "--listen", f"127.0.0.1:{relay_port}", "--redis", redis_url], quiet)
            with open(os.path.join(folder, f"{name}.json"), "wb") as report:
                command = [binary, "bench", *args, "--server", server, "--redis", redis_url, "--output", "json"]
                subprocess.run([*command, "--allow-client-bound"], stdout=report, check=True)
        others["kernel"] = measure_kernel(relay_port, extent.sockets)
        others["jobs"] = measure_jobs(redis_port, relay.pid, extent)
        with open(os.path.join(folder, "others.json"), "w", encoding="utf-8") as file:
            json.dump(others, file, indent=2)
    finally:
        for process in filter(None, (relay, redis)):
            process.kill()
            process.wait()


def restarted(relay, command, quiet):
    """Starts a fresh relay, so that no run has the memory of another."""
    if relay is not None:
        relay.kill()
        relay.wait()
    relay = subprocess.Popen(command, **quiet)
    time.sleep(2)
    return relay


def slope(pairs):
    """The first value and the growth for each further reader, from pairs of readers and microseconds."""
    (_, base), *_, (count, last) = pairs
    return base, max(0.0, (last - base) / count)


def figures_of(folder):
    """The figures that the reports in a folder come to."""

    def report(name):
        with open(os.path.join(folder, f"{name}.json"), encoding="utf-8") as file:
            return json.load(file)

    idle, crowd, own, connect, others = (report(name) for name in ("idle", "crowd", "own", "connect", "others"))
    machine = idle["setup"]["machine"]
    jobs = others["jobs"]
    event = jobs["micros"] / jobs["jobs"]
    # Every delivery has an event of its own with a job for each watcher; with one job for all, an event has many deliveries.
    alone = own["server"]["cpu_per_delivery_micros"] - event
    delivery = crowd["server"]["cpu_per_delivery_micros"] - event / crowd["connections"]["peak"]
    publish, publish_a_relay = slope(others["redis"]["publish"])
    append, append_a_relay = slope(others["redis"]["append"])
    state = jobs["redis_micros"] / jobs["jobs"] - publish - publish_a_relay
    return {
        "version": idle["setup"]["version"],
        "system": machine["system"].split("-")[0],
        "cores": machine["cores"],
        "payload_bytes": round(crowd["publish"]["payload_bytes"]),
        "bytes_a_watcher": round(idle["server"]["rss_per_connection_bytes"]),
        "kernel_bytes_a_watcher": round(others["kernel"]["bytes"] / others["kernel"]["connections"]),
        "bytes_a_job": round(jobs["bytes"] / jobs["jobs"]),
        "micros_an_event": round(event, 2),
        "micros_a_delivery": round(delivery, 2),
        "micros_a_delivery_alone": round(alone, 2),
        "micros_a_connect": round(connect["server"]["cpu_share"] / connect["connections"]["rate"] * 1e6, 1),
        "publish_micros": round(publish, 2),
        "publish_micros_a_relay": round(publish_a_relay, 2),
        "append_micros": round(append, 2),
        "append_micros_a_relay": round(append_a_relay, 2),
        "state_micros_a_relay": round(state, 2),
    }
