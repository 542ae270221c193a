// Jobs as the page knows them: what messages say, rows, filters, order, time left. Knows no browser.

export const STATES = ["running", "queued", "succeeded", "failed", "cancelled", "unknown"];
const ENDINGS = new Set(["succeeded", "failed", "cancelled"]);

// Rows that are kept. Beyond it the oldest that have ended leave, and then the oldest of all.
export const MOST_ROWS = 10_000;
// Characters of a message that a row keeps.
const MOST_MESSAGE = 300;
// Parts and lines of one job that are kept; what leaves is counted.
const MOST_PARTS = 2_000;
const MOST_LINES = 200;
// Characters of a line that is kept.
const MOST_LINE = 20_000;

// Controls of the direction of texts. Each text is isolated by its element; inside it these could only mislead.
const DIRECTION = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

// A text from outside for one place of the page: direction controls are dropped, other control characters written as `^[`, and
// what is longer than `most` is cut. `lines` keeps line ends and tabs.
export function printable(text, most = MOST_MESSAGE, lines = false) {
  text = String(text);
  const isLong = text.length > most;
  // Half a character is none.
  let shown = isLong ? text.slice(0, most).replace(/[\ud800-\udbff]$/, "") : text;
  shown = shown.replace(DIRECTION, "").replace(/\r\n?|[\u2028\u2029]/g, "\n");
  if (!lines) shown = shown.replace(/[\n\t]+/g, " ");
  shown = shown.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f]/g, (c) =>
    c < " " ? `^${String.fromCharCode(c.charCodeAt(0) + 64)}` : "\ufffd",
  );
  return isLong ? shown + "…" : shown;
}

// A span of time in milliseconds, as `0:07`, `12:05`, `1:02:33` or `3d 04h`; empty where there is none.
export function span(ms) {
  if (typeof ms !== "number") return "";
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (days > 0) return `${days}d ${two(hours % 24)}h`;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

// A number with its thousands set apart.
export function grouped(n) {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ",");
}

// Dialect and id of a target.
export function split(target) {
  const at = target.indexOf("/");
  return at < 0 ? ["jobs", target] : [target.slice(0, at), target.slice(at + 1)];
}

// The address of a job's page within the document.
export function hashOf(target) {
  const [dialect, id] = split(target);
  return `#${encodeURIComponent(dialect)}/${encodeURIComponent(id)}`;
}

// The target that such an address names; null for the list.
export function targetOf(hash) {
  const text = hash.replace(/^#\/?/, "");
  if (text === "") return null;
  const plain = (part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  };
  const [dialect, id] = split(text);
  return id === "" ? null : `${plain(dialect)}/${plain(id)}`;
}

// Subject and expiry (milliseconds) that a token claims. Only shown: the relay is who checks.
export function claimsOf(token) {
  try {
    const body = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(body), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return { subject: claims.sub, expires: Number.isFinite(claims.exp) ? claims.exp * 1000 : null };
  } catch {
    return { expires: null };
  }
}

// A message of `/watch` as an object; null where a text is none.
export function read(text) {
  try {
    const message = JSON.parse(text);
    return message !== null && typeof message === "object" && typeof message.type === "string" ? message : null;
  } catch {
    return null;
  }
}

const isText = (value) => typeof value === "string" && value !== "";
const number = (value) => (Number.isFinite(value) ? value : null);
const share = (value) => (Number.isFinite(value) ? Math.min(Math.max(value, 0), 100) : null);
const time = (text) => number(typeof text === "string" ? Date.parse(text) : NaN);

// Whether an event opens a run of a job that is in this state.
function opens(view, state) {
  switch (view.opens) {
    case "always":
      return true;
    case "after_ending":
      return ENDINGS.has(state);
    case "after_failure":
      return state === "failed" || state === "cancelled";
    default:
      return false;
  }
}

// Percent over time, for the time that is left.
export class Pace {
  // [time, percent], the oldest first, over the last minute or so.
  #seen = [];

  // Takes a percent that was seen at a time.
  saw(percent, at) {
    const last = this.#seen.at(-1);
    if (last && percent < last[1]) this.#seen = [];
    if (last && percent === last[1]) return;
    // What comes in one breath says where the job stands, not how fast it goes.
    if (this.#seen.length === 1 && at - this.#seen[0][0] < 500) this.#seen = [];
    if (this.#seen.length > 2 && at - this.#seen.at(-2)[0] < 4000) this.#seen.pop();
    this.#seen.push([at, percent]);
    if (this.#seen.length > 16) this.#seen.shift();
  }

  // Milliseconds that are left, going by what was seen or, before that, by the whole run so far; null where nobody knows. A run
  // that was seen from its beginning need not have begun with nothing.
  left(started, now) {
    const [first, last] = [this.#seen[0], this.#seen.at(-1)];
    if (!last) return null;
    const [at, percent] = last;
    const bases = started === null || first[0] - started < 1000 ? [first] : [first, [started, 0]];
    const base = bases.find(([from, least]) => percent - least >= 1 && at - from >= 2000);
    if (!base || percent >= 100) return null;
    const left = ((at - base[0]) / (percent - base[1])) * (100 - percent) - (now - at);
    // One that is overdue, or takes days, is not worth a guess.
    return left > 0 && left < 99 * 3600_000 ? left : null;
  }
}

// All jobs that the page may see.
export class Jobs {
  rows = new Map();
  // Jobs that the relay has, with those that are not loaded.
  total = 0;
  // Whether the relay has given a list.
  isAnswered = false;
  // Grows with each change of a row, and with each change of what a list shows.
  version = 0;
  shape = 0;
  #order = [];
  #ordered = -1;

  #row(target, now) {
    let row = this.rows.get(target);
    if (!row) {
      const [dialect, id] = split(target);
      const pace = new Pace();
      row = { target, dialect, id, state: "running", percent: null, message: "", started: null, ended: null };
      Object.assign(row, { watchers: null, heard: 0, order: now, pace, version: 0 });
      this.rows.set(target, row);
      this.total = Math.max(this.total, this.rows.size);
      this.shape += 1;
    }
    return row;
  }

  #changed(row) {
    row.version = this.version += 1;
    row.hay = null;
  }

  #enter(row, state, now) {
    if (row.state === state) return;
    row.state = state;
    row.ended = ENDINGS.has(state) ? now : null;
    this.shape += 1;
  }

  #start(row, started) {
    if (started === null || started === row.started) return;
    // The clocks of relay and page differ a little, and a row is not to jump for that.
    if (row.started === null || Math.abs(row.order - started) > 2000) {
      row.order = started;
      this.shape += 1;
    }
    row.started = started;
  }

  // Takes a row of `GET /jobs`, which was asked for in the version `asked`. What was heard since then is newer.
  listed(job, asked, now) {
    if (!isText(job?.target)) return;
    const row = this.#row(job.target, time(job.started) ?? time(job.updated) ?? now);
    row.watchers = number(job.watchers);
    row.known = asked;
    if (row.heard <= asked) {
      this.#enter(row, STATES.includes(job.state) ? job.state : "unknown", time(job.updated) ?? now);
      if (ENDINGS.has(row.state)) row.ended = time(job.updated) ?? row.ended;
      row.message = isText(job.message) ? job.message.slice(0, MOST_MESSAGE + 1) : "";
      row.percent = share(job.percent);
      if (row.percent !== null) row.pace.saw(row.percent, time(job.updated) ?? now);
    }
    if (row.heard <= asked || row.started === null) this.#start(row, time(job.started));
    this.#changed(row);
  }

  // Takes the end of such an answer. The relay has forgotten the jobs that are not in a whole one: it was restarted, or they ended
  // long ago. Those that have ended leave, but for the one that is opened.
  answered(total, asked, isWhole, opened) {
    this.total = Math.max(number(total) ?? 0, 0);
    this.isAnswered = true;
    this.version += 1;
    for (const row of isWhole ? this.rows.values() : []) {
      if (row.known === asked || row.heard > asked) continue;
      if (!ENDINGS.has(row.state)) {
        this.#enter(row, "unknown", 0);
        this.#changed(row);
      } else if (row.target !== opened) {
        this.rows.delete(row.target);
        this.shape += 1;
      }
    }
    this.total = Math.max(this.total, this.rows.size);
    this.bound();
  }

  // Takes what an event says. A snapshot tells a state, and not that a run begins now.
  event(target, view, now, isSnapshot = false) {
    if (!isText(target) || !view || typeof view !== "object") return;
    const isNew = !this.rows.has(target);
    const row = this.#row(target, now);
    row.heard = this.version += 1;
    if (opens(view, row.state) && (!isSnapshot || ENDINGS.has(row.state))) {
      const started = isSnapshot ? null : now;
      Object.assign(row, { percent: null, message: "", started, ended: null, order: now, pace: new Pace() });
      this.shape += 1;
    } else if (ENDINGS.has(row.state)) {
      return;
    }
    if (STATES.includes(view.state)) this.#enter(row, view.state, now);
    row.percent = share(view.percent) ?? row.percent;
    if (row.percent !== null) row.pace.saw(row.percent, now);
    if (view.state === "succeeded") row.percent = 100;
    const text = ENDINGS.has(view.state) ? (view.error ?? view.result ?? view.message) : view.message;
    if (isText(text)) row.message = text.slice(0, MOST_MESSAGE + 1);
    this.#changed(row);
    if (isNew) this.bound();
  }

  // Takes the news that a job has ended.
  ended(target, outcome, now) {
    const row = this.rows.get(target);
    if (!row || !ENDINGS.has(outcome) || row.state === outcome) return;
    this.#enter(row, outcome, now);
    if (outcome === "succeeded") row.percent = 100;
    this.#changed(row);
  }

  // Lets all rows leave.
  clear() {
    this.rows.clear();
    this.total = 0;
    this.isAnswered = false;
    this.version += 1;
    this.shape += 1;
  }

  // Lets rows leave where there are too many.
  bound() {
    if (this.rows.size <= MOST_ROWS * 1.05) return;
    const all = [...this.rows.values()].sort((a, b) => b.order - a.order);
    const leaving = [...all.filter((row) => ENDINGS.has(row.state)).reverse(), ...all.reverse()];
    for (const row of leaving) {
      if (this.rows.size <= MOST_ROWS) break;
      this.rows.delete(row.target);
    }
    this.shape += 1;
  }

  // The rows that fit, the newest first, and how many of each state there are among those that fit text and dialect.
  select({ text = "", dialect = "", states = null }) {
    if (this.#ordered !== this.shape) {
      this.#order = [...this.rows.values()];
      this.#order.sort((a, b) => b.order - a.order || (a.target < b.target ? -1 : 1));
      this.#ordered = this.shape;
    }
    const wanted = text.trim().toLowerCase();
    const counts = Object.fromEntries(STATES.map((state) => [state, 0]));
    const rows = this.#order.filter((row) => {
      if (dialect !== "" && row.dialect !== dialect) return false;
      if (wanted !== "") {
        row.hay ??= `${row.target}\n${row.message}`.toLowerCase();
        if (!row.hay.includes(wanted)) return false;
      }
      counts[row.state] += 1;
      return !states || states.size === 0 || states.has(row.state);
    });
    return { rows, counts };
  }
}

// How long a run has gone on, or went on; null where its start or its state is not known.
export function elapsed(row, now) {
  return row.started === null || row.state === "unknown" ? null : Math.max(0, (row.ended ?? now) - row.started);
}

// Milliseconds that are left of a run; null where nobody knows.
export function left(row, now) {
  return row.state === "running" ? row.pace.left(row.started, now) : null;
}

// One job in full: its run, its parts and its last messages.
export class Run {
  parts = new Map();
  lines = [];
  // Lines so far, with those that have left.
  count = 0;
  version = 0;
  state = null;
  // Runs that were seen to begin, with the first.
  runs = 0;
  // Whether the relay was restarted, and has told nothing of the job since then.
  #isLost = false;

  constructor() {
    this.#begin(null);
  }

  #begin(at) {
    this.runs += 1;
    this.parts.clear();
    Object.assign(this, { percent: null, message: "", error: "", result: "", step: null, steps: null, results: null });
    Object.assign(this, { started: at, ended: null, pace: new Pace(), moreParts: 0 });
  }

  #say(kind, text, at, tone = "") {
    const whole = String(text);
    this.lines.push({ nth: this.count, kind, text: whole.slice(0, MOST_LINE), length: whole.length, at, tone });
    this.count += 1;
    if (this.lines.length > MOST_LINES) this.lines.shift();
  }

  #part(part, view, at) {
    const known = this.parts.get(part.name);
    if (!known && this.parts.size >= MOST_PARTS) {
      this.moreParts += 1;
      return;
    }
    const now = known ?? { name: part.name, state: "running", count: null };
    if (isText(part.state)) now.state = part.state;
    now.count = number(part.count) ?? now.count;
    now.error = now.state === "failed" && isText(view.error) ? view.error.slice(0, MOST_MESSAGE) : "";
    now.version = this.version;
    this.parts.set(part.name, now);
    if (isText(part.state)) {
      const told = view.error ?? view.message;
      const tone = now.state === "failed" ? "failed" : "";
      this.#say(part.state, isText(told) ? `${part.name}: ${told}` : part.name, at, tone);
    }
  }

  // Takes an event: what it says and, where that is nothing, the event itself. `at` is null for one that was told later.
  event(view, event, at, now) {
    this.version += 1;
    this.#isLost = false;
    if (!view || typeof view !== "object") {
      this.#say("event", typeof event === "string" ? event : JSON.stringify(event ?? null), at);
      return;
    }
    if (view.log) {
      this.#say(view.log.stream ?? "log", view.log.line ?? "", at, view.log.stream === "stderr" ? "stderr" : "");
      return;
    }
    if (opens(view, this.state)) {
      if (ENDINGS.has(this.state)) this.#say("run", "a new run begins", at);
      this.#begin(at);
    } else if (ENDINGS.has(this.state)) {
      return;
    }
    const before = this.state;
    if (STATES.includes(view.state)) this.state = view.state;
    this.percent = share(view.percent) ?? this.percent;
    if (this.percent !== null && at !== null) this.pace.saw(this.percent, now);
    this.step = number(view.step) ?? this.step;
    this.steps = number(view.total) ?? this.steps;
    this.results = number(view.count) ?? this.results;
    if (view.part && isText(view.part.name)) {
      this.#part(view.part, view, at);
      return;
    }
    if (ENDINGS.has(view.state)) {
      this.#end(view, at);
      return;
    }
    if (isText(view.message) && view.message !== this.message) {
      this.message = view.message.slice(0, MOST_LINE);
      this.#say(view.kind ?? "", view.message, at);
    } else if (before !== this.state) {
      this.#say(view.kind ?? "", this.state ?? "", at);
    }
  }

  #end(view, at) {
    this.ended = at;
    if (view.state === "succeeded") this.percent = 100;
    this.error = isText(view.error) ? view.error.slice(0, MOST_LINE) : "";
    this.result = isText(view.result) ? view.result : "";
    if (isText(view.message)) this.message = view.message.slice(0, MOST_LINE);
    this.#say(view.state, this.error || this.result || this.message || view.state, at, view.state);
  }

  // Takes the news that the job has ended.
  outcome(outcome, at) {
    if (!ENDINGS.has(outcome) || this.state === outcome) return;
    this.version += 1;
    this.state = outcome;
    this.ended = at;
    if (outcome === "succeeded") this.percent = 100;
  }

  // Takes that events are missing.
  gap(reason, at) {
    this.version += 1;
    this.#say("gap", `messages are missing here (${reason})`, at, "gap");
    this.#isLost = reason === "restarted";
  }

  // Takes that the relay has told all it knows.
  caughtUp() {
    if (this.#isLost && this.state && !ENDINGS.has(this.state)) this.state = "unknown";
    this.#isLost = false;
  }
}
