// What the tests of the page stand on: a relay, a browser, a proxy. Every wait has a deadline.

import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, createServer, request } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

// The test that runs these files says where its packages, the browser and the program are.
const { NODE_MODULES, CHROMIUM, JOBWIRE } = process.env;
const require = createRequire(join(NODE_MODULES, "x.js"));
const { chromium } = require("playwright-core");

export const PATIENCE = 60_000;
export const SECRET = "a-secret-of-at-least-32-bytes-for-tests";
export const AXE = require.resolve("axe-core");
export const KEY = "a-publish-key-for-tests";
const agent = new Agent({ keepAlive: true, maxSockets: 32 });

const relays = new Set();

// Kills what a failed test has left.
export async function tidy() {
  for (const relay of relays) await relay.kill();
}

export async function browser() {
  // A container has no user namespaces for the sandbox, and little shared memory.
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

// A page with what must not happen to it: errors, violations of the policy, dialogs, requests to others.
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  const faults = [];
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(error.stack));
  page.on("dialog", (dialog) => faults.push(`dialog ${dialog.message()}`) && dialog.dismiss());
  page.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol !== "data:" && host !== new URL(url).host) faults.push(`request to ${request.url()}`);
  });
  await page.addInitScript(() => {
    window.violations = [];
    window.long = [];
    addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
    new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => window.long.push(duration))).observe({ type: "longtask", buffered: true });
  });
  page.setDefaultTimeout(PATIENCE);
  await page.goto(url);
  const faultsNow = async () => [...faults, ...(await page.evaluate(() => window.violations))];
  return { page, faults, faultsNow, close: () => context.close() };
}

export class Relay {
  // A relay on a port of its own choice, or on an address as after a restart.
  static async start(args = [], listen = "127.0.0.1:0") {
    const relay = new Relay();
    relays.add(relay);
    relay.folder = mkdtempSync(join(tmpdir(), "jobwire-page-"));
    const env = { PATH: process.env.PATH, HOME: relay.folder, XDG_RUNTIME_DIR: relay.folder };
    relay.process = spawn(JOBWIRE, ["serve", "--listen", listen, "--publish-key", KEY, ...args], { env, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    relay.address = await new Promise((resolve, reject) => {
      relay.process.stderr.on("data", (data) => {
        said += data;
        const found = /listening on http:\/\/([^\s\x1b/]+)[\s/\x1b]/.exec(said);
        if (found) resolve(found[1]);
      });
      relay.process.on("exit", () => reject(new Error(`the relay did not start: ${said}`)));
    });
    relay.url = `http://${relay.address}/`;
    return relay;
  }

  // Publishes an event of a job of `jobs`.
  async event(job, event, more = {}) {
    await this.publish(`job_updates:${encodeURIComponent(job)}`, { job, event, ...more });
  }

  async publish(channel, payload) {
    const headers = { Authorization: `Bearer ${KEY}` };
    await new Promise((resolve, reject) => {
      const sent = request(new URL(`publish/${channel}`, this.url), { method: "POST", headers, agent }, (answer) => {
        let body = "";
        answer.on("data", (data) => (body += data));
        answer.on("end", () => (answer.statusCode === 200 ? resolve() : reject(new Error(body))));
      });
      sent.on("error", reject);
      sent.end(JSON.stringify(payload));
    });
  }

  // Kills it, as a crash would.
  async kill() {
    relays.delete(this);
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGKILL");
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

// A token that is good for some seconds.
export function token(seconds, claims = {}) {
  const part = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
  const head = part({ alg: "HS256", typ: "JWT" });
  const body = part({ sub: "alice", exp: Math.floor(Date.now() / 1000) + seconds, ...claims });
  return `${head}.${body}.${createHmac("sha256", SECRET).update(`${head}.${body}`).digest("base64url")}`;
}

// A proxy that knows no upgrades and has the relay at a path of its own. Without `streams` it knows no event streams either; with
// `old` the relay behind it seems to be one that knows nothing of the page.
export async function proxy(relay, { streams = true, old = false, prefix = "/some/where/" } = {}) {
  const server = createServer((asked, answer) => {
    const { pathname, search } = new URL(asked.url, "http://x");
    const isStream = (asked.headers.accept ?? "").includes("text/event-stream");
    if (!pathname.startsWith(prefix) || (isStream && !streams)) {
      answer.writeHead(isStream ? 406 : 404).end();
      return;
    }
    const { upgrade, connection, ...headers } = asked.headers;
    const path = `/${pathname.slice(prefix.length)}${search}`;
    const [host, port] = relay.address.split(":");
    const passed = request({ host, port, path, method: asked.method, headers }, (got) => {
      if (!old || !pathname.endsWith("/jobs")) {
        answer.writeHead(got.statusCode, got.headers);
        got.pipe(answer);
        return;
      }
      let body = "";
      got.on("data", (data) => (body += data));
      got.on("end", () => answer.writeHead(got.statusCode, { "Content-Type": "application/json" }).end(JSON.stringify({ jobs: JSON.parse(body).jobs })));
    });
    passed.on("error", () => answer.destroy());
    answer.on("close", () => passed.destroy());
    asked.pipe(passed);
  });
  // A request for an upgrade is one like all others to it.
  server.on("upgrade", (_, socket) => socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  // A failed test is not kept from ending by it.
  server.unref();
  return { url: `http://127.0.0.1:${server.address().port}${prefix}`, close };
}

// Runs work for all of a list, some at a time.
export async function each(list, work, atOnce = 24) {
  const rest = list[Symbol.iterator]();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
