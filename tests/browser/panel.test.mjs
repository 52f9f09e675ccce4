/** The memory panel in a real browser that can look up no host, over the data of `mnesis demo`. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { browse, serve, visiting } from "./server.mjs";
import { token } from "./token.mjs";

const WIDE = { viewport: { width: 1360, height: 860 } };
const NARROW = { viewport: { width: 390, height: 800 }, colorScheme: "dark" };
const LONG = { timeout: 15_000 };
const SECRET = "a secret of at least thirty-two bytes";

let server;
let browser;

before(async () => {
  server = await serve();
  server.fill();
  browser = await browse();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function ask(query, variables, { address = server.address, headers = {} } = {}) {
  const response = await fetch(`${address}/graphql`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined);
  return data;
}

const CREATE = `mutation ($input: CreateMemoryInput!) { createMemory(input: $input) { memory { id } errors { message } } }`;
const UPDATE = `mutation ($type: MemoryType!, $id: ID!, $input: UpdateMemoryInput!) {
  updateMemory(type: $type, id: $id, input: $input) { status errors { message } }
}`;
const READ = `query ($type: MemoryType!, $id: ID!) { memory(type: $type, id: $id) {
  version
  ... on SessionMemory { summary metadata }
  ... on LongTermMemory { memory tags pinned }
  ... on WorkingMemory { content role structuredData workingTags: tags messages { role text } }
} }`;

/** A long-term memory of this test's own. */
async function remember(memory, more = {}) {
  const { createMemory } = await ask(CREATE, { input: { longTerm: { memory, ...more } } });
  return createMemory.memory.id;
}

async function elsewhere(type, id, input) {
  const { updateMemory } = await ask(UPDATE, { type, id, input });
  assert.equal(updateMemory.status, "UPDATED");
}

async function stored(type, id) {
  return (await ask(READ, { type, id })).memory;
}

async function open(page, type, id) {
  await page.goto(`${server.address}/panel${type ? `#/${type}/${id}` : ""}`);
  await page.waitForSelector(type ? ".memory h2" : "[data-row]", LONG);
  await page.waitForSelector('.status[data-connected="true"]', LONG);
}

const field = (page, name) => page.locator(`.control[data-field="${name}"]`).locator("textarea, input").first();
const button = (page, name) => page.getByRole("button", { name, exact: true });

async function toasted(page, words) {
  await page.locator(".toast", { hasText: words }).last().waitFor(LONG);
}

test("it opens at once without a token, and finds memories by kind, pin and text", async () => {
  await visiting(browser, "panel-find", WIDE, async (page, complaints) => {
    await open(page);
    assert.ok((await page.locator("[data-row]").count()) >= 17);
    await button(page, "Sessions").click();
    await page.getByText("3 memories").waitFor(LONG);
    await button(page, "Pinned only").click();
    await page.getByText("1 memory").waitFor(LONG);
    assert.match(await page.locator("[data-row]").textContent(), /Lisbon/);
    await button(page, "Pinned only").click();
    await button(page, "All memories").click();
    await page.keyboard.press("/");
    await page.keyboard.type("vegetarian");
    await page.locator("[data-row] mark", { hasText: "vegetarian" }).first().waitFor(LONG);
    assert.ok((await page.locator("[data-row] mark").count()) >= 2);
    await page.fill("input[type=search]", "egetari");
    await page.getByLabel("Exact").check();
    await page.locator("[data-row]", { hasText: "The partner is vegetarian." }).waitFor(LONG);
    await page.fill("input[type=search]", "nobody said this");
    await page.getByText("No memory passes these filters.").waitFor(LONG);
    assert.deepEqual(complaints, []);
  });
});

test("a session reads as a conversation, in order, with who spoke and when", async () => {
  await visiting(browser, "panel-session", WIDE, async (page, complaints) => {
    await open(page, "SESSION", "trip-to-lisbon");
    await page.locator(".said").nth(3).waitFor(LONG);
    assert.deepEqual(await page.locator(".said .speaker strong").allTextContents(), ["user", "assistant", "user", "assistant"]);
    assert.match(await page.locator(".said .bubble").first().textContent(), /last weekend of May/);
    const times = await page.locator(".said time").evaluateAll((all) => all.map((time) => Date.parse(time.dateTime)));
    assert.deepEqual(times, times.toSorted((one, other) => one - other));
    assert.match(await page.locator(".about").textContent(), /channel.*web/);
    assert.deepEqual(complaints, []);
  });
});

test("the keyboard goes everywhere", async () => {
  await visiting(browser, "panel-keys", WIDE, async (page, complaints) => {
    await open(page);
    const at = () => page.evaluate(() => [...document.querySelectorAll("[data-row]")].indexOf(document.activeElement));
    await page.keyboard.press("/");
    await page.keyboard.press("ArrowDown");
    assert.equal(await at(), 0);
    await page.keyboard.press("ArrowDown");
    assert.equal(await at(), 1);
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.notEqual(outline, "none");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".memory h2", LONG);
    await page.waitForFunction(() => document.activeElement?.tagName === "H2");
    await page.keyboard.press("Escape");
    await page.getByText("Nothing is open").waitFor(LONG);
    for (const landmark of ["main", "navigation", "search", "banner"]) {
      assert.equal(await page.getByRole(landmark).count(), 1, landmark);
    }
    const unnamed = await page.evaluate(() =>
      [...document.querySelectorAll("button, input")].filter((each) => !(each.textContent.trim() || each.ariaLabel || each.labels?.length)).length,
    );
    assert.equal(unnamed, 0);
    assert.deepEqual(complaints, []);
  });
});

test("each of the three kinds can be edited, and JSON that is none is refused while it is typed", async () => {
  const fact = await remember("Drinks cofee.", { tags: { topic: "food" } });
  const { createMemory } = await ask(CREATE, { input: { working: { payloadType: "DATA", structuredData: { step: 1 } } } });
  const data = createMemory.memory.id;
  await ask(CREATE, { input: { session: { id: "edited-session", summary: "Before." } } });
  const said = (await ask(CREATE, { input: { working: { sessionId: "edited-session", role: "user", content: "Helo.", entryId: "one" } } })).createMemory.memory.id;
  const talk = (await ask(CREATE, { input: { working: { messages: [{ role: "user", text: "First." }] } } })).createMemory.memory.id;
  await visiting(browser, "panel-edit", WIDE, async (page, complaints) => {
    await open(page, "LONG_TERM", fact);
    await button(page, "Edit").click();
    await field(page, "memory").fill("Drinks coffee.");
    await field(page, "tags").fill("{topic: 1}");
    await page.getByText("This is not JSON").waitFor(LONG);
    assert.ok(await button(page, "Save").isDisabled());
    await field(page, "tags").fill('{"topic": "drinks"}');
    await page.getByLabel("Pinned", { exact: true }).check();
    await button(page, "Save").click();
    await toasted(page, "Saved as version 2.");
    assert.deepEqual(await stored("LONG_TERM", fact), { version: 2, memory: "Drinks coffee.", tags: { topic: "drinks" }, pinned: true });

    await open(page, "WORKING", data);
    await button(page, "Edit").click();
    await field(page, "structuredData").fill('{"step": 2}');
    await button(page, "Save").click();
    await toasted(page, "Saved as version 2.");
    assert.deepEqual((await stored("WORKING", data)).structuredData, { step: 2 });

    await open(page, "WORKING", talk);
    await button(page, "Edit").click();
    await button(page, "Add a message").click();
    await page.getByLabel("Speaker of message 2").fill("assistant");
    await page.getByLabel("Message 2", { exact: true }).fill("Second.");
    await button(page, "Save").click();
    await page.locator(".bubble", { hasText: "Second." }).waitFor(LONG);
    assert.deepEqual((await stored("WORKING", talk)).messages, [{ role: "user", text: "First." }, { role: "assistant", text: "Second." }]);

    await open(page, "SESSION", "edited-session");
    await button(page, "Edit").click();
    await field(page, "summary").fill("After.");
    await page.keyboard.press("Control+Enter");
    await page.locator("h2", { hasText: "After." }).waitFor(LONG);
    await page.getByLabel("Edit what user said").click();
    await field(page, "content").fill("Hello.");
    await button(page, "Save").click();
    await page.locator(".bubble", { hasText: "Hello." }).waitFor(LONG);
    assert.equal((await stored("SESSION", "edited-session")).summary, "After.");
    assert.equal((await stored("WORKING", said)).content, "Hello.");
    assert.deepEqual(complaints, []);
  });
});

test("another person's edit arrives live, shines, and leaves a draft alone", async () => {
  const id = await remember("Lives in Porto.");
  await visiting(browser, "panel-live", WIDE, async (page, complaints) => {
    await open(page, "LONG_TERM", id);
    await elsewhere("LONG_TERM", id, { longTerm: { memory: "Lives in Braga." } });
    await page.locator('[data-field="memory"].changed', { hasText: "Lives in Braga." }).waitFor(LONG);
    await page.locator("[data-row].changed", { hasText: "Lives in Braga." }).waitFor(LONG);
    await page.locator('[aria-live="polite"]', { hasText: "made a change: version 2" }).waitFor({ state: "attached" });
    await button(page, "Edit").click();
    await field(page, "memory").fill("Lives in Faro.");
    await elsewhere("LONG_TERM", id, { longTerm: { memory: "Lives in Évora." } });
    await page.getByText("saved version 3 while you were editing").waitFor(LONG);
    assert.equal(await field(page, "memory").inputValue(), "Lives in Faro.");
    await page.keyboard.press("Escape");
    assert.equal(await field(page, "memory").inputValue(), "Lives in Faro.");
    await button(page, "Compare").click();
    await page.getByText("Two versions of this memory").waitFor(LONG);
    assert.deepEqual(complaints, []);
  });
});

test("a version conflict is resolved field by field, and saved against the new version", async () => {
  await ask(CREATE, { input: { session: { id: "fought-over", summary: "One.", metadata: { a: 1 }, agents: { x: 1 } } } });
  await visiting(browser, "panel-conflict", WIDE, async (page, complaints) => {
    await open(page, "SESSION", "fought-over");
    await button(page, "Edit").click();
    await field(page, "summary").fill("Mine.");
    await field(page, "metadata").fill('{"a": 2}');
    await elsewhere("SESSION", "fought-over", { session: { summary: "Theirs.", metadata: { a: 3 }, agents: { x: 9 } } });
    const refused = page.waitForResponse(async (response) => (await response.text()).includes("VersionConflictError"), LONG);
    await button(page, "Save").click();
    const sent = JSON.parse((await refused).request().postData());
    assert.equal(sent.variables.ifVersion, 1);
    const save = button(page, "Save as version 3");
    await save.waitFor(LONG);
    assert.ok(await save.isDisabled());
    await page.locator('fieldset[data-field="summary"] input[value="mine"]').check();
    assert.ok(await save.isDisabled());
    await page.locator('fieldset[data-field="metadata"] input[value="theirs"]').check();
    assert.match(await page.locator(".uncontested").textContent(), /Agents/);
    await save.click();
    await toasted(page, "Saved as version 3.");
    assert.deepEqual(await stored("SESSION", "fought-over"), { version: 3, summary: "Mine.", metadata: { a: 3 } });
    assert.deepEqual(complaints, []);
  });
});

test("history shows before and after; an old version can be looked at and restored", async () => {
  const id = await remember("Has a small dog.");
  await elsewhere("LONG_TERM", id, { longTerm: { memory: "Has a big dog." } });
  await elsewhere("LONG_TERM", id, { longTerm: { memory: "Has a big cat.", tags: { topic: "pets" } } });
  await visiting(browser, "panel-history", WIDE, async (page, complaints) => {
    await open(page, "LONG_TERM", id);
    await page.getByRole("tab", { name: /History/ }).click();
    const second = page.locator('.history [data-version="2"]');
    await second.waitFor(LONG);
    assert.deepEqual(await second.locator("del, ins").allTextContents(), ["small", "big"]);
    assert.deepEqual(await page.locator('.history [data-version="3"] [data-field="tags"] ins').allTextContents(), ["pets"]);
    await button(page, "Look at it version 2").click();
    await page.locator(".fact", { hasText: "Has a big dog." }).waitFor(LONG);
    await page.getByRole("slider").fill("1");
    await page.locator(".fact", { hasText: "Has a small dog." }).waitFor(LONG);
    assert.ok(await button(page, "Edit").isDisabled());
    await button(page, "Restore version 1").click();
    await toasted(page, "Version 1 is back, as version 4.");
    await page.getByText("As it is now, version 4").waitFor(LONG);
    assert.deepEqual(await stored("LONG_TERM", id), { version: 4, memory: "Has a small dog.", tags: null, pinned: false });
    assert.deepEqual(complaints, []);
  });
});

test("what was deleted can be undone, whoever deleted it", async () => {
  const id = await remember("Collects stamps.");
  await visiting(browser, "panel-undo", WIDE, async (page, complaints) => {
    await open(page, "LONG_TERM", id);
    await button(page, "Delete").click();
    await toasted(page, "Deleted “Collects stamps.”");
    assert.equal(await stored("LONG_TERM", id), null);
    await page.locator("[data-row]", { hasText: "Collects stamps." }).waitFor({ state: "detached", ...LONG });
    await button(page, "Undo").click();
    await page.locator(".fact", { hasText: "Collects stamps." }).waitFor(LONG);
    assert.equal((await stored("LONG_TERM", id)).memory, "Collects stamps.");
    await ask(`mutation ($id: ID!) { deleteMemory(type: LONG_TERM, id: $id) { status } }`, { id });
    await page.getByText("This memory is gone").waitFor(LONG);
    await button(page, "Bring it back").click();
    await page.locator(".fact", { hasText: "Collects stamps." }).waitFor(LONG);
    await button(page, "Edit").click();
    await field(page, "memory").fill("Collects coins.");
    await ask(`mutation ($id: ID!) { deleteMemory(type: LONG_TERM, id: $id) { status } }`, { id });
    await page.getByText("Somebody deleted this memory").waitFor(LONG);
    assert.equal(await field(page, "memory").inputValue(), "Collects coins.");
    await button(page, "Cancel").click();
    await button(page, "Bring it back").click();
    await page.locator(".fact", { hasText: "Collects stamps." }).waitFor(LONG);
    assert.deepEqual(complaints, []);
  });
});

test("on a phone the list and the memory take turns, and nothing sticks out", async () => {
  await visiting(browser, "panel-narrow", NARROW, async (page, complaints) => {
    await open(page);
    const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
    assert.ok(await fits());
    await page.locator("[data-row]", { hasText: "Lisbon for two" }).click();
    await page.locator(".said").first().waitFor(LONG);
    assert.equal(await page.locator("[data-row]").first().isVisible(), false);
    assert.ok(await fits());
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
    await button(page, "Back to the list").click();
    await page.locator("[data-row]").first().waitFor(LONG);
    assert.deepEqual(complaints, []);
  });
});

test("a server with authentication is asked with a token, over HTTP and over the socket", async () => {
  const guarded = await serve({ MNESIS_AUTH_SECRET: SECRET });
  try {
    await visiting(browser, "panel-token", WIDE, async (page) => {
      await page.goto(`${guarded.address}/panel`);
      await page.getByLabel("Token").fill("not a token");
      await button(page, "Enter").click();
      await page.getByText("does not accept this token").waitFor(LONG);
      const given = token(SECRET);
      await page.getByLabel("Token").fill(given);
      await button(page, "Enter").click();
      await page.getByText("There is nothing here yet.").waitFor(LONG);
      await page.waitForSelector('.status[data-connected="true"]', LONG);
      const headers = { Authorization: `Bearer ${given}` };
      await ask(CREATE, { input: { longTerm: { memory: "Told with a token." } } }, { address: guarded.address, headers });
      await page.locator("[data-row]", { hasText: "Told with a token." }).waitFor(LONG);
      assert.equal(await page.evaluate(() => sessionStorage.getItem("mnesis:token")), given);
      await button(page, "Leave").click();
      await page.getByLabel("Token").waitFor(LONG);
    });
  } finally {
    await guarded.stop();
  }
});
