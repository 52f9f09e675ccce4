/** A real server on a fresh database, and Debian's Chromium to look at it with. */

import { mkdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { startServer } from "../clients/server.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
/** Screenshots and traces of what failed. */
export const kept = path.join(here, "kept");

/** Starts `mnesis serve` on a free port. Resolves to its address, and ways to fill it with `mnesis demo` and to stop it. */
export async function serve(environment = {}) {
  const { url, stop, fill } = await startServer(environment);
  return { address: new URL(url).origin, stop, fill };
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
