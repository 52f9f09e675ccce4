/** Takes the picture of the memory panel for the documentation, and others to look at, from the data of `mnesis demo`. */

import { mkdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { browse, kept, serve } from "./server.mjs";

const DOCUMENTATION = fileURLToPath(new URL("../../docs/", import.meta.url));
const WIDE = { width: 1360, height: 820 };
const NARROW = { width: 390, height: 800 };

async function ask(server, query, variables) {
  const response = await fetch(`${server.address}/graphql`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  return (await response.json()).data;
}

const UPDATE = `mutation ($id: ID!, $input: UpdateMemoryInput!) {
  updateMemory(type: SESSION, id: $id, input: $input, reason: "Heard on the phone.") { status version }
}`;

const server = await serve();
const browser = await browse();
try {
  server.fill();
  const id = "trip-to-lisbon";
  await ask(server, UPDATE, { id, input: { session: { summary: "Plans four days in Lisbon for two, by train and without meat." } } });
  await ask(server, UPDATE, { id, input: { session: { metadata: { channel: "web", language: "pt" } } } });
  await mkdir(kept, { recursive: true });
  await mkdir(DOCUMENTATION, { recursive: true });
  const shoot = async (name, viewport, colorScheme, steps) => {
    const page = await browser.newPage({ viewport, colorScheme });
    await page.goto(`${server.address}/panel`);
    await page.waitForSelector("[data-row]");
    await steps(page);
    await page.waitForTimeout(700);
    await page.screenshot({ path: name === "panel" ? path.join(DOCUMENTATION, "panel.png") : path.join(kept, `look-${name}.png`) });
    await page.close();
  };
  const open = async (page, words = "Plans four days") => {
    await page.click(`[data-row]:has-text("${words}")`);
    await page.waitForSelector(".memory h2");
  };
  await shoot("panel", WIDE, "light", open);
  await shoot("dark", WIDE, "dark", open);
  await shoot("history", WIDE, "light", async (page) => {
    await open(page);
    await page.click('[role=tab]:has-text("History")');
  });
  await shoot("search", WIDE, "dark", async (page) => {
    await page.fill("input[type=search]", "train");
    await page.waitForSelector("mark");
    await open(page, "Does not fly");
  });
  await shoot("edit", WIDE, "light", async (page) => {
    await open(page);
    await page.click('button:has-text("Edit"):not([aria-label])');
  });
  await shoot("conflict", WIDE, "light", async (page) => {
    await open(page);
    await page.click('button:has-text("Edit"):not([aria-label])');
    await page.fill('[data-field="summary"] textarea', "Plans a week in Lisbon for two, by train.");
    await ask(server, UPDATE, { id, input: { session: { summary: "Plans four days in Lisbon for three, by train and without meat.", metadata: { channel: "phone" } } } });
    await page.click('button:has-text("Save")');
    await page.waitForSelector(".conflict");
    await page.click('input[value="mine"]');
  });
  await shoot("past", WIDE, "light", async (page) => {
    await open(page);
    await page.fill("#version", "1");
  });
  await shoot("empty", WIDE, "dark", async () => undefined);
  await shoot("narrow-list", NARROW, "light", async () => undefined);
  await shoot("narrow", NARROW, "dark", open);
} finally {
  await browser.close();
  await server.stop();
}
