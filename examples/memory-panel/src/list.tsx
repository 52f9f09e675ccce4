/** What was found: the memories that pass the filters, or the passages that answer a search. */

import { useEffect, useState, type KeyboardEvent, type ReactNode, type RefObject } from "react";
import { useQuery, type CombinedError } from "urql";

import { sentence } from "./client";
import {
  MemoriesDocument,
  SearchDocument,
  type MemoryFieldsFragment,
  type MemoryFilter,
  type MemoryType,
  type SearchQuery,
} from "./gql/graphql";
import { Icon } from "./icons";
import { useLive, type Place } from "./live";
import { fieldWords, titleOf, TYPE_WORDS, When } from "./words";

export interface Wanted {
  type: MemoryType | undefined;
  pinned: boolean;
  text: string;
}

interface FoundProps {
  wanted: Wanted;
  setText: (text: string) => void;
  search: RefObject<HTMLInputElement | null>;
  place: Place | undefined;
}

const PAUSE_MS = 200;

export function Found({ wanted, setText, search, place }: FoundProps) {
  const [settled, setSettled] = useState(wanted.text);
  const [exact, setExact] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(wanted.text.trim()), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [wanted.text]);

  const filter: MemoryFilter = {
    types: wanted.type ? [wanted.type] : ["SESSION", "WORKING", "LONG_TERM"],
    ...(wanted.pinned && { pinned: true }),
    ...(exact && settled && { text: settled }),
  };
  const key = JSON.stringify([filter, settled]);
  return (
    <section className="found" aria-label="Memories">
      <div className="seek" role="search">
        <Icon name="search" />
        <input
          ref={search}
          type="search"
          aria-label="Search memories"
          placeholder="Search memories"
          value={wanted.text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "ArrowDown") {
              event.preventDefault();
              document.querySelector<HTMLElement>("[data-row]")?.focus();
            }
          }}
        />
        {wanted.text ? (
          <label className="exact" title="Only memories that hold exactly these letters, newest first">
            <input type="checkbox" checked={exact} onChange={(event) => setExact(event.target.checked)} />
            Exact
          </label>
        ) : (
          <kbd aria-hidden="true">/</kbd>
        )}
      </div>
      <div className="rows" id="found" tabIndex={-1} onKeyDown={move}>
        {settled && !exact ? (
          <Hits key={key} query={settled} filter={filter} place={place} first />
        ) : (
          <Page key={key} filter={filter} place={place} first />
        )}
      </div>
    </section>
  );
}

/** The arrows go from row to row, as in any list. */
function move(event: KeyboardEvent<HTMLElement>): void {
  const rows = [...event.currentTarget.querySelectorAll<HTMLElement>("[data-row]")];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  if (to < 0) document.querySelector<HTMLElement>("input[type=search]")?.focus();
  else rows[to]?.focus();
}

interface PageProps {
  filter: MemoryFilter;
  place: Place | undefined;
  after?: string | null;
  first?: boolean;
}

function Page({ filter, place, after, first }: PageProps) {
  const [{ data, error, fetching }, again] = useQuery({ query: MemoriesDocument, variables: { filter, after: after ?? null } });
  const [more, setMore] = useState(false);
  const found = data?.memories;
  if (!found) return <Missing error={fetching ? undefined : error} again={() => again({ requestPolicy: "network-only" })} />;
  if (first && found.nodes.length === 0) {
    return <Nothing text={filter.text || filter.pinned ? "No memory passes these filters." : "There is nothing here yet."} fresh={!filter.text && !filter.pinned} />;
  }
  const { hasNextPage, endCursor } = found.pageInfo;
  return (
    <>
      {first && <Count text={`${found.totalCount ?? 0} ${found.totalCount === 1 ? "memory" : "memories"}`} note="newest change first" />}
      <ul>
        {found.nodes.map((memory) => (
          <Row key={memory.id} memory={memory} place={place} />
        ))}
      </ul>
      {hasNextPage && (more ? <Page filter={filter} place={place} after={endCursor} /> : <More onClick={() => setMore(true)} />)}
    </>
  );
}

type Hit = NonNullable<SearchQuery["searchMemories"]>["edges"][number];

function Hits({ query, filter, place, after, first }: PageProps & { query: string }) {
  const [{ data, error, fetching }, again] = useQuery({ query: SearchDocument, variables: { query, filter, after: after ?? null } });
  const [more, setMore] = useState(false);
  const found = data?.searchMemories;
  if (!found) return <Missing error={fetching ? undefined : error} again={() => again({ requestPolicy: "network-only" })} />;
  if (first && found.edges.length === 0) return <Nothing text={`Nothing is said about “${query}”.`} />;
  const { hasNextPage, endCursor } = found.pageInfo;
  return (
    <>
      {first && <Count text={`${found.edges.length}${hasNextPage ? "+" : ""} found`} note="best match first" />}
      <ul>
        {found.edges.map((hit) => (
          <Row key={hit.node.id} memory={hit.node} place={place} highlights={hit.highlights} />
        ))}
      </ul>
      {hasNextPage && (more ? <Hits query={query} filter={filter} place={place} after={endCursor} /> : <More onClick={() => setMore(true)} />)}
    </>
  );
}

interface RowProps {
  memory: MemoryFieldsFragment;
  place: Place | undefined;
  highlights?: Hit["highlights"];
}

function Row({ memory, place, highlights }: RowProps) {
  const { changes, open } = useLive();
  const change = changes.get(memory.id);
  const within = memory.__typename === "WorkingMemory" ? memory.session : null;
  const pinned = "pinned" in memory && memory.pinned;
  const title = titleOf(memory);
  // A passage that is the title is marked there, rather than told twice.
  const whole = highlights?.find(({ parts }) => parts.map(({ text }) => text).join("") === title);
  const passages = highlights?.filter((each) => each !== whole) ?? [];
  return (
    <li>
      <button
        data-row
        // A new key starts the flash anew.
        key={change?.version}
        className={change ? "row changed" : "row"}
        aria-current={place?.id === memory.id ? "true" : undefined}
        onClick={() => open({ type: memory.type, id: memory.id })}
      >
        <span className="mark" data-type={memory.type}>
          <Icon name={memory.type === "HISTORY" ? "HISTORY" : memory.type} />
        </span>
        <span className="words">
          <span className="title">{whole ? <Marked parts={whole.parts} /> : title}</span>
          {passages.slice(0, 2).map(({ field, parts }, index) => (
            <span className="passage" key={index}>
              <span className="field">{fieldWords(field)}</span> <Marked parts={parts} />
            </span>
          ))}
          <span className="facts">
            <span>{TYPE_WORDS[memory.type]}</span>
            {memory.__typename === "WorkingMemory" && memory.role && <span>{memory.role}</span>}
            {within && <span className="within">{within.memoryId}</span>}
            {memory.version > 1 && <span>v{memory.version}</span>}
            <When time={memory.updatedAt} />
          </span>
        </span>
        {pinned && (
          <span className="pin">
            <Icon name="pin" />
            <span className="heard">Pinned</span>
          </span>
        )}
      </button>
    </li>
  );
}

function Marked({ parts }: { parts: Hit["highlights"][number]["parts"] }) {
  return parts.map(({ text, matched }, at) => (matched ? <mark key={at}>{text}</mark> : <span key={at}>{text}</span>));
}

function Count({ text, note }: { text: string; note: string }) {
  return (
    <p className="count" role="status">
      <strong>{text}</strong> <span>{note}</span>
    </p>
  );
}

function More({ onClick }: { onClick: () => void }) {
  return (
    <button className="more" onClick={onClick}>
      Show more
    </button>
  );
}

function Nothing({ text, fresh }: { text: string; fresh?: boolean }) {
  return (
    <div className="empty">
      <Icon name="search" />
      <h2>{text}</h2>
      {fresh ? (
        <p>
          Agents write memories over GraphQL. <code>mnesis demo</code> fills in a few to look around.
        </p>
      ) : (
        <p>Try fewer words, or another kind of memory.</p>
      )}
    </div>
  );
}

/** What stands in for an answer that is under way, or that did not come. */
export function Missing({ error, again }: { error: CombinedError | undefined; again: () => void }): ReactNode {
  if (!error) {
    return (
      <div className="bones" role="status">
        <span className="heard">Loading</span>
        {[0, 1, 2, 3, 4].map((bone) => (
          <span key={bone} />
        ))}
      </div>
    );
  }
  return (
    <div className="empty" role="alert">
      <h2>{sentence(error)}</h2>
      <button onClick={again}>Try again</button>
    </div>
  );
}
