/** Two texts side by side in one: what went, what came. */

import { asText, inline } from "./words";

interface Piece {
  text: string;
  fate: "kept" | "removed" | "added";
}

// The table grows with the product of both lengths; beyond this the texts are shown whole.
const MOST_CELLS = 400_000;

function wordsOf(text: string): string[] {
  return text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];
}

/** The words of both texts in order, by their longest common subsequence. */
function compare(before: string, after: string): Piece[] {
  const old = wordsOf(before);
  const now = wordsOf(after);
  if (old.length * now.length > MOST_CELLS) {
    return [{ text: before, fate: "removed" }, { text: after, fate: "added" }];
  }
  const width = now.length + 1;
  const common = new Uint32Array((old.length + 1) * width);
  const at = (i: number, j: number): number => common[i * width + j] ?? 0;
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      common[i * width + j] = old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const pieces: Piece[] = [];
  const add = (text: string, fate: Piece["fate"]): void => {
    const last = pieces.at(-1);
    if (last?.fate === fate) last.text += text;
    else pieces.push({ text, fate });
  };
  let [i, j] = [0, 0];
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      add(old[i++] ?? "", "kept");
      j++;
    } else if (j >= now.length || (i < old.length && at(i + 1, j) >= at(i, j + 1))) add(old[i++] ?? "", "removed");
    else add(now[j++] ?? "", "added");
  }
  return pieces;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** Two values: texts word by word, objects key by key. */
export function ValueDifference({ before, after }: { before: unknown; after: unknown }) {
  const [old, now] = [before ?? {}, after ?? {}];
  if (!isObject(old) || !isObject(now) || (before ?? after ?? null) === null) {
    return <Difference before={asText(before)} after={asText(after)} />;
  }
  const keys = [...new Set([...Object.keys(old), ...Object.keys(now)])];
  const differing = keys.filter((key) => JSON.stringify(old[key]) !== JSON.stringify(now[key]));
  return (
    <dl className="keyed">
      {differing.map((key) => (
        <div key={key}>
          <dt>{key}</dt>
          <dd>
            {key in old && <del>{inline(old[key])}</del>}
            {key in now && <ins>{inline(now[key])}</ins>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Difference({ before, after }: { before: string; after: string }) {
  return (
    <p className="difference">
      {compare(before, after).map(({ text, fate }, index) =>
        fate === "removed" ? <del key={index}>{text}</del> : fate === "added" ? <ins key={index}>{text}</ins> : <span key={index}>{text}</span>,
      )}
    </p>
  );
}
