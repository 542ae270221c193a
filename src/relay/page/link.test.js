import assert from "node:assert/strict";
import { test } from "node:test";

import { Link, backOff, isToken, protocols, readRows, refusal } from "./link.js";

const JWT = "aa.bb.cc";

// A browser whose clock moves by `pass` alone.
class Browser {
  time = 0;
  timers = [];
  sockets = [];
  requests = [];
  // What a request is answered with: a function that returns a Response, or throws.
  answer = () => {
    throw new TypeError("no network");
  };
  phases = [];
  messages = [];

  constructor() {
    const browser = this;
    this.env = {
      WebSocket: class {
        sent = [];
        constructor(url, protocols) {
          Object.assign(this, { url: new URL(url), protocols });
          browser.sockets.push(this);
        }
        send(text) {
          this.sent.push(JSON.parse(text));
        }
        close() {
          this.isClosed = true;
        }
        says(message) {
          this.onmessage({ data: JSON.stringify(message) });
        }
      },
      fetch: async (url, options) => {
        const request = { url: new URL(url), ...options };
        this.requests.push(request);
        return this.answer(request);
      },
      setTimeout: (run, ms) => this.timers.push({ run, at: this.time + ms }) && this.timers.at(-1),
      clearTimeout: (timer) => {
        this.timers = this.timers.filter((one) => one !== timer);
      },
      now: () => this.time,
      random: () => 1,
      pause: async () => {},
    };
  }

  link(options = {}) {
    const on = {
      phase: (phase) => this.phases.push(phase),
      message: (message, isReplayed) => this.messages.push([message.type, isReplayed]),
    };
    const prepare = async () => ({ targets: ["celery/*"], note: "" });
    const poll = async () => {
      throw new TypeError("no network");
    };
    const link = new Link({ base: new URL("https://a.example/relay/"), token: "", prepare, poll, on, env: this.env, ...options });
    link.run();
    return link;
  }

  async settle() {
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  async pass(ms) {
    const end = this.time + ms;
    for (;;) {
      await this.settle();
      const next = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.env.clearTimeout(next);
      this.time = next.at;
      next.run();
    }
    this.time = end;
    await this.settle();
  }

  get phase() {
    const { name, by } = this.phases.at(-1);
    return by ? `${name} by ${by}` : name;
  }
}

// A stream that stays open until the request is aborted.
const stream = ({ signal }, pieces) => {
  const body = new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      signal.onabort = () => controller.error(new DOMException("aborted", "AbortError"));
    },
  });
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
};

test("the wait grows to half a minute, and half of it is random", () => {
  assert.deepEqual([0, 1, 3, 6, 50].map((attempt) => backOff(attempt, 1)), [500, 1_000, 4_000, 30_000, 30_000]);
  assert.equal(backOff(3, 0), 2_000);
});

test("a token goes into the subprotocols, and a key does not", () => {
  assert.deepEqual(protocols(""), ["jobwire.json"]);
  assert.deepEqual(protocols(JWT), ["jobwire.json", "jobwire.token.aa.bb.cc"]);
  for (const key of ["secret", "a.b", "a b.c.d", "a.b.c.d", "ä.b.c"]) assert.ok(!isToken(key) && protocols(key) === null, key);
});

test("a socket that is lost comes back with its cursor", async () => {
  const browser = new Browser();
  const link = browser.link();
  await browser.settle();
  const [first] = browser.sockets;
  assert.equal(first.url.href, "wss://a.example/relay/watch?target=celery%2F*&view=1");
  first.onopen();
  assert.equal(browser.phase, "live by socket");
  first.says({ type: "event", target: "celery/1", view: {} });
  first.says({ type: "watching", targets: ["celery/*"], cursor: "c1" });
  first.says({ type: "event", target: "celery/1", cursor: "c2", view: {} });
  first.onmessage({ data: "no JSON" });
  assert.deepEqual(browser.messages, [["event", true], ["watching", true], ["event", false]]);
  first.onclose({ code: 1006, reason: "" });
  await browser.settle();
  assert.equal(browser.phase, "waiting");
  await browser.pass(1_000);
  assert.equal(browser.sockets[1].url.searchParams.get("since"), "c2");
  browser.sockets[1].onopen();
  browser.sockets[1].says({ type: "event", target: "celery/1", cursor: "c3", view: {} });
  assert.deepEqual(browser.messages.at(-1), ["event", true], "until it is caught up");
  link.close();
  assert.ok(browser.sockets[1].isClosed);
});

test("a relay that is away is tried again and again, ever more seldom", async () => {
  const browser = new Browser();
  let asked = 0;
  const prepare = async () => {
    asked += 1;
    throw new TypeError("no network");
  };
  const link = browser.link({ prepare });
  await browser.pass(60_000);
  assert.equal(browser.phase, "waiting");
  assert.equal(browser.phases.at(-1).note, "the relay does not answer");
  assert.ok(asked >= 7 && asked <= 9, `${asked} times in a minute`);
  link.retry();
  await browser.settle();
  assert.ok(asked >= 8, "at once where it is told to");
  link.close();
});

test("where no socket opens a stream does, and goes on by its ids", async () => {
  const browser = new Browser();
  browser.answer = (request) => stream(request, ["id: c0\n\n", 'id: c1\ndata: {"type":"watching","targets":["celery/*"],"cursor":"c1"}\n\n']);
  const link = browser.link({ token: JWT });
  await browser.settle();
  browser.sockets[0].onclose({ code: 1006, reason: "" });
  await browser.settle();
  assert.equal(browser.phase, "live by stream");
  const [request] = browser.requests;
  assert.equal(request.url.href, "https://a.example/relay/watch?target=celery%2F*&view=1");
  assert.deepEqual([request.headers.Accept, request.headers.Authorization], ["text/event-stream", `Bearer ${JWT}`]);
  assert.equal(link.cursor, "c1");
  await browser.pass(95_000);
  assert.equal(browser.requests.length, 2, "a stream without a sign of life is opened anew");
  assert.equal(browser.requests[1].url.searchParams.get("since"), "c1");
  link.close();
});

test("a socket that hangs is given up", async () => {
  const browser = new Browser();
  browser.answer = (request) => stream(request, ["id: c0\n\n"]);
  const link = browser.link();
  await browser.pass(5_000);
  assert.equal(browser.requests.length, 0);
  await browser.pass(2_000);
  assert.ok(browser.sockets[0].isClosed);
  assert.equal(browser.phase, "live by stream");
  link.close();
});

test("where neither gets through the relay is polled, and a socket tried again later", async () => {
  const browser = new Browser();
  browser.answer = () => new Response("<html>", { status: 200, headers: { "Content-Type": "text/html" } });
  let polls = 0;
  const poll = async () => {
    polls += 1;
  };
  const link = browser.link({ poll });
  await browser.settle();
  browser.sockets[0].onclose({ code: 1006, reason: "" });
  await browser.pass(10_000);
  assert.equal(browser.phase, "polling by polling");
  assert.equal(polls, 4);
  await browser.pass(115_000);
  assert.equal(browser.sockets.length, 2);
  browser.sockets[1].onopen();
  assert.equal(browser.phase, "live by socket");
  assert.ok(!browser.phases.some(({ name }) => name === "waiting"), "without an alarm in between");
  link.close();
});

test("a way that worked before is not given up for one failure", async () => {
  const browser = new Browser();
  browser.answer = (request) => stream(request, ["id: c0\n\n"]);
  const link = browser.link();
  await browser.settle();
  browser.sockets[0].onopen();
  await browser.pass(10_000);
  browser.sockets[0].onclose({ code: 1006, reason: "" });
  await browser.pass(500);
  browser.sockets[1].onclose({ code: 1006, reason: "" });
  await browser.pass(1_000);
  assert.equal(browser.requests.length, 0);
  browser.sockets[2].onopen();
  assert.equal(browser.phase, "live by socket");
  link.close();
});

test("silence is asked for a sign of life", async () => {
  const browser = new Browser();
  const link = browser.link();
  await browser.settle();
  const [socket] = browser.sockets;
  socket.onopen();
  await browser.pass(24_000);
  assert.deepEqual(socket.sent, []);
  await browser.pass(6_000);
  assert.deepEqual(socket.sent, [{ type: "ping" }]);
  socket.says({ type: "pong" });
  await browser.pass(24_000);
  assert.equal(socket.sent.length, 1);
  await browser.pass(6_000);
  assert.ok(!socket.isClosed);
  await browser.pass(10_000);
  assert.ok(socket.isClosed);
  link.close();
});

test("targets that lose their token go on from there with a better one", async () => {
  const browser = new Browser();
  const link = browser.link({ token: JWT });
  await browser.settle();
  const [socket] = browser.sockets;
  socket.onopen();
  socket.says({ type: "watching", targets: ["tasks/*", "jobs/*"], cursor: "c1" });
  socket.says({ type: "error", code: "not_allowed", target: "tasks/*", message: "token expired" });
  socket.says({ type: "event", target: "jobs/1", cursor: "c2", view: {} });
  link.token("a.bad.one");
  socket.says({ type: "error", code: "not_allowed", message: "bad signature" });
  socket.says({ type: "error", code: "not_allowed", target: "tasks/*", message: "bad signature" });
  link.token("a.good.one");
  const watch = { type: "watch", targets: ["tasks/*"], since: "c1" };
  assert.deepEqual(socket.sent, [{ type: "token", token: "a.bad.one" }, watch, { type: "token", token: "a.good.one" }, watch]);
  socket.says({ type: "watching", targets: ["tasks/*", "jobs/*"], cursor: "c3" });
  link.token("a.third.one");
  assert.equal(socket.sent.length, 5, "nothing is owed any more");
  link.close();
});

test("a connection that ends for its token waits for another", async () => {
  const browser = new Browser();
  const link = browser.link({ token: JWT });
  await browser.settle();
  browser.sockets[0].onopen();
  browser.sockets[0].says({ type: "watching", targets: ["tasks/*"], cursor: "c1" });
  browser.sockets[0].says({ type: "error", code: "not_allowed", target: "tasks/*", message: "token expired" });
  browser.sockets[0].onclose({ code: 4001, reason: "token expired" });
  await browser.pass(600_000);
  assert.equal(browser.sockets.length, 1);
  assert.deepEqual([browser.phase, browser.phases.at(-1).message], ["refused", "token expired"]);
  link.token("a.good.one");
  await browser.settle();
  const [, second] = browser.sockets;
  assert.deepEqual([second.url.searchParams.get("since"), second.protocols[1]], ["c1", "jobwire.token.a.good.one"]);
  link.close();
});

test("a publish key is not sent over a socket, but goes on by a stream", async () => {
  const browser = new Browser();
  browser.answer = (request) => stream(request, ["id: c2\n\n"]);
  const link = browser.link();
  await browser.settle();
  const [socket] = browser.sockets;
  socket.onopen();
  socket.says({ type: "watching", targets: ["celery/*"], cursor: "c1" });
  link.token("a-publish-key");
  await browser.pass(1_000);
  assert.deepEqual([socket.sent, socket.isClosed, browser.phase], [[], true, "live by stream"]);
  const [{ url, headers }] = browser.requests;
  assert.deepEqual([url.searchParams.get("since"), headers.Authorization], ["c1", "Bearer a-publish-key"]);
  link.close();
});

test("a stream that the relay refuses with its own words is refused, and not one that a proxy refuses", async () => {
  for (const [body, phase] of [['{"error":"unknown_dialect","message":"no such dialect"}', "refused"], ["<html>", "waiting"]]) {
    const browser = new Browser();
    browser.answer = () => new Response(body, { status: 400 });
    const link = browser.link({ token: "a-publish-key" });
    await browser.settle();
    assert.equal(browser.phase, phase);
    link.close();
  }
});

test("a link that is held has no connection, and goes on from there", async () => {
  const browser = new Browser();
  browser.answer = (request) => stream(request, ["id: c1\n\n"]);
  const link = browser.link({ token: "a-publish-key" });
  await browser.settle();
  const phases = browser.phases.length;
  link.hold(true);
  link.retry();
  await browser.pass(600_000);
  assert.ok(browser.requests[0].signal.aborted);
  assert.deepEqual([browser.requests.length, browser.phases.length], [1, phases]);
  link.hold(false);
  await browser.settle();
  assert.deepEqual([browser.requests.length, browser.requests[1].url.searchParams.get("since"), browser.phase], [2, "c1", "live by stream"]);
  link.close();
});

test("a refusal of the list is told with its words", async () => {
  const browser = new Browser();
  const body = JSON.stringify({ error: "not_allowed", message: "needs a key" });
  const prepare = async () => {
    throw await refusal(new Response(body, { status: 403 }));
  };
  const link = browser.link({ prepare });
  await browser.settle();
  const { name, status, code, message } = browser.phases.at(-1);
  assert.deepEqual([name, status, code, message], ["refused", 403, "not_allowed", "needs a key"]);
  link.close();
  const foreign = await refusal(new Response("<html>", { status: 502 }));
  assert.deepEqual(foreign, { status: 502, code: "", message: "HTTP status 502" });
});

test("rows are handed over with pauses in between", async () => {
  const browser = new Browser();
  let pauses = 0;
  const env = { now: () => (browser.time += 4), pause: async () => (pauses += 1) };
  const jobs = Array.from({ length: 30 }, (_, n) => ({ target: `jobs/ü${n}` }));
  const rows = [];
  const rest = await readRows(new Response(JSON.stringify({ jobs, total: 30 })), (row) => rows.push(row), env);
  assert.deepEqual([rows, rest.total], [jobs, 30]);
  assert.ok(pauses >= 8, `${pauses} pauses`);
});
