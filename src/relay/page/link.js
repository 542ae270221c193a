// The way to the relay: a WebSocket, else an event stream, else polling. Comes back by itself, with its cursor.

import { read } from "./model.js";
import { RowReader, StreamReader } from "./readers.js";

// Time for a socket to open, and for a stream to say something.
const OPENING = 6_000;
// Silence after which a socket is asked for a sign of life, and time that it has for it, in which it is looked at too; silence that
// ends a stream.
const QUIET = 25_000;
const ANSWER = 10_000;
const DEAD = 90_000;
// Time after which a way that did not work is tried again.
const AGAIN = 120_000;
// Work at one go, in milliseconds.
const BUDGET = 8;
// Bytes that are decoded at one go.
const PIECE = 65_536;
const POLL = 3_000;

// Wait before the n-th attempt in a row, in milliseconds: up to 30 s, half of it random, so that pages do not come back in step.
export function backOff(attempt, random) {
  const most = Math.min(500 * 2 ** attempt, 30_000);
  return most / 2 + (most / 2) * random;
}

// Whether a text is formed as a token (JWT). A publish key is none.
export function isToken(text) {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text);
}

// Subprotocols of a socket; null for a publish key, which the relay takes from a header alone.
export function protocols(token) {
  if (!token) return ["jobwire.json"];
  return isToken(token) ? ["jobwire.json", `jobwire.token.${token}`] : null;
}

// What a refusal of HTTP says, as `{status, code, message}`.
export async function refusal(answer) {
  let body = null;
  try {
    body = await answer.json();
  } catch {
    // Not the relay's own words.
  }
  return { status: answer.status, code: body?.error ?? "", message: body?.message ?? `HTTP status ${answer.status}` };
}

// Reads an answer of `GET /jobs` row by row, and pauses in between so that the page stays smooth. Hands each row to `each`, and
// returns the members beside the list.
export async function readRows(answer, each, env) {
  const [reader, rows, decoder] = [answer.body.getReader(), new RowReader(), new TextDecoder()];
  let begun = env.now();
  for (;;) {
    const { done, value = new Uint8Array() } = await reader.read();
    for (let at = 0; at <= value.length; at += PIECE) {
      for (const text of rows.feed(decoder.decode(value.subarray(at, at + PIECE), { stream: !done }))) {
        each(JSON.parse(text));
        if (env.now() - begun > BUDGET) {
          await env.pause();
          begun = env.now();
        }
      }
    }
    if (done) return rows.rest();
  }
}

// Watches targets. `on.message(message, isReplayed)` gets what comes, `on.phase(phase)` how it stands:
// `{name: "connecting" | "live" | "polling" | "waiting" | "refused", by, note, until}`.
export class Link {
  cursor;
  phase = { name: "connecting" };
  #env;
  #base;
  #token = "";
  #on;
  #prepare;
  #poll;
  #targets = [];
  #attempt = 0;
  #isOver = false;
  #isHeld = false;
  #wake = null;
  #end = null;
  #socket = null;
  #isCaughtUp = false;
  // Targets that were refused, and the cursor to go on from once there is a better token.
  #refused = new Map();
  // When a way may be tried again after it did not work.
  #not = { socket: 0, stream: 0 };
  // Whether a socket or a stream ever opened, and so whether a failure is the network's.
  #worked = new Set();

  // `prepare` asks the relay what there is to watch and returns `{targets, polls}`; it throws a refusal where that is final for
  // this token. `poll` asks for the state. `since` is the cursor to begin with.
  constructor({ base, token, since, prepare, poll, on, env }) {
    Object.assign(this, { cursor: since });
    [this.#base, this.#token, this.#prepare, this.#poll, this.#on, this.#env] = [base, token, prepare, poll, on, env];
  }

  // Runs until `close`.
  async run() {
    while (!this.#isOver) {
      if (this.#isHeld) {
        await this.#sleep(null);
        continue;
      }
      const begun = this.#env.now();
      const outcome = await this.#attemptOnce();
      if (this.#isOver) return;
      if (this.#isHeld) continue;
      // Polling that went well makes room for a better way.
      if (outcome.note === "") continue;
      if (outcome.refused) {
        this.#tell({ name: "refused", ...outcome.refused });
        await this.#sleep(outcome.refused.status === 401 || outcome.refused.code === 4001 ? null : AGAIN);
        continue;
      }
      // A link that held for a while is no attempt in a row.
      if (this.#env.now() - begun > 5_000) this.#attempt = 0;
      const wait = backOff(this.#attempt, this.#env.random());
      this.#attempt += 1;
      this.#tell({ name: "waiting", note: outcome.note, until: this.#env.now() + wait });
      await this.#sleep(wait);
    }
  }

  // Ends it for good.
  close() {
    this.#isOver = true;
    this.#end?.();
    this.#wake?.();
  }

  // Lets go of the connection, or comes back to it. What it said last stays its phase.
  hold(isHeld) {
    if (this.#isHeld === isHeld) return;
    this.#isHeld = isHeld;
    this.#wake?.();
    if (isHeld) this.#end?.();
  }

  // Tries again at once, where it waits; `anyway` also where all is well, and by the best way.
  retry(anyway = false) {
    this.#not = { socket: 0, stream: 0 };
    this.#wake?.();
    if (anyway) this.#end?.();
  }

  // Uses another token from now on. On an open socket nothing is interrupted; targets that were refused go on from where
  // they were cut off.
  token(token) {
    this.#token = token;
    if (this.#socket && isToken(token)) {
      this.#send({ type: "token", token });
      const groups = new Map();
      for (const [target, since] of this.#refused) groups.set(since, [...(groups.get(since) ?? []), target]);
      for (const [since, targets] of groups) this.#send({ type: "watch", targets, since });
    } else {
      this.#restoreCursor();
      this.retry(true);
    }
  }

  #tell(phase) {
    this.phase = phase;
    this.#on.phase(phase);
  }

  // Waits; for ever where `ms` is null. `retry` ends it.
  #sleep(ms) {
    return new Promise((resolve) => {
      const timer = ms === null ? null : this.#env.setTimeout(() => this.#wake?.(), ms);
      this.#wake = () => {
        this.#env.clearTimeout(timer);
        this.#wake = null;
        resolve();
      };
    });
  }

  #restoreCursor() {
    // The place of the first refusal is behind none of the targets.
    for (const since of this.#refused.values()) {
      this.cursor = since;
      break;
    }
    this.#refused.clear();
  }

  async #attemptOnce() {
    if (!["waiting", "polling"].includes(this.phase.name)) this.#tell({ name: "connecting" });
    let prepared;
    try {
      prepared = await this.#prepare();
    } catch (error) {
      if (error.status >= 400 && error.status < 500 && error.status !== 429) return { refused: error };
      return { note: error.status ? error.message : "the relay does not answer" };
    }
    this.#targets = prepared.targets;
    this.#restoreCursor();
    const ways = protocols(this.#token) ? ["socket", "stream"] : ["stream"];
    for (const by of prepared.targets.length > 0 ? ways : []) {
      if (this.#isOver || this.#isHeld) return {};
      if (this.#not[by] > this.#env.now()) continue;
      const outcome = by === "socket" ? await this.#bySocket() : await this.#byStream();
      if (outcome.opened || outcome.refused || this.#isOver) return outcome;
      // A way that has worked before is down for a moment: the relay is tried again before another way is.
      if (this.#worked.has(by) && this.#attempt < 2) return { note: "the relay does not answer" };
      this.#not[by] = this.#env.now() + AGAIN;
    }
    return this.#byPolling(prepared.note);
  }

  #url(scheme) {
    const url = new URL("watch", this.#base);
    if (scheme) url.protocol = url.protocol.replace("http", scheme);
    for (const target of this.#targets) url.searchParams.append("target", target);
    url.searchParams.set("view", "1");
    if (this.cursor) url.searchParams.set("since", this.cursor);
    return url;
  }

  #send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  // Takes a message of the relay.
  #take(text) {
    const message = read(text);
    if (!message) return;
    if (message.type === "error" && message.code === "not_allowed" && typeof message.target === "string") {
      // The first refusal counts: a second bad token does not move the place.
      if (!this.#refused.has(message.target)) this.#refused.set(message.target, this.cursor);
    }
    if (message.type === "watching") for (const target of message.targets ?? []) this.#refused.delete(target);
    if (typeof message.cursor === "string") {
      this.cursor = message.cursor;
      if (message.type === "watching") {
        this.#on.message(message, !this.#isCaughtUp);
        this.#isCaughtUp = true;
        return;
      }
    }
    this.#on.message(message, !this.#isCaughtUp);
  }

  #bySocket() {
    return new Promise((resolve) => {
      let socket;
      let timer = null;
      let opened = false;
      const { setTimeout, clearTimeout } = this.#env;
      const end = (outcome) => {
        clearTimeout(timer);
        [this.#socket, this.#end] = [null, null];
        if (socket) {
          socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
          socket.close();
        }
        resolve({ opened, note: "the connection was lost", ...outcome });
      };
      try {
        socket = new this.#env.WebSocket(this.#url("ws"), protocols(this.#token));
      } catch {
        return end({});
      }
      this.#end = () => end({});
      let [heard, isAsked] = [0, false];
      const check = () => {
        if (this.#env.now() - heard >= QUIET) {
          if (isAsked) return end({});
          this.#send({ type: "ping" });
          isAsked = true;
        }
        timer = setTimeout(check, ANSWER);
      };
      timer = setTimeout(() => end({}), OPENING);
      socket.onopen = () => {
        opened = true;
        this.#socket = socket;
        this.#isCaughtUp = false;
        this.#worked.add("socket");
        this.#tell({ name: "live", by: "socket" });
        clearTimeout(timer);
        heard = this.#env.now();
        timer = setTimeout(check, ANSWER);
      };
      socket.onmessage = (event) => {
        [heard, isAsked] = [this.#env.now(), false];
        if (typeof event.data === "string") this.#take(event.data);
      };
      socket.onclose = (event) => end(this.#closed(event.code, event.reason));
    });
  }

  // What a close means: with 4xxx the relay does not want to be asked again.
  #closed(code, reason) {
    if (code >= 4000) return { refused: { code, message: reason || "refused" } };
    return { note: reason || (code === 1013 ? "overloaded" : "the connection was lost") };
  }

  async #byStream() {
    const abort = new AbortController();
    const { setTimeout, clearTimeout, fetch, now, pause } = this.#env;
    let timer = setTimeout(() => abort.abort(), OPENING);
    let opened = false;
    this.#end = () => abort.abort();
    const headers = { Accept: "text/event-stream", ...(this.#token && { Authorization: `Bearer ${this.#token}` }) };
    try {
      const answer = await fetch(this.#url(), { headers, cache: "no-store", signal: abort.signal });
      const isStream = answer.headers.get("content-type")?.startsWith("text/event-stream");
      if ([400, 401, 403].includes(answer.status)) {
        const refused = await refusal(answer);
        // A proxy has no code.
        if (answer.status !== 400 || refused.code) return { refused };
      }
      if (!answer.ok || !isStream) return { opened };
      const [reader, events, decoder] = [answer.body.getReader(), new StreamReader(), new TextDecoder()];
      this.#isCaughtUp = false;
      for (let begun = now(); ; ) {
        const { done, value } = await reader.read();
        if (done) return { opened, note: "the connection was lost" };
        for (const { data, event, id } of events.feed(decoder.decode(value, { stream: true }))) {
          // A stream that only says when to come again serves nothing now.
          if (!opened) {
            opened = true;
            this.#worked.add("stream");
            this.#tell({ name: "live", by: "stream" });
          }
          if (event === "close") {
            const { code, reason } = JSON.parse(data);
            return { opened, ...this.#closed(code, reason) };
          }
          if (data !== null) this.#take(data);
          if (id) this.cursor = id;
          if (now() - begun > BUDGET) {
            await pause();
            if (abort.signal.aborted) return { opened, note: "the connection was lost" };
            begun = now();
          }
        }
        clearTimeout(timer);
        timer = setTimeout(() => abort.abort(), DEAD);
      }
    } catch {
      return { opened, note: "the connection was lost" };
    } finally {
      clearTimeout(timer);
      this.#end = null;
      abort.abort();
    }
  }

  async #byPolling(note) {
    let isOver = false;
    this.#end = () => {
      isOver = true;
      this.#wake?.();
    };
    const until = this.#env.now() + AGAIN;
    let opened = false;
    while (!isOver && !this.#isOver && this.#env.now() < until) {
      const begun = this.#env.now();
      try {
        await this.#poll();
      } catch (error) {
        this.#end = null;
        if (error.status === 401 || error.status === 403) return { refused: error };
        return { opened, note: error.status ? error.message : "the relay does not answer" };
      }
      if (!opened) this.#tell({ name: "polling", by: "polling", note });
      opened = true;
      this.#attempt = 0;
      await this.#sleep(Math.max(POLL, 10 * (this.#env.now() - begun)));
    }
    this.#end = null;
    return { opened, note: opened ? "" : "the connection was lost" };
  }
}
