import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as model from "./model.js";
import { MOST_ROWS, Jobs, Pace, Run, claimsOf, elapsed, grouped, hashOf, left, printable, read, span, split, targetOf } from "./model.js";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const iso = (ms) => new Date(ms).toISOString();

test("a text stays text, without what would mislead", () => {
  for (const [text, shown] of [
    ["<b>a</b> & 'b'", "<b>a</b> & 'b'"],
    ["a\u202egnp.exe\u2066b\u200f", "agnp.exeb"],
    ["\u001b[31mred\u0007\u007f\u009b", "^[[31mred^G\ufffd\ufffd"],
    ["a\r\nb\tc\u2028d", "a b c d"],
    ["مرحبا", "مرحبا"],
    ["", ""],
  ]) {
    assert.equal(printable(text), shown, JSON.stringify(text));
  }
  assert.equal(printable("a\r\nb\rc\td", 300, true), "a\nb\nc\td");
  assert.equal(printable("abc", 2), "ab…");
  assert.equal(printable("a😀b", 2), "a…", "no half of a character");
  assert.equal(printable("x".repeat(10_000)).length, 301);
});

test("a time is short", () => {
  for (const [ms, text] of [[-5, "0:00"], [7_900, "0:07"], [725_000, "12:05"], [3_753_000, "1:02:33"], [273_600_000, "3d 04h"]]) {
    assert.equal(span(ms), text);
  }
});

test("thousands are set apart", () => {
  assert.deepEqual([0, 999, 1_000, 12_345, 1_234_567].map(grouped), ["0", "999", "1,000", "12,345", "1,234,567"]);
});

test("a job's address is read back, however it is written", () => {
  for (const target of ["celery/0b3c", "celery/a/b", "jobs/50% & more?#", "scraping/123", "jobs/ü", "bullmq/videos:1"]) {
    assert.equal(targetOf(hashOf(target)), target);
    assert.match(hashOf(target), /^#[a-z]+\/[^/]+$/);
  }
  for (const [hash, target] of [
    ["", null],
    ["#", null],
    ["#/", null],
    ["#celery/", null],
    ["#build-42", "jobs/build-42"],
    ["#/celery/a", "celery/a"],
    ["#celery/a/b", "celery/a/b"],
    ["#celery/50%", "celery/50%"],
    ["#celery/%ff", "celery/%ff"],
  ]) {
    assert.equal(targetOf(hash), target, hash);
  }
  assert.deepEqual(split("a/b/c"), ["a", "b/c"]);
});

test("what is no message is nothing", () => {
  for (const text of ["", "[]", "null", "1", '"a"', "{}", '{"type":1}', '{"type":"event"', "\u0000"]) assert.equal(read(text), null, text);
  assert.equal(read('{"type":"pong"}').type, "pong");
});

test("a token's claims are read, and nonsense has none", () => {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  assert.deepEqual(claimsOf(`x.${part({ sub: "älice", exp: 1_700_000_000 })}.y`), { subject: "älice", expires: 1_700_000_000_000 });
  for (const token of ["", "a.b.c", "x", `x.${part("text")}.y`, `x.${part({ exp: "soon" })}.y`]) assert.equal(claimsOf(token).expires, null);
});

const listed = (target, more = {}) => ({ target, state: "running", percent: 10, message: "a", updated: iso(NOW), started: iso(NOW - 60_000), watchers: 1, ...more });

test("events move a row, and an ending stays", () => {
  const jobs = new Jobs();
  jobs.listed(listed("celery/1"), NOW, NOW);
  const row = jobs.rows.get("celery/1");
  assert.deepEqual([row.state, row.percent, row.message, row.watchers, elapsed(row, NOW)], ["running", 10, "a", 1, 60_000]);
  jobs.event("celery/1", { kind: "PROGRESS", state: "running", percent: 50, message: "b" }, NOW + 1);
  assert.deepEqual([row.percent, row.message], [50, "b"]);
  jobs.event("celery/1", { kind: "log", log: { line: "c" } }, NOW + 2);
  assert.deepEqual([row.state, row.percent, row.message], ["running", 50, "b"], "a log line moves nothing");
  jobs.event("celery/1", { kind: "SUCCESS", state: "succeeded", result: "4" }, NOW + 3);
  assert.deepEqual([row.state, row.percent, row.message, row.ended], ["succeeded", 100, "4", NOW + 3]);
  jobs.event("celery/1", { kind: "PROGRESS", state: "running", percent: 60, opens: "after_failure" }, NOW + 4);
  assert.deepEqual([row.state, row.percent], ["succeeded", 100], "what comes late changes nothing");
  jobs.ended("celery/1", "succeeded", NOW + 5);
  assert.equal(row.ended, NOW + 3);
  jobs.ended("celery/none", "failed", NOW);
  assert.equal(jobs.rows.size, 1);
});

test("a run begins anew only where its event says so", () => {
  for (const [ending, opens, begins] of [
    ["succeeded", "always", true],
    ["succeeded", "after_ending", true],
    ["succeeded", "after_failure", false],
    ["failed", "after_failure", true],
    ["cancelled", "after_failure", true],
    ["failed", undefined, false],
  ]) {
    const jobs = new Jobs();
    jobs.event("jobs/1", { kind: "x", state: ending, error: "e" }, NOW);
    jobs.event("jobs/1", { kind: "y", state: "running", opens, percent: 1 }, NOW + 10);
    const row = jobs.rows.get("jobs/1");
    assert.equal(row.state, begins ? "running" : ending, `${ending} ${opens}`);
    assert.equal(row.started, begins ? NOW + 10 : null);
  }
});

test("a snapshot is no beginning", () => {
  const jobs = new Jobs();
  const view = { kind: "started", state: "running", opens: "always" };
  jobs.event("jobs/1", view, NOW, true);
  jobs.event("jobs/2", view, NOW + 1, true);
  assert.equal(jobs.rows.get("jobs/1").started, null);
  for (const [n, started] of [[1, NOW - 10], [2, NOW - 20]]) jobs.listed(listed(`jobs/${n}`, { started: iso(started) }), NOW + 2, NOW + 3);
  assert.deepEqual(jobs.select({}).rows.map(({ id }) => id), ["1", "2"], "in the order in which they began");
  jobs.event("jobs/1", { kind: "progress", state: "running", percent: 5 }, NOW + 4);
  jobs.event("jobs/1", view, NOW + 5, true);
  assert.equal(jobs.rows.get("jobs/1").percent, 5);
});

test("a list that was asked for before an event does not undo it", () => {
  const jobs = new Jobs();
  jobs.event("celery/1", { kind: "S", state: "succeeded" }, NOW + 5);
  jobs.listed(listed("celery/1", { watchers: 7 }), 0, NOW + 10);
  const row = jobs.rows.get("celery/1");
  assert.deepEqual([row.state, row.watchers, row.started], ["succeeded", 7, NOW - 60_000]);
  // A clock that is put right in between says nothing of what is newer.
  jobs.listed(listed("celery/1", { state: "running" }), jobs.version, NOW - 3600_000);
  assert.equal(row.state, "running");
});

test("jobs that a relay does not know any more are unknown, until they are heard of", () => {
  const jobs = new Jobs();
  const first = jobs.version;
  for (const [n, state] of ["running", "failed", "running", "succeeded"].entries()) jobs.listed(listed(`celery/${n}`, { state }), first, NOW);
  assert.ok(!jobs.isAnswered);
  jobs.answered(4, first, true);
  assert.ok(jobs.isAnswered && jobs.rows.size === 4);
  const second = jobs.version;
  jobs.event("celery/2", { kind: "P", state: "running" }, NOW + 200);
  jobs.answered(0, second, true, "celery/1");
  const states = () => [...jobs.rows.values()].map((row) => row.state);
  assert.deepEqual(states(), ["unknown", "failed", "running"], "what has ended leaves, unless it is opened");
  assert.equal(jobs.total, 3);
  assert.equal(elapsed(jobs.rows.get("celery/0"), NOW), null);
  jobs.event("celery/0", { kind: "P", state: "running", percent: 3 }, NOW + 300);
  assert.deepEqual(states(), ["running", "failed", "running"]);
  jobs.answered(3, jobs.version, false);
  assert.deepEqual(states(), ["running", "failed", "running"], "a part of a list says nothing of others");
  jobs.clear();
  assert.deepEqual([jobs.select({}).rows, jobs.total, jobs.isAnswered], [[], 0, false]);
});

test("rows are filtered, counted, and in an order that progress does not change", () => {
  const jobs = new Jobs();
  for (let n = 0; n < 5; n += 1) {
    const state = n === 4 ? "failed" : "running";
    jobs.listed(listed(`${n % 2 ? "celery" : "jobs"}/${n}`, { started: iso(NOW + n * 10_000), message: `Message ${n}`, state }), NOW, NOW);
  }
  const names = (filter) => jobs.select(filter).rows.map((row) => row.id).join("");
  assert.equal(names({}), "43210");
  jobs.event("jobs/0", { kind: "p", state: "running", percent: 99 }, NOW + 90_000);
  assert.equal(names({}), "43210");
  assert.equal(names({ dialect: "celery" }), "31");
  assert.equal(names({ text: " MESSAGE 2 " }), "2");
  assert.equal(names({ text: "celery/" }), "31");
  assert.equal(names({ states: new Set(["failed"]) }), "4");
  const { counts } = jobs.select({ dialect: "jobs", states: new Set(["failed"]) });
  assert.deepEqual([counts.running, counts.failed, counts.queued], [2, 1, 0]);
  jobs.event("jobs/0", { kind: "p", state: "running", opens: "always" }, NOW + 99_000);
  assert.equal(names({}), "04321", "a new run is the newest");
});

test("rows are bounded, and those under way are the last to leave", () => {
  const jobs = new Jobs();
  jobs.listed(listed("jobs/old", { started: iso(NOW - 1e9) }), NOW, NOW);
  for (let n = 0; n < MOST_ROWS * 1.1; n += 1) jobs.event(`jobs/${n}`, { kind: "s", state: n < 20_000 ? "succeeded" : "running" }, NOW + n);
  assert.ok(jobs.rows.size <= MOST_ROWS * 1.05 && jobs.rows.size >= MOST_ROWS);
  assert.ok(jobs.rows.has("jobs/old") && jobs.rows.has("jobs/10999") && !jobs.rows.has("jobs/0"));
  assert.equal(jobs.total, MOST_ROWS * 1.05 + 1, "those that left are counted");
});

test("nonsense in messages moves nothing", () => {
  const jobs = new Jobs();
  for (const target of [undefined, null, 1, "", {}]) jobs.event(target, { state: "running" }, NOW);
  for (const view of [undefined, null, 1, "running"]) jobs.event("jobs/1", view, NOW);
  for (const row of [undefined, null, 1, {}, { target: 1 }]) jobs.listed(row, NOW, NOW);
  assert.equal(jobs.rows.size, 0);
  jobs.event("jobs/1", { state: "on fire", percent: "45", message: { a: 1 }, opens: 7 }, NOW);
  jobs.listed({ target: "jobs/2", state: 1, percent: NaN, message: 1, updated: "x", started: 5, watchers: "2" }, NOW, NOW);
  assert.deepEqual([...jobs.rows.values()].map(({ state, percent, message, started }) => [state, percent, message, started]), [
    ["running", null, "", null],
    ["unknown", null, "", null],
  ]);
  jobs.event("__proto__/constructor", { state: "running" }, NOW);
  assert.equal(jobs.select({}).counts.running, 2);
});

test("the time left follows from the pace", () => {
  const pace = new Pace();
  assert.equal(pace.left(NOW, NOW), null);
  pace.saw(40, NOW);
  assert.equal(pace.left(null, NOW + 1), null, "one percent is no pace");
  assert.equal(pace.left(NOW - 40_000, NOW), 60_000, "but the run so far is");
  pace.saw(50, NOW + 10_000);
  assert.equal(pace.left(null, NOW + 10_000), 50_000);
  assert.equal(pace.left(null, NOW + 30_000), 30_000, "it runs down while nothing comes");
  assert.equal(pace.left(null, NOW + 300_000), null, "overdue");
  pace.saw(20, NOW + 301_000);
  assert.equal(pace.left(null, NOW + 302_000), null, "a step back begins anew");
  const joined = new Pace();
  joined.saw(90, NOW + 200);
  joined.saw(90.5, NOW + 10_200);
  assert.equal(joined.left(NOW, NOW + 10_200), null, "a run that begins with 90% has not done them in ten seconds");
  joined.saw(92, NOW + 20_200);
  assert.equal(joined.left(NOW, NOW + 20_200), 80_000);
  const told = new Pace();
  told.saw(0, NOW);
  told.saw(80, NOW + 3);
  told.saw(81, NOW + 2_003);
  assert.equal(told.left(null, NOW + 2_003), 38_000, "a run told in one breath has no pace");
  assert.equal(left({ state: "succeeded", pace, started: NOW }, NOW), null);
});

test("a run keeps its parts and its last lines", () => {
  const run = new Run();
  run.event({ kind: "started", state: "running", opens: "always" }, {}, null, NOW);
  run.event({ kind: "part_started", state: "running", part: { name: "tests", state: "running" } }, {}, NOW, NOW);
  run.event({ kind: "part_failed", state: "running", error: "no", part: { name: "tests", state: "failed", count: 3 } }, {}, NOW, NOW);
  run.event({ kind: "log", log: { line: "a", stream: "stderr" } }, {}, NOW, NOW);
  run.event({ kind: "progress", state: "running", percent: 40, step: 2, total: 5, message: "m" }, {}, NOW, NOW);
  run.event({ kind: "progress", state: "running", percent: 50, message: "m" }, {}, NOW, NOW);
  run.event(undefined, { a: 1 }, NOW, NOW);
  assert.deepEqual(run.lines.map(({ kind, text }) => `${kind}|${text}`), ["started|running", "running|tests", "failed|tests: no", "stderr|a", "progress|m", 'event|{"a":1}']);
  assert.deepEqual([run.state, run.percent, run.step, run.steps, run.error], ["running", 50, 2, 5, ""]);
  const part = run.parts.get("tests");
  assert.deepEqual([part.state, part.count, part.error], ["failed", 3, "no"]);
  run.event({ kind: "failed", state: "failed", error: "exit code 1" }, {}, NOW + 9, NOW + 9);
  run.outcome("failed", NOW + 10);
  assert.deepEqual([run.state, run.error, run.ended, run.percent], ["failed", "exit code 1", NOW + 9, 50]);
  run.event({ kind: "started", state: "running", opens: "always" }, {}, NOW + 20, NOW + 20);
  assert.deepEqual([run.state, run.error, run.ended, run.parts.size, run.started], ["running", "", null, 0, NOW + 20]);
  for (let n = 0; n < 1_000; n += 1) run.event({ kind: "log", log: { line: "x".repeat(50_000) } }, {}, NOW, NOW);
  assert.equal(run.lines.length, 200);
  assert.ok(run.count > 1_000 && run.lines[0].text.length === 20_000 && run.lines[0].length === 50_000);
  run.gap("too_old", NOW);
  assert.match(run.lines.at(-1).text, /missing/);
  for (let n = 0; n < 3_000; n += 1) run.event({ kind: "p", state: "running", part: { name: `p${n}` } }, {}, NOW, NOW);
  assert.deepEqual([run.parts.size, run.moreParts], [2_000, 1_000]);
});

test("a run that a restarted relay does not know is unknown, until it is heard of", () => {
  const run = new Run();
  run.event({ kind: "p", state: "running", percent: 40 }, {}, NOW, NOW);
  run.gap("too_old", NOW);
  run.caughtUp();
  assert.equal(run.state, "running");
  run.gap("restarted", NOW);
  run.event({ kind: "p", state: "running" }, {}, null, NOW);
  run.caughtUp();
  assert.equal(run.state, "running", "its snapshot came");
  run.gap("restarted", NOW);
  run.caughtUp();
  assert.equal(run.state, "unknown");
  run.event({ kind: "f", state: "failed" }, {}, NOW, NOW);
  run.gap("restarted", NOW);
  run.caughtUp();
  assert.equal(run.state, "failed", "an ending stays");
});

test("runs are counted, so that parts of another one can leave", () => {
  const run = new Run();
  const { runs } = run;
  run.event({ kind: "s", state: "running", opens: "always", part: { name: "a" } }, {}, NOW, NOW);
  run.event({ kind: "s", state: "running", part: { name: "b" } }, {}, NOW, NOW);
  assert.deepEqual([run.runs, [...run.parts.keys()]], [runs + 1, ["a", "b"]]);
  run.event({ kind: "s", state: "running", opens: "always", part: { name: "c" } }, {}, NOW, NOW);
  run.event({ kind: "s", state: "running", part: { name: "d" } }, {}, NOW, NOW);
  assert.deepEqual([run.runs, [...run.parts.keys()]], [runs + 2, ["c", "d"]]);
});

test("names of the modules do not collide, since they become one", () => {
  const names = new Map();
  for (const file of ["model.js", "readers.js", "link.js", "dom.js", "list.js", "job.js", "app.js"]) {
    const source = readFileSync(new URL(file, import.meta.url), "utf8");
    for (const [, name] of source.matchAll(/^(?:export )?(?:async )?(?:function\*?|const|let|class) (\w+|\$)/gm)) {
      assert.ok(!names.has(name), `${name} of ${file} is in ${names.get(name)} too`);
      names.set(name, file);
    }
    // The relay drops lines that begin with it.
    for (const [line] of source.matchAll(/^import .*$/gm)) assert.match(line, /;$/, `${file}: an import has a line of its own`);
    const code = source.split("\n").filter((line) => !/^\s*\/\//.test(line));
    const open = code.filter((line) => line.split("`").length % 2 === 0);
    assert.deepEqual(open, [], `${file}: a template over several lines would lose its indentation`);
  }
  assert.ok(Object.keys(model).every((name) => names.get(name) === "model.js"));
});
