/** What the generated types must let pass, and what they must refuse: an error that is expected and none fails too. */

import type { ResultOf, VariablesOf } from "@graphql-typed-document-node/core";

import type { CreateMemoryInput, UpdateMemoryInput } from "./generated/graphql.js";
import { useFragment } from "./generated/index.js";
import { HISTORY, LIST, MEMORY, SEARCH, TRAVEL, UPDATE, WATCH } from "./operations.js";

export const good: UpdateMemoryInput[] = [
  { session: { summary: null, pinned: true } },
  { working: { appendMessages: [{ role: "user", text: "Hello." }] } },
  { longTerm: { memory: "Prefers trains.", tags: { topic: "travel" } } },
];

// @ts-expect-error Two members.
export const two: UpdateMemoryInput = { session: { summary: "s" }, longTerm: { memory: "m" } };
// @ts-expect-error Two members, one of them null.
export const twoWithNull: UpdateMemoryInput = { session: { summary: "s" }, longTerm: null };
// @ts-expect-error No member.
export const none: UpdateMemoryInput = {};
// @ts-expect-error The only member is null.
export const onlyNull: UpdateMemoryInput = { session: null };
// @ts-expect-error The only member is undefined.
export const onlyUndefined: UpdateMemoryInput = { session: undefined };
// @ts-expect-error No such member: nobody changes history.
export const history: UpdateMemoryInput = { history: {} };
// @ts-expect-error The fields of another member.
export const strange: UpdateMemoryInput = { longTerm: { summary: "s" } };

export const created: CreateMemoryInput = { longTerm: { memory: "m" } };
// @ts-expect-error Two members.
export const createdTwo: CreateMemoryInput = { longTerm: { memory: "m" }, session: {} };
// @ts-expect-error No member.
export const createdNone: CreateMemoryInput = {};
// @ts-expect-error The only member is null.
export const createdNull: CreateMemoryInput = { working: null };
// @ts-expect-error A new long-term memory needs its text.
export const createdWithout: CreateMemoryInput = { longTerm: {} };

export const variables: VariablesOf<typeof UPDATE> = { type: "LONG_TERM", id: "m", input: good[2]! };
// @ts-expect-error No such type of memory.
export const wrongType: VariablesOf<typeof UPDATE> = { type: "EPISODIC", id: "m", input: good[2]! };

/** What is `@semanticNonNull` needs no question mark where the client throws on errors. */
export function titles(list: ResultOf<typeof LIST>): string[] {
  return list.memories.nodes.map((node) => {
    const memory = useFragment(MEMORY, node);
    switch (memory.__typename) {
      case "SessionMemory":
        return memory.summary ?? memory.id;
      case "WorkingMemory":
        return memory.content ?? memory.messages.map((message) => message.text).join(" ");
      case "LongTermMemory":
        return memory.memory;
      case "HistoryMemory":
        return memory.memoryId;
    }
  });
}

export const best = (found: ResultOf<typeof SEARCH>): number | undefined => found.searchMemories.edges[0]?.score;

// @ts-expect-error There may be no such memory.
export const unasked = (answer: ResultOf<typeof HISTORY>): string => answer.memory.id;

/** A change's values may be anything, so that they must be looked at first. */
export function texts(answer: ResultOf<typeof HISTORY>): string[] {
  const changes = answer.memory?.history.nodes.flatMap((record) => record.changes) ?? [];
  // @ts-expect-error Not known to be a string.
  changes.map((change): string => change.after);
  return changes.map((change) => change.after).filter((value) => typeof value === "string");
}

/** Only what was there then has a past. */
export function grew(answer: ResultOf<typeof TRAVEL>): boolean {
  const [now, past] = [useFragment(MEMORY, answer.now), useFragment(MEMORY, answer.past)];
  return now != null && past != null && now.version > past.version && now.id !== past.id;
}

// @ts-expect-error The memory is null when it is gone.
export const gone = (told: ResultOf<typeof WATCH>): string => told.memoryChanged.memory.__typename;
