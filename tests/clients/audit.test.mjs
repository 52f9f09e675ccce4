/** The audits of graphql-http, in both profiles of statuses. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { serverAudits } from "graphql-http";

import { startServer } from "./server.mjs";

describe("graphql-http audits the server", () => {
  let server;
  before(async () => (server = await startServer()));
  after(async () => assert.equal(await server.stop(), 0));

  const audits = serverAudits({ url: () => server.url });

  it("with 61 audits", () => assert.equal(audits.length, 61));

  for (const { id, name, fn } of audits) {
    it(`${id} ${name}`, async () => {
      const result = await fn();
      assert.equal(result.status, "ok", result.reason);
      await result.response?.body?.cancel();
    });
  }
});

describe("graphql-http audits the profile of the draft of 2026", () => {
  let server;
  before(async () => (server = await startServer({ MNESIS_HTTP_PROFILE: "422" })));
  after(async () => assert.equal(await server.stop(), 0));

  it("and finds 422 where it knows 400 only", async () => {
    const statuses = {};
    const unexpected = [];
    for (const { id, fn } of serverAudits({ url: server.url })) {
      const { status, response } = await fn();
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (response && response.status !== 422) unexpected.push(`${id}: ${response.status}`);
    }
    assert.deepEqual([statuses, unexpected], [{ ok: 42, notice: 18, warn: 1 }, []]);
  });
});
