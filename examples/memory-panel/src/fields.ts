/** What of a memory a person can edit, and how a draft becomes a patch. */

import type { MemoryFieldsFragment, MessageInput, UpdateMemoryInput } from "./gql/graphql";

export interface Line {
  role: string;
  text: string;
  /** JSON of what is not plain text; such a message is shown and kept, but not edited. */
  parts: string | null;
}

export type Draft = Record<string, string | boolean | Line[]>;

export interface Field {
  name: string;
  kind: "text" | "line" | "flag" | "json" | "messages";
  hint?: string;
}

const json = (name: string): Field => ({ name, kind: "json" });

export function fieldsOf(memory: MemoryFieldsFragment): Field[] {
  switch (memory.__typename) {
    case "SessionMemory":
      return [
        { name: "summary", kind: "text" },
        { name: "pinned", kind: "flag", hint: "Keep it whatever a retention rule says." },
        ...["metadata", "agents", "additionalInfo"].map(json),
      ];
    case "LongTermMemory":
      return [
        { name: "memory", kind: "text" },
        { name: "pinned", kind: "flag", hint: "Keep it whatever a retention rule says." },
        json("tags"),
      ];
    case "WorkingMemory":
      if (memory.entryId !== null) {
        return [{ name: "content", kind: "text" }, { name: "role", kind: "line" }, ...["tags", "metadata"].map(json)];
      }
      return [
        memory.payloadType === "CONVERSATIONAL" ? { name: "messages", kind: "messages" } : json("structuredData"),
        ...["tags", "metadata"].map(json),
      ];
    case "HistoryMemory":
      return [];
  }
}

type MessageFields = Extract<MemoryFieldsFragment, { __typename: "WorkingMemory" }>["messages"][number];

function lineOf({ role, text, parts }: MessageFields): Line {
  const [only, ...others] = parts;
  const plain = others.length === 0 && (only === undefined || Object.keys(only).every((key) => ["type", "text"].includes(key)));
  return { role, text, parts: plain ? null : JSON.stringify(parts, null, 2) };
}

/** The stored value of a field, by its name. */
export function valueOf(memory: MemoryFieldsFragment, field: string): unknown {
  return (memory as unknown as Record<string, unknown>)[field];
}

export function draftOf(memory: MemoryFieldsFragment): Draft {
  return Object.fromEntries(
    fieldsOf(memory).map(({ name, kind }) => {
      const value = valueOf(memory, name);
      if (kind === "flag") return [name, value === true];
      if (kind === "json") return [name, value ? JSON.stringify(value, null, 2) : ""];
      if (kind === "messages") return [name, (value as MessageFields[]).map(lineOf)];
      return [name, typeof value === "string" ? value : ""];
    }),
  );
}

export function sameValue(one: Draft[string] | undefined, other: Draft[string] | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** A sentence about what is wrong with a field, if anything is. */
export function complaint(field: Field, value: Draft[string] | undefined): string | undefined {
  if (field.kind === "json" && typeof value === "string" && value.trim()) {
    try {
      const parsed: unknown = JSON.parse(value);
      if (parsed === null || typeof parsed !== "object" || Array.isArray(parsed)) return "This has to be an object in braces.";
    } catch (error) {
      return `This is not JSON: ${error instanceof Error ? error.message : "it cannot be read"}.`;
    }
  }
  if (["memory", "content", "role"].includes(field.name) && typeof value === "string" && !value.trim()) {
    return "This cannot be empty.";
  }
  return undefined;
}

function sent(field: Field, value: Draft[string]): unknown {
  if (field.kind === "json") return typeof value === "string" && value.trim() ? (JSON.parse(value) as unknown) : null;
  if (field.kind === "messages") {
    return (value as Line[]).map(({ role, text, parts }): MessageInput =>
      parts === null ? { role, text } : { role, parts: JSON.parse(parts) as Record<string, unknown>[] },
    );
  }
  if (field.name === "summary" && value === "") return null;
  return value;
}

/** Only the named fields, so that what somebody else changes in the others stays. */
export function patchOf(memory: MemoryFieldsFragment, draft: Draft, names: readonly string[]): UpdateMemoryInput | undefined {
  const patch = Object.fromEntries(
    fieldsOf(memory).flatMap((field) => {
      const value = draft[field.name];
      return names.includes(field.name) && value !== undefined ? [[field.name, sent(field, value)]] : [];
    }),
  );
  switch (memory.__typename) {
    case "SessionMemory":
      return { session: patch };
    case "WorkingMemory":
      return { working: patch };
    case "LongTermMemory":
      return { longTerm: patch };
    case "HistoryMemory":
      return undefined;
  }
}
