/** The guides in docs/clients, each run as the module that its blocks make together. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import WebSocket from "ws";

import { SECRET, bearer, create, startServer } from "./server.mjs";

// Browsers have one of their own, Node.js from version 22 on.
globalThis.WebSocket = WebSocket;

const DOCS = new URL("../../docs/clients/", import.meta.url);
// Below node_modules, so that what a guide imports is found and nothing of it is ever committed.
const BUILT = new URL("./node_modules/.guides/", import.meta.url);

/** The code of all blocks of one language. */
async function code(guide, language = "js") {
  const page = await readFile(new URL(`${guide}.md`, DOCS), "utf8");
  return [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter((found) => found[1] === language).map((found) => found[2]);
}

/** A way to the server that can be cut, as networks are. */
async function wire(url) {
  const open = new Set();
  const listening = createServer((near) => {
    const far = connect(Number(new URL(url).port), new URL(url).hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      open.add(from);
      from.on("error", () => to.destroy()).on("close", () => to.destroy() && open.delete(from));
      from.pipe(to);
    }
  });
  await new Promise((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const cut = () => open.forEach((each) => each.destroy());
  return {
    url: `http://127.0.0.1:${listening.address().port}/graphql`,
    cut,
    close() {
      cut();
      listening.close();
    },
  };
}

async function load(guide, url) {
  const source = (await code(guide)).join("\n");
  const address = "http://127.0.0.1:8000/graphql";
  assert.equal(source.split(address).length, 2, "A guide names the server once.");
  const file = new URL(`${guide}.mjs`, BUILT);
  await mkdir(BUILT, { recursive: true });
  await writeFile(file, source.replace(address, url));
  return import(file);
}

async function until(holds) {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}

for (const guide of ["urql"]) {
  describe(`The guide for ${guide}`, { timeout: 100_000 }, () => {
    let server, way, told, token;
    const write = (text) => create(server, text, { authorization: token });

    before(async () => {
      server = await startServer({ MNESIS_AUTH_SECRET: SECRET });
      way = await wire(server.url);
      token = bearer("acme");
      globalThis.mnesisToken = token.replace("Bearer ", "");
      told = await load(guide, way.url);
    });
    after(async () => {
      way.close();
      assert.equal(await server.stop(), 0);
    });

    it("finds memories", async () => {
      const ids = [];
      for (const text of ["One.", "Two.", "Three."]) ids.unshift(await write(text));
      const found = await told.recent(3);
      assert.deepEqual(
        found.map((each) => each.id),
        ids,
      );
      assert.equal(found[0].memory, "Three.");
      const [latest] = await told.recent(1);
      assert.equal(latest.id, ids[0]);
    });

    it("changes a memory and tells errors apart", async () => {
      const id = await write("Bob.");
      const changed = await told.correct(id, "Bob Smith.");
      assert.deepEqual([changed.id, changed.version, changed.memory], [id, 2, "Bob Smith."]);
      assert.equal(await told.correct("nobody", "Nothing."), null);
      await assert.rejects(told.correct(id, ""), { name: "RangeError", message: /^input\.longTerm\.memory: / });
    });

    it("tries again with what another writer left", async () => {
      const id = await write("Seen once.");
      const seen = [];
      const change = async ({ version, memory }) => {
        seen.push(version);
        if (seen.length === 1) await told.correct(id, "Seen by another.");
        return { memory: `${memory} And by me.` };
      };
      assert.equal((await told.edit(id, change)).memory, "Seen by another. And by me.");
      assert.deepEqual(seen, [1, 2]);
      assert.equal(await told.edit("nobody", change), null);
      await assert.rejects(told.edit(id, () => ({ memory: "" })), Error);
    });

    it("goes on after a lost connection, and after a cursor, without gap or repeat", async () => {
      const heard = [];
      let last;
      const hear = (change) => {
        heard.push(change.memory.id);
        last = change.cursor;
      };
      const end = told.watch(hear, assert.fail);
      const written = [];
      // Nothing says when a subscription stands, but that changes are heard.
      while (heard.length === 0) {
        written.push(await write("Before."));
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      await until(() => heard.at(-1) === written.at(-1));
      const missed = written.length - heard.length;
      way.cut();
      for (const text of ["One.", "Two.", "Three."]) written.push(await write(text));
      await until(() => heard.at(-1) === written.at(-1));
      end();
      for (const text of ["Four.", "Five."]) written.push(await write(text));
      const endAgain = told.watch(hear, assert.fail, last);
      await until(() => heard.at(-1) === written.at(-1));
      endAgain();
      assert.deepEqual(heard, written.slice(missed));
    });

    it("is told that a cursor does not hold", async () => {
      const error = await new Promise((resolve) => told.watch(assert.fail, resolve, "x"));
      assert.match(JSON.stringify(error), /CURSOR_INVALID/);
    });
  });
}

describe("What the guides install", () => {
  it("is what they were tested with", async () => {
    const { devDependencies } = JSON.parse(await readFile(new URL("./package.json", import.meta.url), "utf8"));
    for (const guide of ["urql"]) {
      const installed = (await code(guide, "sh")).flatMap((each) => [...each.matchAll(/^npm install (.*)$/gm)]);
      assert.notEqual(installed.length, 0);
      for (const [, names] of installed) {
        for (const name of names.split(" ").filter((each) => !each.startsWith("-"))) {
          assert.ok(name in devDependencies, `${name} of the guide for ${guide}`);
        }
      }
    }
  });
});
