/** A real server on a fresh database, and Debian's Chromium to look at it with. */

import { spawn } from "node:child_process";
import { mkdtemp, mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const here = path.dirname(fileURLToPath(import.meta.url));
const command = process.env.MNESIS ?? path.join(here, "../../.venv/bin/mnesis");
/** Screenshots and traces of what failed. */
export const kept = path.join(here, "kept");

const STARTED = /http:\/\/127\.0\.0\.1:(\d+)/;
const START_MS = 30_000;

/** Starts `mnesis serve` on a free port. Resolves to its address and a way to stop it. */
export async function serve(environment = {}) {
  const folder = await mkdtemp(path.join(tmpdir(), "mnesis-browser-"));
  const server = spawn(command, ["serve", "--port", "0"], {
    env: { ...process.env, MNESIS_DATABASE_URL: `sqlite:///${folder}/mnesis.db`, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  const port = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`The server did not start:\n${said}`)), START_MS);
    const hear = (chunk) => {
      said += chunk;
      const found = STARTED.exec(said);
      if (found) {
        clearTimeout(late);
        resolve(found[1]);
      }
    };
    server.stdout.on("data", hear);
    server.stderr.on("data", hear);
    server.on("exit", (code) => reject(new Error(`The server ended with ${code}:\n${said}`)));
  });
  const stop = async () => {
    const gone = new Promise((resolve) => server.on("exit", resolve));
    server.kill("SIGTERM");
    await gone;
    await rm(folder, { recursive: true, force: true });
  };
  return { address: `http://127.0.0.1:${port}`, stop };
}

/** Chromium that reaches this machine and nothing else: it can look up no name at all. */
export async function browse() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ],
  });
}

/** Runs `visit` on a fresh page; what it saw is kept when it fails. */
export async function visiting(browser, name, options, visit) {
  const context = await browser.newContext(options);
  await context.tracing.start({ screenshots: true, snapshots: true });
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!/^(http:\/\/127\.0\.0\.1|ws:\/\/127\.0\.0\.1|data:|blob:)/.test(url)) complaints.push(`foreign: ${url}`);
  });
  let failed = true;
  try {
    await visit(page, complaints);
    failed = false;
  } finally {
    if (failed) {
      await mkdir(kept, { recursive: true });
      await page.screenshot({ path: path.join(kept, `${name}.png`) });
      await context.tracing.stop({ path: path.join(kept, `${name}.zip`) });
    }
    await context.close();
  }
}
