/** What parts of the page tell each other: which change arrived, what to announce, what can be undone. */

import { createContext, useContext } from "react";

import type { MemoryType, RecordFieldsFragment } from "./gql/graphql";

export interface Place {
  type: MemoryType;
  id: string;
}

export interface Toast {
  text: string;
  undo?: () => Promise<void>;
}

export interface Live {
  /** The last change of each memory since the page was opened, by the memory's id. */
  changes: ReadonlyMap<string, RecordFieldsFragment>;
  /** Whether changes of others are heard right now. */
  connected: boolean;
  /** Says something to people who hear the page. */
  announce: (text: string) => void;
  toast: (toast: Toast) => void;
  open: (place: Place | undefined) => void;
}

export const LiveContext = createContext<Live | undefined>(undefined);

export function useLive(): Live {
  const live = useContext(LiveContext);
  if (!live) throw new Error("A part of the page stands outside of it.");
  return live;
}
