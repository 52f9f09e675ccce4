/** A server as its users run it, on a free port of the loopback address, over a database of its own. */

import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const SECRET = "a secret of at least thirty-two bytes";

const START_TIMEOUT_MS = 60_000;
const INSTALLED = fileURLToPath(new URL("../../.venv/bin/mnesis", import.meta.url));

/** The command: what MNESIS says, or where `make` has installed it. */
function command() {
  const found = process.env.MNESIS || INSTALLED;
  if (!existsSync(found)) {
    throw new Error(`There is no ${found}: run make serve once, or set MNESIS to the path of the command mnesis.`);
  }
  return found;
}

function environment(settings) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("MNESIS_"));
  return { ...Object.fromEntries(inherited), ...settings };
}

/** Starts `mnesis serve` with these settings, such as `{ MNESIS_LIMIT_SOCKET_OPERATIONS: '2' }`. */
export async function startServer(settings = {}) {
  const folder = await mkdtemp(join(tmpdir(), "mnesis-clients-"));
  const env = environment({
    MNESIS_LOG_LEVEL: "warning",
    ...settings,
    MNESIS_DATABASE_URL: `sqlite:///${join(folder, "memories.db")}`,
    MNESIS_PORT: "0",
  });
  const server = spawn(command(), ["serve"], { env, stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise((resolve) => server.once("exit", resolve));
  process.once("exit", () => server.kill("SIGKILL"));

  async function stop() {
    server.kill("SIGTERM");
    const code = await exited;
    await rm(folder, { recursive: true });
    return code;
  }

  try {
    const address = await announced(server);
    const fill = () => execFileSync(command(), ["demo"], { env });
    return { url: address, socketUrl: address.replace("http:", "ws:"), stop, fill };
  } catch (failure) {
    await stop();
    throw failure;
  }
}

async function announced(server) {
  const signal = AbortSignal.timeout(START_TIMEOUT_MS);
  for await (const line of createInterface({ input: server.stdout, signal })) {
    const found = /listens on (http:\S+\/graphql)$/.exec(line);
    if (found) {
      server.stdout.resume();
      await fetch(new URL("/healthz", found[1]), { signal });
      return found[1];
    }
  }
  throw new Error("The server ended before it listened.");
}

/** What an Authorization header holds, for a server that was started with MNESIS_AUTH_SECRET. */
export function bearer(tenant, scope = "memory:write") {
  const given = ["token", "--tenant", tenant, "--subject", "somebody", "--scope", scope, "--expires-in", "10m"];
  const token = execFileSync(command(), given, { env: environment({ MNESIS_AUTH_SECRET: SECRET }), encoding: "utf8" });
  return `Bearer ${token.trim()}`;
}

/** Creates a memory by plain HTTP, and says its id. */
export async function create(server, text, headers = {}) {
  const response = await fetch(server.url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ query: CREATE, variables: { text } }),
  });
  const { data } = await response.json();
  return data.createMemory.memory.id;
}

export const CREATE = `mutation ($text: String!) {
  createMemory(input: { longTerm: { memory: $text } }) { status memory { id version } errors { code message path } }
}`;
export const WATCH = "subscription { memoryChanged { cursor action record { subjectId version } memory { id } } }";
