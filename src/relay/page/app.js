// The page: what is shown of the jobs, and what is done about clicks and keys. Texts from outside are only ever set as text.

import { Run, STATES, claimsOf, hashOf, printable, split, targetOf } from "./model.js";
import { Link, isToken, readRows, refusal } from "./link.js";
import { $, base, clock, element, env, flag, say } from "./dom.js";
import { drawList, filter, focusActive, goTo, isHeld, jobs, nodes, shown } from "./list.js";
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
async function ask(query, key = token) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const signal = AbortSignal.timeout(120_000);
  const answer = await fetch(new URL(`jobs?${query}`, base), { headers, cache: "no-store", signal });
  const skew = Date.parse(answer.headers.get("date") ?? "") - Date.now();
  // Its seconds are whole.
  clock.skew = Math.abs(skew) > 2000 ? skew : 0;
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

// Loads all rows.
async function load() {
  const used = token;
  if (load.token === used) return;
  load.token = used;
  try {
    const limit = isOld ? 1_000 : 10_000;
    const asked = jobs.version;
    const answer = await ask(`limit=${limit}`);
    let count = 0;
    const each = (row) => {
      if (token !== used) throw new Error("another token is in use");
      count += 1;
      jobs.listed(row, asked, clock());
    };
    const rest = await readRows(answer, each, env);
    jobs.answered(rest.total ?? count, asked, count < limit, detail?.target);
    if (problem?.targets) onWatched(["the list"]);
    draw();
  } finally {
    if (load.token === used) load.token = null;
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

// Dialects to choose from. One that is gone is not the chosen one any more.
function offer(dialects) {
  const names = JSON.stringify(dialects);
  if (offer.names !== names) $("dialect").replaceChildren($("dialect").firstElementChild, ...dialects.map((name) => new Option(printable(name, 40), name)));
  offer.names = names;
  choose(filter.dialect);
}

function choose(dialect) {
  const box = $("dialect");
  box.value = dialect;
  box.value = filter.dialect = box.value;
  drawSoon();
}

async function prepareList() {
  const { dialects } = await (await ask("limit=1")).json();
  isOld = !Array.isArray(dialects);
  offer(dialects ?? []);
  if (isOld) return { targets: [], note: "old" };
  return { targets: dialects.slice(0, 1_000).map((dialect) => `${dialect}/*`), note: "" };
}

function startList() {
  const on = {
    phase: onPhase,
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

// A browser opens six streams to a host, in all its tabs: a job's own one is enough while it is shown.
function onPhase() {
  if (detail?.link.phase.by === "stream" && list.phase.by === "stream") list.hold(true);
  notices();
}

// Takes that nothing is wrong with targets any more.
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
function leading() {
  const own = detail?.link.phase;
  return own && (list.phase.name === "refused" || !/live|connecting/.test(own.name)) ? own : list.phase;
}

// What is to be said, as `[text, whether it is bad, whether a token would help]`.
function* tellings({ name, by, note }) {
  if (name === "live" && by === "stream") {
    if (token && !isToken(token)) yield ["Using an event stream: a browser can send no publish key by WebSocket."];
    else yield ["No WebSocket gets through (a proxy may strip upgrades): using an event stream."];
  } else if (note === "old") yield ["This relay is older than the page: asking it every few seconds."];
  else if (name === "polling") yield ["Neither WebSockets nor event streams get through: asking every few seconds."];
  const { status, code, message } = list.phase;
  const own = detail?.link.phase;
  if (status === 403) yield [`The list of jobs is closed: ${message}. A job can be opened by its name.`, true, true];
  else if (status === 404) yield ["This relay is older than the page and lists no jobs. A job can be opened by its name.", true];
  else if (status === 401 || code === 4001) yield [`The token is not taken: ${message}. What is shown stays.`, true, true];
  else if (message) yield [`The relay refuses: ${message}`, true];
  else if (problem?.targets) yield [`No news of ${problem.targets.join(", ")}: ${problem.message}. It goes on from here with a new token.`, true, true];
  else if (problem) yield [`The relay refuses: ${problem.message}`, true];
  if (own?.message && own.message !== message) yield [`This job is refused: ${own.message}`, true, own.status !== 400];
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

// Dialects that may be listed with a key, as a text.
async function listedWith(key) {
  const { dialects } = await (await ask("limit=1", key)).json();
  return String(dialects);
}

// Takes a token or key if it is of any use.
async function tryToken(text) {
  say($("token-say"), "Asking the relay");
  let fault = "";
  try {
    const listed = await listedWith(text);
    // Where lists are open, the relay does not look at a key.
    if (!isToken(text) && listed === (await listedWith("").catch(() => null))) fault = "the relay asks for no publish key here";
  } catch ({ status, message }) {
    // A token that only opens no lists may open a job.
    if (status === 401 || (status === 403 && !isToken(text))) fault = message;
  }
  if (fault === "") return useToken(text);
  say($("token-say"), `Not taken: ${fault}`);
  $("token-text").focus();
}

// Leaves nothing that was got with a token.
function forget() {
  location.hash = "";
  route();
  useToken("");
  offer([]);
  jobs.clear();
  Object.assign(shown, { held: -Infinity, active: null });
  drawSoon();
}

function useToken(text) {
  token = text;
  const { subject, expires } = claimsOf(token);
  const whose = typeof subject === "string" ? ` of ${printable(subject, 60)}` : "";
  const until = expires ? `, good until ${new Date(expires).toLocaleString()}` : "";
  say($("token-say"), isToken(token) ? `In use: a token${whose}${until}` : token && "In use: a publish key");
  say($("token-open"), token ? "Token in use" : "Token");
  $("token-text").value = "";
  onWatched(token ? ["the list"] : problem?.targets);
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
    phase: onPhase,
    message(message, isReplayed) {
      const now = clock();
      const at = isReplayed || message.snapshot ? null : now;
      if (message.type === "event") run.event(message.view, message.event, at, now);
      else if (message.type === "ended") run.outcome(message.outcome, at);
      else if (message.type === "gap") run.gap(message.reason, at);
      else if (message.type === "error") {
        if (message.code !== "not_allowed") detail.error = message.message;
        onError(message);
      } else if (message.type === "watching" && message.cursor) {
        detail.isCaughtUp = true;
        run.caughtUp();
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
  link.run();
}

function closeJob() {
  if (!detail) return;
  for (const id of ["lines", "parts"]) $(id).replaceChildren();
  detail.link.close();
  if (problem?.targets) onWatched([detail.target]);
  detail = null;
  list.hold(false);
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
  let target = targetOf(location.hash);
  const [dialect, id] = split(target ?? "");
  if (id === "*") {
    history.replaceState(null, "", "#");
    filter.dialect = dialect;
    if (offer.names) choose(dialect);
    target = null;
  }
  if (target === (detail?.target ?? null) && route.isDone) return;
  route.isDone = true;
  if (target) openJob(target);
  else closeJob();
  $("list").hidden = target !== null;
  $("job").hidden = target === null;
  if (target) {
    scrollTo(0, 0);
    $("job-name").focus({ preventScroll: true });
  } else if (shown.key) {
    shown.isDue = true;
    drawList();
    scrollTo(0, shown.scroll ?? 0);
    focusActive();
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
$("dialect").onchange = ({ target }) => choose(target.value);
$("fresh").onclick = () => {
  shown.held = -Infinity;
  scrollTo(0, 0);
  drawSoon();
};
$("rows").onpointermove = () => (shown.held = env.now());
$("rows").onpointerleave = () => (shown.held = -Infinity);
$("rows").onclick = ({ target }) => {
  const row = target.closest("tr")?.row;
  if (!row) return;
  shown.active = row;
  // Anywhere in a row will do, unless a text was marked there.
  if (!target.closest("a") && getSelection().isCollapsed) location.hash = hashOf(row.target);
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
  if (/^[!-~]+$/.test(text)) tryToken(text);
  else say($("token-say"), "This is no token.");
};
$("token-forget").onclick = () => {
  $("token-text").value = "";
  say($("token-say"), "");
  if (token) forget();
};

const THEMES = ["Auto", "Light", "Dark"];
$("theme").onclick = () => {
  const name = THEMES[(THEMES.indexOf($("theme").textContent) + 1) % 3];
  document.documentElement.dataset.theme = name;
  say($("theme"), name);
  $("theme").setAttribute("aria-label", `Colours: ${name}`);
};

addEventListener("hashchange", route);
const onScroll = () => {
  if (!detail) shown.scroll = scrollY;
  requestAnimationFrame(() => detail || drawList());
};
history.scrollRestoration = "manual";
addEventListener("scroll", onScroll, { passive: true });
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
