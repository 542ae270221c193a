// The list of jobs: which rows are shown, and those of them that are in sight.

import { Jobs, elapsed, grouped, hashOf, left, printable, span } from "./model.js";
import { $, clock, drawBar, env, flag, say } from "./dom.js";

// How often rows are selected anew at most, in milliseconds.
const SELECT = 250;
// Time after the last move of the pointer or key in which rows stay where they are.
const HOLD = 4_000;

export const jobs = new Jobs();
export const filter = { text: "", dialect: "", states: new Set() };
export const shown = { rows: [], counts: {}, version: -1, at: 0, active: null, place: 0, held: -Infinity, key: "", isDue: false, height: 0 };
export const nodes = new Map();

// Whether rows stay where they are, because somebody points at them.
export const isHeld = () => env.now() - shown.held < HOLD;

function select() {
  const key = JSON.stringify([filter.text, filter.dialect, [...filter.states]]);
  const { rows, counts } = jobs.select(filter);
  shown.at = env.now();
  shown.version = jobs.version;
  shown.counts = counts;
  let fresh = 0;
  if (key === shown.key && isHeld() && shown.rows.length > 0) {
    const before = new Set(shown.rows);
    fresh = rows.filter((row) => !before.has(row)).length;
  } else [shown.rows, shown.key] = [rows, key];
  $("fresh").hidden = fresh === 0;
  say($("fresh"), fresh === 1 ? "1 new job" : `${fresh} new jobs`);
  drawTools();
}

function drawTools() {
  for (const button of $("states").children) {
    const { state } = button.dataset;
    const count = shown.counts[state] ?? 0;
    say(button.lastChild, grouped(count));
    button.hidden = state === "unknown" && count === 0 && !filter.states.has(state);
    flag(button, "aria-pressed", String(filter.states.has(state)));
  }
  const [fit, all] = [shown.rows.length, jobs.rows.size];
  const sum = fit === all ? `${grouped(all)} ${all === 1 ? "job" : "jobs"}` : `${grouped(fit)} of ${grouped(all)} jobs`;
  const more = jobs.total - all;
  say($("sum"), all === 0 ? "" : more > 0 ? `${sum}; ${grouped(more)} older ones are not loaded` : sum);
  $("table").hidden = fit === 0;
  $("empty").hidden = fit > 0;
  say($("empty-text"), all > 0 ? "No job fits the filter." : jobs.isAnswered ? "No jobs to show yet." : "");
  flag($("table"), "aria-rowcount", String(fit + 1));
  document.title = shown.counts.running > 0 ? `${shown.counts.running} running · jobwire` : "jobwire";
}

function newNode(row) {
  const node = $("row").content.firstElementChild.cloneNode(true);
  const [state, job, bar, message, took, rest, watchers] = node.cells;
  const link = job.firstChild;
  node.parts = { state: state.firstChild, link, bar: bar.firstChild, percent: bar.lastChild, message: message.firstChild, took, rest, watchers };
  node.row = row;
  say(link.firstChild, printable(row.dialect, 40));
  say(link.lastChild, printable(row.id, 256));
  link.href = hashOf(row.target);
  link.title = printable(row.target);
  return node;
}

function drawRow(node, row, at, now) {
  const { parts } = node;
  if (node.at !== at) {
    node.at = at;
    node.style.transform = `translateY(${at * shown.height}px)`;
    node.setAttribute("aria-rowindex", String(at + 2));
  }
  flag(parts.link, "tabindex", shown.active === row ? "0" : "-1");
  if (node.version !== row.version) {
    node.version = row.version;
    flag(node, "data-state", row.state);
    flag(parts.state, "data-state", row.state);
    say(parts.state, row.state);
    drawBar(parts.bar, parts.percent, row);
    const message = printable(row.message);
    say(parts.message, message);
    parts.message.title = message;
    say(parts.watchers, row.watchers === null ? "" : String(row.watchers));
  }
  say(parts.took, span(elapsed(row, now)));
  say(parts.rest, span(left(row, now)));
}

export function drawList() {
  const isDue = env.now() - shown.at > (jobs.rows.size > 2_000 ? 2 * SELECT : SELECT);
  if (shown.isDue || (isDue && shown.version !== jobs.version)) select();
  shown.isDue = false;
  const [body, now] = [$("rows"), clock()];
  shown.height ||= parseFloat(getComputedStyle(body).getPropertyValue("--row"));
  const height = `${shown.rows.length * shown.height}px`;
  if (body.style.height !== height) body.style.height = height;
  const top = body.getBoundingClientRect().top;
  const first = Math.max(0, Math.floor(-top / shown.height) - 8);
  const last = Math.min(shown.rows.length, Math.ceil((innerHeight - top) / shown.height) + 8);
  const wanted = [];
  for (let at = first; at < last; at += 1) wanted.push(at);
  // The row that the Tab key comes to stays, wherever it is. If it leaves the list, the next one takes its place.
  let active = shown.rows.indexOf(shown.active);
  if (active < 0) active = Math.max(0, Math.min(shown.place, shown.rows.length - 1));
  [shown.place, shown.active] = [active, shown.rows[active]];
  if (active < first) wanted.unshift(active);
  else if (active >= last && shown.active) wanted.push(active);
  const hadFocus = body.contains(document.activeElement);
  const kept = new Set(wanted.map((at) => shown.rows[at].target));
  for (const [target, node] of nodes) {
    if (!kept.has(target)) {
      node.remove();
      nodes.delete(target);
    }
  }
  let next = body.firstChild;
  for (const at of wanted) {
    const row = shown.rows[at];
    let node = nodes.get(row.target);
    if (!node) nodes.set(row.target, (node = newNode(row)));
    drawRow(node, row, at, now);
    if (node === next) next = next.nextSibling;
    else body.insertBefore(node, next);
  }
  // The focus of a node that was moved or removed is lost.
  if (hadFocus && !body.contains(document.activeElement)) focusActive();
}

// Focuses the active row where it is.
export function focusActive() {
  nodes.get(shown.active?.target)?.parts.link.focus({ preventScroll: true });
}

// Goes to a row with the focus.
export function goTo(at) {
  shown.active = shown.rows[Math.min(Math.max(at, 0), shown.rows.length - 1)];
  shown.held = env.now();
  drawList();
  nodes.get(shown.active?.target)?.parts.link.focus();
}
