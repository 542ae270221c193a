// The page in a browser, against a real relay.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { AXE, KEY, Relay, SECRET, browser, each, open, proxy, tidy, token } from "./harness.mjs";

const WIDTHS = [360, 768, 1440];
// Longest time that the page may be busy at one go, in milliseconds. It is meant to be under 50 on a machine with nothing else to do;
// here many tests share one.
const BUSY = 1_000;

let chromium;
before(async () => {
  chromium = await browser();
});
after(async () => {
  await chromium.close();
  await tidy();
});

// Waits for a text in an element.
async function says(page, selector, wanted) {
  try {
    await page.waitForFunction(([selector, wanted]) => document.querySelector(selector)?.textContent.includes(wanted), [selector, wanted]);
  } catch {
    assert.fail(`${selector} says ${await page.textContent(selector)} and not ${wanted}`);
  }
}

// The row of a job.
const rowOf = (page, target) => page.locator("#rows tr", { has: page.locator(`a[href="#${target}"]`) });

async function cell(page, target, selector, wanted) {
  const at = rowOf(page, target).locator(selector);
  await at.filter({ hasText: wanted }).waitFor({ state: "attached" });
}

test("bars move, texts stay texts, and nothing goes to others", async () => {
  const relay = await Relay.start();
  const { page, faultsNow, close } = await open(chromium, relay.url);
  await says(page, "#link", "live");
  await says(page, "#empty-text", "No jobs to show yet");
  await relay.event("a", "started");
  await relay.event("a", "progress", { percent: 10, message: "<b>bold</b><img src=x onerror=alert(1)>" });
  await cell(page, "jobs/a", ".percent", "10%");
  await cell(page, "jobs/a", ".c-message", "<b>bold</b><img src=x onerror=alert(1)>");
  const bar = rowOf(page, "jobs/a").getByRole("progressbar");
  const width = async () => bar.locator("i").evaluate((inner) => inner.getBoundingClientRect().width);
  const narrow = await width();
  await relay.event("a", "progress", { percent: 80, message: "\u202egnp.exe\u0007 مرحبا" });
  await cell(page, "jobs/a", ".percent", "80%");
  await cell(page, "jobs/a", ".c-message", "gnp.exe^G مرحبا");
  assert.equal(await bar.getAttribute("aria-valuenow"), "80");
  await page.waitForFunction(([bar, narrow]) => bar.getBoundingClientRect().width > 4 * narrow, [await bar.locator("i").elementHandle(), narrow]);
  await relay.publish("celery-task-meta-t1", { status: "FAILURE", result: { exc_type: "OSError", exc_message: ["<i>disk full"] }, task_id: "t1" });
  await cell(page, "celery/t1", ".state", "failed");
  await cell(page, "celery/t1", ".c-message", "OSError: <i>disk full");
  await relay.event("a", "succeeded", { result: "fine" });
  await cell(page, "jobs/a", ".state", "succeeded");
  assert.equal(await page.locator("#rows :is(b, img, script)").count(), 0);
  await page.fill("#text", "DISK FULL");
  await says(page, "#sum", "1 of 2 jobs");
  await page.fill("#text", "");
  await page.click("#states [data-state=succeeded]");
  await says(page, "#sum", "1 of 2 jobs");
  await cell(page, "jobs/a", ".state", "succeeded");
  assert.deepEqual(await faultsNow(), []);
  await close();
  await relay.kill();
});

test("a job has a page with its parts and its messages", async () => {
  const relay = await Relay.start();
  const job = "build 42/<x>%";
  const path = encodeURIComponent("build 42");
  await relay.event("build 42", "started");
  await each(Array.from({ length: 300 }, (_, n) => n), (n) => relay.event("build 42", n % 50 === 0 ? "part_failed" : "part_done", { part: `part <u>${n}`, error: n % 50 === 0 ? "no" : undefined }), 1);
  for (let n = 0; n < 20; n += 1) await relay.event("build 42", "log", { line: `<s>line ${n} \u001b[31m${"x".repeat(10_000)}`, stream: "stderr" });
  const { page, faultsNow, close } = await open(chromium, `${relay.url}#jobs/${path}`);
  await says(page, "#job-id", "build 42");
  await page.waitForFunction(() => document.querySelectorAll("#lines li").length >= 20);
  await relay.event("build 42", "progress", { percent: 40, step: 2, total: 5, message: "linking" });
  await says(page, "#job-percent", "40%");
  await says(page, "#facts", "2 of 5");
  await says(page, "#job-message", "linking");
  await says(page, "#lines", "<s>line 19 ^[[31mxxx");
  await page.waitForFunction(() => document.querySelectorAll("#parts li").length > 150);
  await says(page, "#parts", "part <u>299");
  assert.equal(await page.locator(":is(#lines, #parts) :is(s, u)").count(), 0);
  await page.locator("#lines button").last().click();
  await page.waitForFunction(() => [...document.querySelectorAll("#lines bdi")].some((line) => line.textContent.length > 10_000));
  await relay.event("build 42", "failed", { error: "exit code 1" });
  await says(page, "#job-state", "failed");
  await says(page, "#job-message", "exit code 1");
  await page.click(".back a");
  await cell(page, `jobs/${path}`, ".state", "failed");
  // One that nobody has heard of, by its name.
  await page.evaluate((job) => (location.hash = `#jobs/${encodeURIComponent(job)}`), "nobody");
  await says(page, "#job-message", "Nothing is known of this job yet");
  await relay.event("nobody", "progress", { percent: 7 });
  await says(page, "#job-percent", "7%");
  assert.deepEqual(await faultsNow(), [], job);
  await close();
  await relay.kill();
});

test("the page comes back to a relay that was killed", async () => {
  let relay = await Relay.start();
  const { address } = relay;
  await relay.event("a", "progress", { percent: 10 });
  const { page, close } = await open(chromium, relay.url);
  await cell(page, "jobs/a", ".percent", "10%");
  await relay.kill();
  await says(page, "#link", "reconnecting");
  relay = await Relay.start([], address);
  await page.click("#retry").catch(() => {});
  await says(page, "#link", "live");
  await says(page, "#notices", "The relay was restarted");
  // A relay without Redis has forgotten it.
  await cell(page, "jobs/a", ".state", "unknown");
  await relay.event("a", "progress", { percent: 30 });
  await cell(page, "jobs/a", ".percent", "30%");
  await cell(page, "jobs/a", ".state", "running");
  assert.deepEqual(await page.evaluate(() => window.violations), []);
  await close();
  await relay.kill();
});

test("behind a proxy that strips upgrades, at a path of its own, the page falls back and says so", async () => {
  const relay = await Relay.start();
  await relay.event("a", "progress", { percent: 10 });
  for (const [options, state, notice] of [
    [{}, "live by event stream", "No WebSocket gets through"],
    [{ streams: false }, "asked every few seconds", "Neither WebSockets nor event streams"],
    [{ old: true }, "asked every few seconds", "older than the page"],
  ]) {
    const way = await proxy(relay, options);
    const { page, close } = await open(chromium, way.url);
    await says(page, "#link", state);
    await says(page, "#notices", notice);
    const percent = 20 + Math.floor(Math.random() * 70);
    await relay.event("a", "progress", { percent });
    await cell(page, "jobs/a", ".percent", `${percent}%`);
    assert.deepEqual(await page.evaluate(() => window.violations), []);
    await close();
    way.close();
  }
  await relay.kill();
});

test("a token that is wrong or expires is said, and a new one goes on from there", async () => {
  const auth = ["celery", "bullmq", "jobs", "scraping", "downloads"].flatMap((name) => ["--auth", `${name}=token`]);
  const relay = await Relay.start(["--jwt-secret", SECRET, ...auth]);
  await relay.event("a", "progress", { percent: 10 });
  const { page, close } = await open(chromium, relay.url);
  const use = async (text) => {
    if (await page.isHidden("#token")) await page.click("#token-open");
    await page.fill("#token-text", text);
    await page.click("#token [type=submit]");
  };
  await page.waitForFunction(() => document.querySelector("#notices").textContent !== "");
  await use("not.a.token");
  await says(page, "#token-say", "Not taken");
  await use(token(8));
  await cell(page, "jobs/a", ".percent", "10%");
  await page.evaluate(() => (location.hash = "#jobs/a"));
  await says(page, "#job-percent", "10%");
  await page.waitForFunction(() => /token|expired/i.test(document.querySelector("#notices").textContent));
  await relay.event("a", "log", { line: "said meanwhile" });
  await relay.event("a", "progress", { percent: 60 });
  await says(page, "#job-percent", "10%");
  await use(token(600));
  await says(page, "#job-percent", "60%");
  await says(page, "#lines", "said meanwhile");
  await says(page, "#link", "live");
  await page.waitForFunction(() => document.querySelector("#notices").textContent === "");
  assert.ok(!(await page.content()).includes("eyJ"), "the token is nowhere in the document");
  assert.deepEqual(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie, window.violations.length]), [0, 0, "", 0]);
  await close();
  await relay.kill();
});

test("a page that may not list opens a job by its name, and lists with the publish key", async () => {
  const relay = await Relay.start();
  await relay.event("a", "progress", { percent: 10 });
  // Lists are closed to what comes through a proxy.
  const { page, close } = await open(chromium, relay.url, { extraHTTPHeaders: { "X-Forwarded-For": "192.0.2.7" } });
  await says(page, "#notices", "The list of jobs is closed");
  await page.fill("#open-text", "jobs/a");
  await page.click("#open button");
  await says(page, "#job-percent", "10%");
  await page.click("#token-open");
  for (const [text, said] of [["ключ", "no token"], ["a-wrong-key", "Not taken"]]) {
    await page.fill("#token-text", text);
    await page.click("#token [type=submit]");
    await says(page, "#token-say", said);
  }
  await page.fill("#token-text", KEY);
  await page.click("#token [type=submit]");
  await says(page, "#link", "live by event stream");
  await page.click(".back a");
  await cell(page, "jobs/a", ".percent", "10%");
  await relay.event("a", "progress", { percent: 20 });
  await cell(page, "jobs/a", ".percent", "20%");
  await says(page, "#notices", "a browser can send no publish key by WebSocket");
  await close();
  await relay.kill();
});

test("what a token has shown is forgotten with it", async () => {
  const relay = await Relay.start(["--jwt-secret", SECRET, "--auth", "jobs=token"]);
  await relay.event("a", "progress", { percent: 10 });
  const { page, close } = await open(chromium, relay.url);
  await says(page, "#link", "live");
  const use = async (text) => {
    if (await page.isHidden("#token")) await page.click("#token-open");
    await page.fill("#token-text", text);
    await page.click("#token [type=submit]");
  };
  await use("a-key-that-nobody-asked-for");
  await says(page, "#token-say", "Not taken");
  await use(token(600));
  await cell(page, "jobs/a", ".percent", "10%");
  await page.evaluate(() => (location.hash = "#jobs/a"));
  await says(page, "#job-percent", "10%");
  await page.click("#token-open");
  await page.click("#token-forget");
  await page.waitForSelector("#rows tr", { state: "detached" });
  await page.waitForSelector("#list", { state: "visible" });
  await page.waitForFunction(() => document.querySelector("#sum").textContent === "" && location.hash === "");
  await says(page, "#token-open", "Token");
  assert.equal(await page.textContent("#token-say"), "");
  await close();
  await relay.kill();
});

test("a publish key that opens nothing more is not taken", async () => {
  const relay = await Relay.start();
  const { page, close } = await open(chromium, relay.url);
  await says(page, "#link", "live");
  await page.click("#token-open");
  await page.fill("#token-text", "a-wrong-key");
  await page.click("#token [type=submit]");
  await says(page, "#token-say", "Not taken: the relay asks for no publish key here");
  await says(page, "#link", "live");
  await close();
  await relay.kill();
});

test("a job that cannot be is said, and all jobs of a dialect are the list", async () => {
  const relay = await Relay.start();
  await relay.event("a", "progress", { percent: 10 });
  await relay.publish("celery-task-meta-t1", { status: "STARTED", task_id: "t1" });
  const { page, close } = await open(chromium, `${relay.url}#nosuch/1`);
  await says(page, "#job-message", "nosuch");
  await page.evaluate(() => (location.hash = "#scraping/abc"));
  await page.waitForFunction(() => !/nosuch|Nothing is known|Asking/.test(document.querySelector("#job-message").textContent));
  await page.evaluate(() => (location.hash = "#jobs/nobody"));
  await says(page, "#job-message", "Nothing is known of this job yet");
  await page.evaluate(() => (location.hash = "#jobs/*"));
  await says(page, "#sum", "1 of 2 jobs");
  assert.equal(await page.inputValue("#dialect"), "jobs");
  await close();
  await relay.kill();
});

test("a job that a restarted relay does not know is unknown", async () => {
  let relay = await Relay.start();
  const { address } = relay;
  await relay.event("a", "started");
  const { page, close } = await open(chromium, `${relay.url}#jobs/a`);
  await says(page, "#job-state", "running");
  await relay.kill();
  await says(page, "#link", "reconnecting");
  relay = await Relay.start([], address);
  await page.click("#retry").catch(() => {});
  await says(page, "#job-state", "unknown");
  await page.getByText("Elapsed").last().waitFor({ state: "hidden" });
  await relay.event("a", "progress", { percent: 30 });
  await says(page, "#job-state", "running");
  await close();
  await relay.kill();
});

test("a tab with a publish key has one stream while a job is shown", async () => {
  const relay = await Relay.start();
  await relay.event("a", "progress", { percent: 10 });
  const { page, close } = await open(chromium, relay.url, { extraHTTPHeaders: { "X-Forwarded-For": "192.0.2.7" } });
  await says(page, "#notices", "The list of jobs is closed");
  await page.click("#token-open");
  await page.fill("#token-text", KEY);
  await page.click("#token [type=submit]");
  await cell(page, "jobs/a", ".percent", "10%");
  const isCut = page.waitForEvent("requestfailed", (request) => request.url().includes("/watch?") && request.url().includes("*"));
  await page.evaluate(() => (location.hash = "#jobs/a"));
  await says(page, "#job-percent", "10%");
  await isCut;
  await relay.event("a", "progress", { percent: 20 });
  await says(page, "#job-percent", "20%");
  await says(page, "#link", "live by event stream");
  await page.click(".back a");
  await relay.event("a", "progress", { percent: 30 });
  await cell(page, "jobs/a", ".percent", "30%");
  await close();
  await relay.kill();
});

test("the place in the list is kept, and the focus stays in it", async () => {
  const relay = await Relay.start();
  for (let n = 0; n < 90; n += 1) await relay.event(`job-${n}`, "started");
  const { page, faults, close } = await open(chromium, relay.url);
  await says(page, "#sum", "90 jobs");
  await page.evaluate(() => scrollTo(0, 1_000));
  await page.waitForFunction(() => document.querySelector('#rows [aria-rowindex="50"]'));
  await page.evaluate(() => (location.hash = "#jobs/job-3"));
  await says(page, "#job-id", "job-3");
  for (const go of ["goBack", "goForward", "goBack"]) {
    await page[go]();
    await page.waitForFunction((isList) => document.querySelector("#list").hidden !== isList, go === "goBack");
  }
  await page.waitForFunction(() => scrollY === 1_000);
  await page.evaluate(() => document.querySelector("#rows").click());
  assert.deepEqual(faults, []);
  await page.click("#states [data-state=running]");
  await page.locator("#rows a[tabindex='0']").focus();
  const before = await page.evaluate(() => document.activeElement.querySelector("bdi").textContent);
  await relay.event(before, "succeeded");
  await says(page, "#sum", "89 of 90 jobs");
  await page.waitForFunction((before) => document.activeElement.matches("#rows a") && !document.activeElement.textContent.endsWith(before), before);
  await close();
  await relay.kill();
});

test("an accessibility checker finds nothing serious, in any colours and widths", async () => {
  const relay = await Relay.start();
  const kinds = ["queued", "progress", "succeeded", "failed", "cancelled"];
  for (const [at, kind] of kinds.entries()) await relay.event(`job-${at}`, kind, { message: "some words" });
  await relay.event("job-1", "part_failed", { part: "tests", error: "no" });
  const axe = readFileSync(AXE, "utf8");
  for (const colorScheme of ["light", "dark"]) {
    for (const width of WIDTHS) {
      const { page, close } = await open(chromium, relay.url, { colorScheme, viewport: { width, height: 800 } });
      await cell(page, "jobs/job-4", ".state", "cancelled");
      for (const hash of ["", "#jobs/job-1"]) {
        await page.evaluate((hash) => (location.hash = hash), hash);
        if (hash) await says(page, "#parts", "tests");
        await page.click("#token-open");
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => axe.run());
        const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
        const told = serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`);
        assert.deepEqual(told, [], `${colorScheme} ${width} ${hash}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= width, `${wide} of ${width} pixels`);
      }
      await close();
    }
  }
  await relay.kill();
});

test("keys go through the list, and the focus stays in sight", async () => {
  const relay = await Relay.start();
  for (let n = 0; n < 60; n += 1) await relay.event(`job-${n}`, "started");
  const { page, close } = await open(chromium, relay.url);
  await says(page, "#sum", "60 jobs");
  await page.locator("#rows a[tabindex='0']").focus();
  const focused = () => page.evaluate(() => {
    const { top, bottom } = document.activeElement.getBoundingClientRect();
    return [document.activeElement.closest("tr").getAttribute("aria-rowindex"), top >= 0 && bottom <= innerHeight];
  });
  // The header is the first row.
  for (const [key, row] of [["End", "61"], ["ArrowUp", "60"], ["Home", "2"], ["ArrowDown", "3"]]) {
    await page.keyboard.press(key);
    assert.deepEqual(await focused(), [row, true], key);
  }
  const job = await page.evaluate(() => document.activeElement.querySelector("bdi").textContent);
  await page.keyboard.press("Enter");
  await says(page, "#job-id", job);
  await page.goBack();
  await page.waitForFunction((job) => document.activeElement.getAttribute("href") === `#jobs/${job}`, job);
  await close();
  await relay.kill();
});

test("five thousand jobs, some of them wordy, leave the page smooth", async (t) => {
  const relay = await Relay.start();
  const long = "<p>\u202e\u0007 مرحبا ".repeat(600);
  await each(Array.from({ length: 5_000 }, (_, n) => n), (n) => relay.event(`job-${n}`, "progress", { percent: n % 100, message: n % 10 === 0 ? long : `step ${n}` }));
  const { page, faultsNow, close } = await open(chromium, relay.url);
  await says(page, "#sum", "5,000 jobs");
  assert.ok((await page.locator("#rows tr").count()) < 100, "rows that nobody sees are not there");
  const flood = each(Array.from({ length: 2_000 }, (_, n) => n), (n) => relay.event(`job-${n % 400}`, "progress", { percent: n % 100, message: n % 10 === 0 ? long : `step ${n}` }));
  await page.mouse.move(700, 500);
  for (let turn = 0; turn < 10; turn += 1) await page.mouse.wheel(0, 4_000);
  await page.fill("#text", "step 7");
  await says(page, "#sum", " of 5,000 jobs");
  await page.fill("#text", "");
  await flood;
  await says(page, "#sum", "5,000 jobs");
  const longest = await page.evaluate(() => Math.max(0, ...window.long));
  t.diagnostic(`longest task ${Math.round(longest)} ms`);
  assert.ok(longest < BUSY, `${longest} ms`);
  assert.deepEqual(await faultsNow(), []);
  await close();
  await relay.kill();
});
