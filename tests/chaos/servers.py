"""The servers: processes that are killed and stopped, two Redis servers with a switch in front of them, and relays."""

import asyncio
import os
import random
import signal
import socket
import subprocess

from . import resp
from .waiting import until

# Time for a server to come up or to end, on a machine that is busy, in seconds.
START = 30.0
# Time for a relay to answer a request for its status, in seconds.
STATUS = 2.0
# Ports below those that the kernel gives to clients, so that a server finds its own free when it comes back.
PORTS = (20_000, 32_000)


def free_port():
    """A port of this machine that nobody listens on."""
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as tcp:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tcp.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Group:
    """The process group of all servers of a run. No server outlives the run, however that ends.

    A shell leads the group and reads from a pipe that nobody writes to. The pipe ends with the run's own process, also where
    that process was killed, and the shell then kills the group. SIGKILL ends a stopped server too. The kernel sends SIGHUP to
    a group that has lost its parent and has somebody stopped in it, so that the shell ignores that.
    """

    def __init__(self):
        self.leader = subprocess.Popen(
            ["sh", "-c", "trap '' HUP; read -r _; kill -KILL 0"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        self.processes = [self.leader]

    def spawn(self, argv, log):
        """Starts a process of the group; its output goes to a file."""
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=self.leader.pid
        )
        self.processes.append(process)
        return process

    def end(self):
        """Kills all of it and waits until nothing of it is left. Nothing can cancel that."""
        if self.leader.poll() is None:
            os.killpg(self.leader.pid, signal.SIGKILL)
        for process in self.processes:
            # Each by itself too: the group may have lost its leader before.
            process.kill()
            process.wait()


class Server:
    """A process on a port, which can be started, killed, stopped and let go on. Its output goes to a file."""

    def __init__(self, name, folder, group):
        self.name, self.folder, self.group, self.port = name, folder, group, free_port()
        self.log_path = os.path.join(folder, f"{name}.log")
        self.process = None

    def spawn(self, *argv):
        """Starts a process; its output is added to the file. Raises RuntimeError where the last one still runs."""
        if self.runs():
            raise RuntimeError(f"{self.name} runs already, see {self.log_path}")
        with open(self.log_path, "ab") as log:
            self.process = self.group.spawn(argv, log)

    def runs(self):
        """Whether its process has been started and has not ended; a stopped one runs."""
        return self.process is not None and self.process.poll() is None

    def send(self, number):
        """Sends a signal to it, if it runs."""
        if self.runs():
            self.process.send_signal(number)

    async def kill(self, number=signal.SIGKILL):
        """Ends it and waits for its end. A stopped process takes SIGKILL alone."""
        self.send(number)
        await self.until("to end", self.has_ended)

    async def has_ended(self):
        """Whether it does not run."""
        return not self.runs()

    async def until(self, what, condition):
        """Waits until a condition holds. Raises TimeoutError with what was waited for."""
        await until(f"{self.name} {what}, see {self.log_path}", condition, START)


class RedisServer(Server):
    """A Redis that writes everything to disk before it answers."""

    async def start(self, master=None):
        """Starts it, as the replica of another where one is given, and waits until it answers."""
        data = os.path.join(self.folder, self.name)
        os.makedirs(data, exist_ok=True)
        options = ["--port", self.port, "--bind", "127.0.0.1", "--dir", data, "--save", "", "--appendonly", "yes"]
        options += ["--appendfsync", "always", "--repl-diskless-sync-delay", 0, "--repl-ping-replica-period", 1]
        if master is not None:
            options += ["--replicaof", f"127.0.0.1 {master.port}"]
        self.spawn("redis-server", *map(str, options))
        await self.until("to answer", self.answers)

    async def answers(self):
        """Whether it answers, and not that it is loading."""
        return await self.try_call("PING") == b"PONG"

    async def try_call(self, *words):
        """Sends one command on a connection of its own; None where there is no answer, or an error."""
        try:
            return await resp.once(self.port, *words)
        except (resp.Refused, OSError, EOFError, TimeoutError):
            return None

    async def replication(self):
        """Facts of `INFO replication`, as a dictionary; an empty one without an answer."""
        info = await self.try_call("INFO", "replication") or b""
        return dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)

    async def is_master(self):
        """Whether it takes writes of its own."""
        return (await self.replication()).get("role") == "master"


class RedisPair:
    """A master and its replica, which change places. Relays reach the master of the moment through a switch."""

    def __init__(self, folder, group):
        self.servers = [RedisServer(f"redis-{n}", folder, group) for n in range(2)]
        self.switch = Switch()

    @property
    def master(self):
        """The server that takes writes."""
        return self.servers[0]

    @property
    def replica(self):
        """The other one."""
        return self.servers[1]

    async def start(self):
        """Starts both, and the switch."""
        await self.master.start()
        await self.replica.start(self.master)
        await self.replica.until("to be a replica", self.is_in_sync)
        await self.switch.start(self.master.port)

    async def is_in_sync(self):
        """Whether the replica has what the master has, but for what is on its way."""
        info = await self.replica.replication()
        return info.get("role") == "slave" and info.get("master_link_status") == "up"

    def change_places(self):
        """Makes the replica the master for whoever asks."""
        self.servers.reverse()
        self.switch.point_at(self.master.port)


class Switch:
    """A port behind which the master is, whichever it is: a virtual address, or a TCP proxy in front of Redis."""

    def __init__(self):
        self.port, self.target, self.listener = free_port(), 0, None
        self.writers = set()
        self.is_open = asyncio.Event()

    async def start(self, target):
        """Listens."""
        self.target = target
        self.is_open.set()
        self.listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def point_at(self, target):
        """Leads to another server; who is connected is cut off."""
        self.target = target
        self.cut()

    def cut(self):
        """Cuts all connections."""
        for writer in list(self.writers):
            writer.transport.abort()

    def hang(self, is_hanging):
        """Lets nothing through, in silence."""
        if is_hanging:
            self.is_open.clear()
        else:
            self.is_open.set()

    async def stop(self):
        """Ends it, and waits until every connection has seen its end."""
        if self.listener is not None:
            self.listener.close()
        self.is_open.set()
        self.cut()
        await until("the switch to end", self._is_unused, START)

    async def _is_unused(self):
        return not self.writers

    async def _serve(self, reader, writer):
        self.writers.add(writer)
        try:
            await self.is_open.wait()
            target = self.target
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            self._end(writer)
            return
        self.writers.add(server_writer)
        if target != self.target:
            # The switch was turned while this connection was made, and `point_at` could not cut it.
            writer.transport.abort()
        await asyncio.gather(self._pump(reader, server_writer), self._pump(server_reader, writer))

    async def _pump(self, reader, writer):
        """Copies one direction. Both ends go when one goes."""
        try:
            while data := await reader.read(16 << 10):
                await self.is_open.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        self._end(writer)

    def _end(self, writer):
        self.writers.discard(writer)
        writer.transport.abort()


class Relay(Server):
    """`jobwire serve`."""

    def __init__(self, name, folder, group, binary, redis_port, more):
        super().__init__(name, folder, group)
        self.argv = [binary, "serve", "--listen", f"127.0.0.1:{self.port}", "--redis", f"redis://127.0.0.1:{redis_port}"]
        self.argv += ["--no-auth", "--lists", "open", "--publish-key", "chaos", "--ping-interval", "5s", "--drain", "1s", *more]

    async def start(self):
        """Starts it and waits until it listens; it may be far from ready."""
        self.spawn(*self.argv)
        await self.until("to listen", self._listens)

    async def _listens(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} has ended with {self.process.returncode}, see {self.log_path}")
        return await self.status("/health") == 200

    async def is_ready(self):
        """Whether it says so."""
        return await self.status("/ready") == 200

    async def status(self, path):
        """The status of a GET; 0 where there is no answer."""
        try:
            async with asyncio.timeout(STATUS):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
                head = await reader.readline()
            writer.transport.abort()
            return int(head.split()[1])
        except (OSError, TimeoutError, IndexError, ValueError):
            return 0
