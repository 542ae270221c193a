// The page of one job.

import { elapsed, grouped, left, printable, span } from "./model.js";
import { $, clock, drawBar, element, flag, say } from "./dom.js";

// Lines and parts that are added at one go.
const AT_ONCE = 40;
// Characters of a line that are shown before it is opened.
const SHORT = 600;

// Draws a job with what the list knows of it, if anything; true where there is more to draw.
export function drawJob(detail, row) {
  const { run, target } = detail;
  const now = clock();
  const state = run.state ?? row?.state ?? null;
  const percent = run.state === null ? (row?.percent ?? null) : run.percent;
  const message = run.state === null ? (row?.message ?? "") : run.error || run.result || run.message;
  const nothing = detail.error ?? (detail.isCaughtUp ? "Nothing is known of this job yet." : "Asking the relay.");
  flag($("job-state"), "data-state", state ?? "unknown");
  say($("job-state"), state ?? "unknown");
  drawBar($("job-bar"), $("job-percent"), { state: state ?? "unknown", percent });
  say($("job-message").firstChild, printable(state === null ? nothing : message, 4_000, true));
  $("job-message").classList.toggle("bad", state === "failed");
  const times = { started: run.started ?? row?.started ?? null, ended: run.ended ?? row?.ended ?? null, state };
  const rest = state === "running" ? (run.pace.left(times.started, now) ?? (row && left(row, now))) : null;
  drawFacts([
    ["Elapsed", span(elapsed(times, now))],
    ["Left", span(rest)],
    ["Started", times.started === null ? "" : clockText(times.started)],
    ["Ended", times.ended === null ? "" : clockText(times.ended)],
    ["Step", run.step === null ? "" : `${run.step}${run.steps === null ? "" : ` of ${run.steps}`}`],
    ["Results", run.results === null ? "" : grouped(run.results)],
    ["Watchers", typeof row?.watchers === "number" ? String(row.watchers) : ""],
  ]);
  document.title = `${percent === null ? (state ?? "") : `${Math.floor(percent)}%`} ${printable(target, 60)} · jobwire`;
  if (detail.state !== state) {
    if (detail.state) say($("say"), `${printable(target, 60)}: ${state}`);
    detail.state = state;
  }
  return drawParts(detail) || drawLines(detail);
}

function drawFacts(facts) {
  const pairs = $("facts").children;
  for (const [at, [name, text]] of facts.entries()) {
    if (!pairs[at]) $("facts").append(element("div", {}, element("dt", { textContent: name }), element("dd")));
    pairs[at].hidden = text === "";
    say(pairs[at].lastChild, text);
  }
}

function clockText(at) {
  const date = new Date(at - clock.skew);
  const time = date.toLocaleTimeString("en-GB");
  return date.toDateString() === new Date().toDateString() ? time : `${date.toLocaleDateString("en-CA")} ${time}`;
}

// Draws parts that have changed, some at a time; true where there are more.
function drawParts(detail) {
  const { run, parts } = detail;
  $("parts-box").hidden = run.parts.size === 0;
  if (detail.runs !== run.runs) {
    detail.runs = run.runs;
    parts.clear();
    $("parts").replaceChildren();
  }
  let budget = AT_ONCE;
  const counts = { running: 0, succeeded: 0, failed: 0 };
  for (const part of run.parts.values()) {
    counts[part.state] = (counts[part.state] ?? 0) + 1;
    let node = parts.get(part.name);
    if (node?.version === part.version && node.of === part) continue;
    if (budget === 0) continue;
    budget -= 1;
    if (!node) {
      node = element("li", {}, element("span", { className: "state" }), element("bdi"), element("span"), element("small"));
      say(node.children[1], printable(part.name, 200));
      parts.set(part.name, node);
      $("parts").append(node);
    }
    Object.assign(node, { of: part, version: part.version });
    flag(node.children[0], "data-state", part.state);
    say(node.children[0], part.state);
    say(node.children[2], part.count === null ? "" : grouped(part.count));
    say(node.children[3], printable(part.error));
    node.children[3].hidden = part.error === "";
  }
  const told = Object.entries({ ...counts, "not shown": run.moreParts }).filter(([, count]) => count > 0);
  say($("parts-sum"), told.map(([state, count]) => `${count} ${state}`).join(" · "));
  return budget === 0;
}

// Draws new lines, some at a time; true where there are more.
function drawLines(detail) {
  const { run } = detail;
  const box = $("lines");
  const oldest = run.lines[0]?.nth ?? 0;
  detail.next = Math.max(detail.next, oldest);
  const added = run.lines.slice(detail.next - oldest, detail.next - oldest + AT_ONCE);
  while (box.firstChild && box.firstChild.nth < oldest) box.firstChild.remove();
  box.append(...added.map(newLine));
  detail.next += added.length;
  // Until somebody reads further up, the newest is in sight.
  if (detail.isAtEnd) box.scrollTop = box.scrollHeight;
  const gone = run.count - run.lines.length;
  say($("lines-sum"), run.count === 0 ? "none yet" : gone > 0 ? `the last ${run.lines.length} of ${grouped(run.count)}` : `${run.count}`);
  return detail.next < run.count;
}

function newLine({ nth, kind, text, length, at, tone }) {
  const said = element("bdi", { textContent: printable(text, SHORT, true) });
  const box = element("div", { className: "said" }, said);
  if (length > SHORT) {
    const more = element("button", { type: "button", textContent: `show ${text.length === length ? "all" : text.length} of ${length} characters` });
    more.onclick = () => {
      said.textContent = printable(text, text.length, true);
      more.remove();
      $("lines").focus();
    };
    box.append(more);
  }
  const time = element("time", { textContent: at === null ? "" : clockText(at) });
  const node = element("li", { nth }, time, element("span", { className: "kind", textContent: printable(kind, 40) }), box);
  node.dataset.tone = tone;
  return node;
}
