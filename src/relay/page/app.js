// The page: what is shown of the jobs, and what is done about clicks and keys. Texts from outside are only ever set as text.

import { Run, STATES, claimsOf, hashOf, printable, split, targetOf } from "./model.js";
import { Link, isToken, readRows, refusal } from "./link.js";
import { $, base, clock, element, env, flag, say } from "./dom.js";
import { drawList, filter, goTo, isHeld, jobs, nodes, shown } from "./list.js";
import { drawJob } from "./job.js";

// How often the page is drawn and counted again at most, in milliseconds.
const DRAW = 80;
const REFRESH = 10_000;

let token = "";
let isOld = false;
let list = null;
let detail = null;
let problem = null;
let lost = null;

// ---- The relay

// `GET /jobs`; throws a refusal.
async function ask(query) {
  const asked = clock();
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const signal = AbortSignal.timeout(120_000);
  const answer = await fetch(new URL(`jobs?${query}`, base), { headers, cache: "no-store", signal });
  const date = Date.parse(answer.headers.get("date") ?? "");
  // Its seconds are whole.
  if (Math.abs(date - Date.now()) > 2000) clock.skew = date - Date.now();
  if (!answer.ok) throw await refusal(answer);
  return { answer, asked };
}

// Loads all rows.
async function load() {
  if (load.isBusy) return;
  load.isBusy = true;
  try {
    const limit = isOld ? 1_000 : 10_000;
    const { answer, asked } = await ask(`limit=${limit}`);
    let count = 0;
    const each = (row) => {
      count += 1;
      jobs.listed(row, asked, clock());
    };
    const rest = await readRows(answer, each, env);
    jobs.answered(rest.total ?? count, asked, count < limit);
    draw();
  } finally {
    load.isBusy = false;
  }
}

// Watchers are in no event, so that they are asked for, as long as somebody looks.
async function refresh() {
  const begun = env.now();
  if (!document.hidden && list?.phase.name === "live") {
    try {
      await load();
    } catch (error) {
      if (error.status === 401) onError({ code: "not_allowed", target: "the list", message: error.message });
    }
  }
  setTimeout(refresh, Math.max(REFRESH, 30 * (env.now() - begun)) * (0.9 + Math.random() / 5));
}

async function prepareList() {
  const { answer } = await ask("limit=1");
  const { dialects } = await answer.json();
  isOld = !Array.isArray(dialects);
  if (isOld) return { targets: [], note: "old" };
  if ($("dialect").options.length !== dialects.length + 1) {
    const options = dialects.map((name) => new Option(printable(name, 40), name));
    $("dialect").replaceChildren($("dialect").firstElementChild, ...options);
    $("dialect").value = filter.dialect;
  }
  return { targets: dialects.slice(0, 1_000).map((dialect) => `${dialect}/*`), note: "" };
}

function startList() {
  const on = {
    phase: () => notices(),
    message(message) {
      const now = clock();
      if (message.type === "event") jobs.event(message.target, message.view, now, message.snapshot);
      else if (message.type === "ended") jobs.ended(message.target, message.outcome, now);
      else if (message.type === "gap") onGap(message.reason);
      else if (message.type === "error") onError(message);
      else if (message.type === "watching" && message.cursor) {
        onWatched(message.targets);
        load().catch(() => {});
      }
      draw();
    },
  };
  list = new Link({ base, token, prepare: prepareList, poll: load, on, env });
  list.run();
}

// Takes that targets are watched, with whatever token.
function onWatched(targets = []) {
  const refused = problem?.targets?.filter((target) => !targets.includes(target));
  problem = refused?.length > 0 ? { ...problem, targets: refused } : null;
  notices();
}

function onGap(reason) {
  lost = reason;
  setTimeout(() => {
    lost = null;
    notices();
  }, 20_000);
  notices();
}

function onError({ code, target, message }) {
  const targets = code === "not_allowed" ? new Set(problem?.targets).add(target ?? "the list") : null;
  problem = { message: targets || !target ? message : `${target}: ${message}`, targets: targets && [...targets] };
  notices();
}

// ---- How the connection stands

const WORDS = { polling: "asked every few seconds", waiting: "not connected", refused: "not connected" };

// The link that the connection's state is told of: the one that what is shown depends on.
const leading = () => (list.phase.name === "refused" && detail ? detail.link : list).phase;

// What is to be said, as `[text, whether it is bad, whether a token would help]`.
function* tellings({ name, by, note }) {
  if (name === "live" && by === "stream") {
    if (token && !isToken(token)) yield ["Using an event stream: a browser can send no publish key by WebSocket."];
    else yield ["No WebSocket gets through (a proxy may strip upgrades): using an event stream."];
  } else if (note === "old") yield ["This relay is older than the page: asking it every few seconds."];
  else if (name === "polling") yield ["Neither WebSockets nor event streams get through: asking every few seconds."];
  const { status, code, message } = list.phase;
  if (status === 403) yield [`The list of jobs is closed: ${message}. A job can be opened by its name.`, true, true];
  else if (status === 404) yield ["This relay is older than the page and lists no jobs. A job can be opened by its name.", true];
  else if (status === 401 || code === 4001) yield [`The token is not taken: ${message}. What is shown stays.`, true, true];
  else if (message) yield [`The relay refuses: ${message}`, true];
  else if (problem?.targets) yield [`No news of ${problem.targets.join(", ")}: ${problem.message}. It goes on from here with a new token.`, true, true];
  else if (problem) yield [`The relay refuses: ${problem.message}`, true];
  if (lost) yield [`The relay was ${lost === "restarted" ? "restarted" : "cut off for a while"}, and messages are missing. What is shown is the state as of now.`];
}

function notices() {
  const phase = leading();
  const { name, by, note } = phase;
  const how = name === "live" && by === "stream" ? "live by event stream" : (WORDS[name] ?? name);
  say($("link"), name === "waiting" ? `${note}; reconnecting` : how);
  flag($("link"), "data-phase", name);
  $("retry").hidden = name !== "waiting" && name !== "refused";
  const all = [...tellings(phase)];
  const text = JSON.stringify(all);
  if (notices.text === text) return;
  notices.text = text;
  const rows = all.map(([text, isBad, wantsToken]) => {
    const row = element("p", { className: isBad ? "notice bad" : "notice" }, element("bdi", { textContent: printable(text, 600) }));
    if (wantsToken) row.append(element("button", { type: "button", textContent: "Give a token", onclick: openToken }));
    return row;
  });
  $("notices").replaceChildren(...rows);
  draw();
}

// ---- The token

function showToken(isShown) {
  $("token").hidden = !isShown;
  flag($("token-open"), "aria-expanded", String(isShown));
}

function openToken() {
  showToken(true);
  $("token-text").focus();
}

async function useToken(text) {
  const before = token;
  say($("token-say"), "Asking the relay");
  token = text;
  try {
    await ask("limit=1");
  } catch (error) {
    // What is no good changes nothing. A token that only opens no lists may open a job.
    if (error.status === 401 || (error.status === 403 && !isToken(text))) {
      token = before;
      say($("token-say"), `Not taken: ${error.message}`);
      $("token-text").focus();
      return;
    }
  }
  const { subject, expires } = claimsOf(token);
  const whose = typeof subject === "string" ? ` of ${printable(subject, 60)}` : "";
  const until = expires ? `, good until ${new Date(expires).toLocaleString()}` : "";
  say($("token-say"), isToken(token) ? `In use: a token${whose}${until}` : token && "In use: a publish key");
  say($("token-open"), token ? "Token in use" : "Token");
  $("token-text").value = "";
  onWatched(["the list"]);
  list.token(token);
  detail?.link.token(token);
  showToken(!token);
  notices();
}

// ---- One job

function openJob(target) {
  closeJob();
  const run = new Run();
  const on = {
    phase: () => notices(),
    message(message, isReplayed) {
      const now = clock();
      const at = isReplayed || message.snapshot ? null : now;
      if (message.type === "event") run.event(message.view, message.event, at, now);
      else if (message.type === "ended") run.outcome(message.outcome, at);
      else if (message.type === "gap") run.gap(message.reason, at);
      else if (message.type === "error") onError(message);
      else if (message.type === "watching" && message.cursor) {
        detail.isCaughtUp = true;
        onWatched(message.targets);
      }
      draw();
    },
  };
  const poll = async () => {
    if (list.phase.name !== "polling") throw new Error("there is no list to look into");
  };
  const link = new Link({ base, token, since: "0", prepare: () => ({ targets: [target] }), poll, on, env });
  detail = { target, run, link, parts: new Map(), next: 0, isCaughtUp: false, isAtEnd: true };
  const [dialect, id] = split(target);
  say($("job-dialect"), printable(dialect, 40));
  say($("job-id"), printable(id, 256));
  $("lines").replaceChildren();
  $("parts").replaceChildren();
  link.run();
}

function closeJob() {
  detail?.link.close();
  detail = null;
}

// ---- Drawing

function draw() {
  if (draw.isDue) return;
  draw.isDue = true;
  setTimeout(() => requestAnimationFrame(drawNow), DRAW - (env.now() - draw.at));
}
draw.at = 0;

function drawNow() {
  draw.isDue = false;
  draw.at = env.now();
  if (!detail) drawList();
  else if (drawJob(detail, jobs.rows.get(detail.target))) draw();
}

function drawSoon() {
  shown.isDue = true;
  draw();
}

function second() {
  const { name, until } = leading();
  const wait = name === "waiting" ? Math.ceil((until - env.now()) / 1000) : 0;
  say($("wait"), wait > 0 ? ` in ${wait} s` : "");
  if (document.hidden) return;
  // Rows that were held may go now.
  if (!$("fresh").hidden && !isHeld()) shown.isDue = true;
  draw();
}

function route() {
  const target = targetOf(location.hash);
  if (target === (detail?.target ?? null) && route.isDone) return;
  route.isDone = true;
  if (target) {
    shown.scroll = detail ? shown.scroll : scrollY;
    openJob(target);
  } else closeJob();
  $("list").hidden = target !== null;
  $("job").hidden = target === null;
  if (target) {
    scrollTo(0, 0);
    $("job-name").focus({ preventScroll: true });
  } else if (shown.key) {
    shown.isDue = true;
    drawList();
    scrollTo(0, shown.scroll ?? 0);
    nodes.get(shown.active?.target)?.parts.link.focus({ preventScroll: true });
  } else drawSoon();
  notices();
  draw();
}

// ---- What is done about clicks and keys

for (const state of STATES) {
  const button = element("button", { type: "button", hidden: state === "unknown" }, state, element("b", { textContent: "0" }));
  button.dataset.state = state;
  button.setAttribute("aria-pressed", "false");
  button.onclick = () => {
    if (!filter.states.delete(state)) filter.states.add(state);
    scrollTo(0, 0);
    drawSoon();
  };
  $("states").append(button);
}

$("text").oninput = () => {
  filter.text = $("text").value;
  drawSoon();
  setTimeout(() => say($("say"), $("sum").textContent), 1_000);
};
$("dialect").onchange = () => {
  filter.dialect = $("dialect").value;
  drawSoon();
};
$("fresh").onclick = () => {
  shown.held = -Infinity;
  scrollTo(0, 0);
  drawSoon();
};
$("rows").onpointermove = () => (shown.held = env.now());
$("rows").onpointerleave = () => (shown.held = -Infinity);
$("rows").onclick = ({ target }) => {
  shown.active = target.closest("tr").row;
  // Anywhere in a row will do, unless a text was marked there.
  if (!target.closest("a") && getSelection().isCollapsed) location.hash = hashOf(shown.active.target);
};
$("rows").onkeydown = (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const at = shown.rows.indexOf(shown.active);
  const page = Math.max(1, Math.floor(innerHeight / shown.height) - 3);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: Infinity }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  goTo(to);
};
$("open").onsubmit = (event) => {
  event.preventDefault();
  const name = $("open-text").value.trim();
  if (name !== "") location.hash = hashOf(name);
};
$("lines").onscroll = ({ target }) => {
  if (!detail) return;
  if (target.scrollTop + target.clientHeight > target.scrollHeight - 30) detail.isAtEnd = true;
  else if (target.scrollTop < target.was) detail.isAtEnd = false;
  target.was = target.scrollTop;
};
$("retry").onclick = () => [list, detail?.link].forEach((link) => link?.retry());
$("token-open").onclick = () => ($("token").hidden ? openToken() : showToken(false));
$("token").onsubmit = (event) => {
  event.preventDefault();
  const text = $("token-text").value.trim().replace(/^bearer\s+/i, "");
  // Nothing else fits into a header.
  if (/^[!-~]+$/.test(text)) useToken(text);
  else say($("token-say"), "This is no token.");
};
$("token-forget").onclick = () => useToken("");

const THEMES = ["Auto", "Light", "Dark"];
$("theme").onclick = () => {
  const name = THEMES[(THEMES.indexOf($("theme").textContent) + 1) % 3];
  document.documentElement.dataset.theme = name;
  say($("theme"), name);
  $("theme").setAttribute("aria-label", `Colours: ${name}`);
};

addEventListener("hashchange", route);
addEventListener("scroll", () => requestAnimationFrame(() => detail || drawList()), { passive: true });
addEventListener("resize", () => {
  shown.height = 0;
  for (const node of nodes.values()) node.at = -1;
  draw();
});
addEventListener("online", () => $("retry").onclick());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const link of [list, detail?.link]) if (link?.phase.name === "waiting") link.retry();
  draw();
});

startList();
route();
setInterval(second, 1_000);
setTimeout(refresh, REFRESH);
