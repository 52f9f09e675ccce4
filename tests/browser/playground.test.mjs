/** The playground in a real browser that can look up no host. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { browse, serve, visiting } from "./server.mjs";

const WIDE = { viewport: { width: 1400, height: 860 } };
const NARROW = { viewport: { width: 420, height: 800 }, colorScheme: "dark" };
const LONG = { timeout: 15_000 };

let server;
let browser;

before(async () => {
  server = await serve();
  browser = await browse();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function open(page, address = server.address) {
  await page.goto(`${address}/`);
  await page.waitForSelector(".graphiql-query-editor .view-line", LONG);
  await page.waitForSelector(".graphiql-execute-button:not([disabled])", LONG);
}

async function run(page) {
  await page.click(".graphiql-execute-button");
}

async function answered(page, pattern) {
  await page.waitForFunction(
    (wanted) => new RegExp(wanted).test(document.querySelector(".result-window")?.textContent.replaceAll("\u00a0", " ")),
    pattern,
    LONG,
  );
}

async function example(page, title) {
  await page.click(`button.example:has-text("${title}")`);
  await page.waitForTimeout(300);
}

test("it loads, and the first example runs with its variables", async () => {
  await visiting(browser, "first", WIDE, async (page, complaints) => {
    await open(page);
    await run(page);
    await answered(page, '"memoryId": "support-thread-TCK-1234"');
    await answered(page, '"updatedEntries": 2');
    assert.deepEqual(complaints, []);
  });
});

test("every other example answers what it promises", async () => {
  await visiting(browser, "examples", WIDE, async (page, complaints) => {
    await open(page);
    await run(page);
    await answered(page, '"errors": \\[\\]');
    for (const [title, promised] of [
      ["Update a session", /"status":"UPDATED"/],
      ["A batch with a bad entry", /"failed":1/],
      ["A version conflict", /"actualVersion":\d/],
      ["Search", /"matched":true/],
      ["Time travel", /"isCurrent":false/],
      ["List memories", /"totalCount":[1-9]/],
    ]) {
      await example(page, title);
      const response = page.waitForResponse(/graphql$/, LONG);
      await run(page);
      assert.match(await (await response).text(), promised);
      // The editor draws only the lines in view.
      await answered(page, '"data"');
    }
    assert.deepEqual(complaints, []);
  });
});

test("a subscription shows changes as they are made", async () => {
  await visiting(browser, "watch", WIDE, async (page, complaints) => {
    await open(page);
    await example(page, "Watch changes");
    const socket = page.waitForEvent("websocket");
    await run(page);
    await (await socket).waitForEvent("framereceived");
    await page.waitForTimeout(500);
    const answer = await fetch(`${server.address}/graphql`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        query: 'mutation { createMemory(input: {longTerm: {memory: "Tea."}}) { status memory { id } } }',
      }),
    });
    const { createMemory } = (await answer.json()).data;
    assert.equal(createMemory.status, "CREATED");
    await answered(page, '"action": "CREATE"');
    await answered(page, createMemory.memory.id.slice(0, 8));
    assert.deepEqual(complaints, []);
  });
});

test("it completes fields, and takes a oneOf input without a complaint", async () => {
  await visiting(browser, "complete", WIDE, async (page, complaints) => {
    await open(page);
    await example(page, "Update a session");
    await page.waitForTimeout(1500);
    assert.equal(await page.locator(".squiggly-error").count(), 0);
    await page.click(".graphiql-query-editor .view-line");
    await page.keyboard.press("Control+a");
    await page.keyboard.type("{ memor");
    await page.keyboard.press("Control+Space");
    const offered = page.locator(".suggest-widget .monaco-list-row");
    await offered.first().waitFor(LONG);
    assert.match((await offered.allTextContents()).join(" "), /memories/);
    assert.deepEqual(complaints, []);
  });
});

test("it is usable on a narrow, dark screen", async () => {
  await visiting(browser, "narrow", NARROW, async (page, complaints) => {
    await open(page);
    await run(page);
    await answered(page, '"memoryId"');
    const [editors, response] = await Promise.all(
      [".graphiql-editors", ".graphiql-response"].map((part) => page.locator(part).boundingBox()),
    );
    assert.ok(response.y >= editors.y + editors.height - 1, "The answer stands below the editors.");
    assert.ok(editors.width > 300);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth), false);
    assert.deepEqual(complaints, []);
  });
});

test("a token in the header editor reaches queries and subscriptions", async () => {
  const secret = "a secret of at least thirty-two bytes";
  const guarded = await serve({ MNESIS_AUTH_SECRET: secret });
  try {
    await visiting(browser, "token", WIDE, async (page) => {
      await open(page, guarded.address);
      await run(page);
      await answered(page, "UNAUTHENTICATED");
      await page.click('button:has-text("Headers")');
      await page.click(".graphiql-editor-tool .graphiql-editor:not(.hidden) .view-line");
      const { token } = await import("./token.mjs");
      await page.keyboard.insertText(JSON.stringify({ Authorization: `Bearer ${token(secret)}` }));
      await page.waitForTimeout(500);
      await run(page);
      await answered(page, '"updatedEntries": 2');
      await example(page, "Watch changes");
      const socket = page.waitForEvent("websocket");
      await run(page);
      const said = await (await socket).waitForEvent("framereceived");
      assert.match(String(said.payload), /connection_ack/);
    });
  } finally {
    await guarded.stop();
  }
});
