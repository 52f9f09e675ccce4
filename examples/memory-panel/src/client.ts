/** The way to the server: HTTP for questions and changes, a WebSocket for what others change, one cache for both. */

import { cacheExchange, type Cache } from "@urql/exchange-graphcache";
import { createClient as createSocket } from "graphql-ws";
import { Client, fetchExchange, subscriptionExchange, type CombinedError, type ExecutionResult } from "urql";
import possibleTypes from "virtual:possible-types";

import type { ChangesSubscription } from "./gql/graphql";

// Beside this page, so that it is found behind a proxy's prefix too.
const endpoint = new URL("graphql", window.location.href.split(/[?#]/)[0]);
const sockets = new URL(endpoint);
sockets.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:";

const KEPT = "mnesis:token";
export const keptToken = (): string => sessionStorage.getItem(KEPT) ?? "";
export const keepToken = (token: string): void => sessionStorage.setItem(KEPT, token);

const WITHOUT_ID = [
  ...["MemoryConnection", "MemorySearchConnection", "MemorySearchEdge", "HistoryConnection", "WorkingMemoryConnection"],
  ...["PageInfo", "SearchHighlight", "SearchHighlightPart", "FieldChange", "Message", "MemoryChange", "Viewer"],
];
const LISTS = ["memories", "searchMemories"];

/** Lists are asked for again after any change: whether and where a memory belongs in one only the server knows. */
function forgetLists(cache: Cache): void {
  for (const { fieldName, fieldKey } of cache.inspectFields("Query")) {
    if (LISTS.includes(fieldName)) cache.invalidate("Query", fieldKey);
  }
}

/** A memory that was looked for in vain may be there now. */
function forgetAbsence(cache: Cache, id: string): void {
  for (const { fieldName, fieldKey, arguments: given } of cache.inspectFields("Query")) {
    if (fieldName === "memory" && given?.["id"] === id && !cache.resolve("Query", fieldKey)) cache.invalidate("Query", fieldKey);
  }
}

const TYPENAMES = { SESSION: "SessionMemory", WORKING: "WorkingMemory", LONG_TERM: "LongTermMemory", HISTORY: "HistoryMemory" };

/** A change makes a record; and one of a session may be one of its entries. */
function forgetPages(cache: Cache, { record }: ChangesSubscription["memoryChanged"]): void {
  const entity = { __typename: TYPENAMES[record.subjectType], id: record.subjectId };
  for (const { fieldName, fieldKey } of cache.inspectFields(entity)) {
    if (fieldName === "history" || fieldName === "entries") cache.invalidate(entity, fieldKey);
  }
  forgetAbsence(cache, record.subjectId);
  if (record.action === "DELETE" || record.action === "ERASE") cache.invalidate(entity);
}

export function connect(token: string, onConnection: (connected: boolean) => void): { client: Client; close: () => void } {
  const authorization = token ? { Authorization: `Bearer ${token}` } : undefined;
  const socket = createSocket({
    url: sockets.href,
    ...(authorization && { connectionParams: authorization }),
    retryAttempts: Infinity,
    shouldRetry: () => true,
    on: { connected: () => onConnection(true), closed: () => onConnection(false) },
  });
  const client = new Client({
    url: endpoint.href,
    preferGetMethod: false,
    ...(authorization && { fetchOptions: { headers: authorization } }),
    exchanges: [
      cacheExchange({
        possibleTypes,
        keys: Object.fromEntries(WITHOUT_ID.map((name) => [name, () => null])),
        updates: {
          Mutation: {
            updateMemory: (_result, _arguments, cache) => forgetLists(cache),
            deleteMemory: (_result, _arguments, cache) => forgetLists(cache),
            restoreMemory: (_result, { id }, cache) => {
              forgetAbsence(cache, String(id));
              forgetLists(cache);
            },
          },
          Subscription: {
            memoryChanged: (result, _arguments, cache) => {
              forgetPages(cache, (result as ChangesSubscription).memoryChanged);
              forgetLists(cache);
            },
          },
        },
      }),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: (request) => ({
          subscribe: (sink) => {
            // What is sent again when the network comes back: it asks for what was missed meanwhile.
            const payload = { ...request, query: request.query ?? "", variables: { ...request.variables } };
            const next = (result: ExecutionResult): void => {
              const cursor = (result.data as ChangesSubscription | null | undefined)?.memoryChanged?.cursor;
              if (cursor) payload.variables["after"] = cursor;
              sink.next(result);
            };
            return { unsubscribe: socket.subscribe<Record<string, unknown>>(payload, { ...sink, next: (result) => next(result as ExecutionResult) }) };
          },
        }),
      }),
    ],
  });
  return { client, close: () => void socket.dispose() };
}

export function needsToken(error: CombinedError | undefined): boolean {
  return error?.graphQLErrors.some(({ extensions }) => extensions["code"] === "UNAUTHENTICATED") ?? false;
}

/** What a person can make of a failure. */
export function sentence(error: CombinedError): string {
  if (error.networkError) return "The server cannot be reached.";
  return error.graphQLErrors.map(({ message }) => message).join(" ");
}
