/** Apollo Client, which sends what is asked at once as one list of operations. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { ApolloClient, CombinedGraphQLErrors, InMemoryCache, gql } from "@apollo/client";
import { BatchHttpLink } from "@apollo/client/link/batch-http";

import { CREATE, startServer } from "./server.mjs";

describe("Apollo Client in batches", () => {
  let server;
  before(async () => (server = await startServer()));
  after(async () => assert.equal(await server.stop(), 0));

  function connect(batchMax) {
    const sent = [];
    const counted = async (url, options) => {
      const response = await fetch(url, options);
      sent.push([JSON.parse(options.body).length, response.status]);
      return response;
    };
    const link = new BatchHttpLink({ uri: server.url, batchInterval: 20, batchMax, fetch: counted });
    const client = new ApolloClient({ link, cache: new InMemoryCache() });
    return { client, sent };
  }

  it("gets each answer and each error where it belongs", async () => {
    const { client, sent } = connect(10);
    const [created, refused, counted] = await Promise.allSettled([
      client.mutate({ mutation: gql(CREATE), variables: { text: "In a batch." } }),
      client.query({ query: gql("query Wrong { nothing }") }),
      client.query({ query: gql("query Count { memories { totalCount } }") }),
    ]);
    assert.equal(created.value.data.createMemory.status, "CREATED");
    assert.ok(CombinedGraphQLErrors.is(refused.reason));
    assert.equal(refused.reason.errors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
    assert.equal(counted.value.data.memories.totalCount, 1);
    assert.deepEqual(sent, [[3, 200]]);
    client.stop();
  });

  it("is told when a list is too long", async () => {
    const { client, sent } = connect(11);
    const many = Array.from({ length: 11 }, (_, number) => gql(`query Q${number} { memories { totalCount } }`));
    const outcomes = await Promise.allSettled(many.map((query) => client.query({ query })));
    assert.deepEqual(new Set(outcomes.map((each) => each.status)), new Set(["rejected"]));
    assert.deepEqual(sent, [[11, 400]]);
    client.stop();
  });
});
