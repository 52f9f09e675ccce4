/** How memories, times and values are put into words. */

import { useEffect, useState } from "react";

import type { HistoryAction, MemoryFieldsFragment, MemoryType } from "./gql/graphql";

export const TYPE_WORDS: Record<MemoryType, string> = {
  SESSION: "Session",
  WORKING: "Working",
  LONG_TERM: "Long-term",
  HISTORY: "History",
};

export const ACTION_WORDS: Record<HistoryAction, string> = {
  CREATE: "created this",
  UPDATE: "made a change",
  DELETE: "deleted this",
  RESTORE: "restored an earlier version",
  ERASE: "erased this",
};

const FIELD_WORDS: Record<string, string> = {
  additionalInfo: "Additional info",
  structuredData: "Data",
  binaryData: "Bytes",
};

/** A field's name for a label. */
export function fieldWords(field: string): string {
  return FIELD_WORDS[field] ?? field.charAt(0).toUpperCase() + field.slice(1);
}

/** What a memory says, in one line. */
export function titleOf(memory: MemoryFieldsFragment): string {
  switch (memory.__typename) {
    case "SessionMemory":
      return memory.summary || memory.memoryId;
    case "LongTermMemory":
      return memory.memory;
    case "WorkingMemory":
      return memory.content || memory.messages[0]?.text || Object.entries(memory.structuredData ?? {}).map(([key, value]) => `${key}: ${inline(value)}`).join(" · ") || "Empty";
    case "HistoryMemory":
      return memory.memoryId;
  }
}

/** A value on one line. */
export function inline(value: unknown): string {
  if (typeof value === "string") return value;
  return JSON.stringify(value) ?? "nothing";
}

/** A value as text to compare: text as it is, everything else as JSON. */
export function asText(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const EXACT = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

/** A time as people say it; the exact one stands in the tooltip and in the markup. */
export function When({ time }: { time: string }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 30_000);
    return () => clearInterval(timer);
  }, []);
  const seconds = (new Date(time).getTime() - now) / 1000;
  const [unit, length] = STEPS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  const words = Math.abs(seconds) < 45 ? "just now" : RELATIVE.format(Math.round(seconds / length), unit);
  return (
    <time dateTime={time} title={EXACT.format(new Date(time))}>
      {words}
    </time>
  );
}
