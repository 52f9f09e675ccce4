/** The open memory: read now or as it was, corrected, deleted, brought back. */

import { useEffect, useRef, useState, type ReactNode } from "react";
import { useClient, useMutation, useQuery } from "urql";

import { sentence } from "./client";
import { Conversation } from "./conversation";
import { Editor } from "./editor";
import { fieldsOf, valueOf } from "./fields";
import { DeleteDocument, OneMemoryDocument, RestoreDocument, type MemoryFieldsFragment } from "./gql/graphql";
import { History } from "./history";
import { Icon } from "./icons";
import { Missing } from "./list";
import { useLive, type Place } from "./live";
import { ACTION_WORDS, fieldWords, inline, titleOf, TYPE_WORDS, When } from "./words";

export function Detail({ place }: { place: Place }) {
  const { changes, announce, toast, open } = useLive();
  const [version, setVersion] = useState<number>();
  const [tab, setTab] = useState<"memory" | "history">("memory");
  const [editing, setEditing] = useState(false);
  const [{ data, error, fetching }, again] = useQuery({ query: OneMemoryDocument, variables: place });
  const [past] = useQuery({ query: OneMemoryDocument, variables: { ...place, version: version ?? null }, pause: version === undefined });
  const [, remove] = useMutation(DeleteDocument);
  const restore = useRestore(place);
  const heading = useRef<HTMLHeadingElement>(null);

  const known = useRef<MemoryFieldsFragment>(undefined);
  if (data?.memory) known.current = data.memory;
  // A draft outlives the memory that it is of, so that nobody loses what was typed.
  const now = data?.memory ?? (editing ? known.current : data?.memory);
  const change = changes.get(place.id);
  const loaded = now !== undefined && now !== null;
  useEffect(() => {
    if (loaded) heading.current?.focus({ preventScroll: true });
  }, [loaded]);
  useEffect(() => {
    if (change) announce(`${change.actor ?? "Somebody"} ${ACTION_WORDS[change.action]}: version ${change.version}.`);
  }, [change, announce]);

  const removed = data?.memory === null || ((change?.action === "DELETE" || change?.action === "ERASE") && change.version > (now?.version ?? 0));
  if (now === null || (removed && !editing)) {
    return (
      <div className="empty">
        <Icon name="trash" />
        <h2>This memory is gone</h2>
        <p>{change ? `${change.actor ?? "Somebody"} deleted it. ` : "It was deleted, or there never was one. "}</p>
        <p className="actions">
          {removed && change?.action === "DELETE" && (
            <button className="primary" onClick={() => void restore(change.version - 1)}>
              Bring it back
            </button>
          )}
          <button onClick={() => open(undefined)}>Close</button>
        </p>
      </div>
    );
  }
  if (!now) return <Missing error={fetching ? undefined : error} again={() => again({ requestPolicy: "network-only" })} />;

  async function removeIt(memory: MemoryFieldsFragment): Promise<void> {
    const answer = await remove({ ...place, ifVersion: memory.version });
    const payload = answer.data?.deleteMemory;
    const refusal = answer.error ? sentence(answer.error) : payload?.errors[0]?.message;
    if (refusal) return toast({ text: refusal });
    open(undefined);
    toast({
      text: `Deleted “${short(titleOf(memory))}”.`,
      undo: async () => {
        if (await restore(memory.version)) open(place);
      },
    });
  }

  const travelling = version !== undefined && version !== now.version;
  const memory = travelling ? (past.data?.memory ?? undefined) : now;
  return (
    <article className="memory">
      <header>
        <button className="quiet back" aria-label="Back to the list" onClick={() => open(undefined)}>
          <Icon name="back" />
        </button>
        <p className="trail">
          <span className="mark" data-type={now.type}>
            <Icon name={now.type} />
          </span>
          {TYPE_WORDS[now.type]}
          {now.__typename === "WorkingMemory" && now.session && (
            <a href={`#/SESSION/${encodeURIComponent(now.session.id)}`}>{now.session.memoryId}</a>
          )}
          <code title={now.id}>{now.id}</code>
        </p>
        <div className="actions">
          <button disabled={travelling || editing} onClick={() => { setTab("memory"); setEditing(true); }}>
            <Icon name="edit" /> Edit
          </button>
          <button className="danger" disabled={travelling || editing} onClick={() => void removeIt(now)}>
            <Icon name="trash" /> Delete
          </button>
          <button className="quiet close" aria-label="Close" onClick={() => open(undefined)}>
            <Icon name="close" />
          </button>
        </div>
        <h2 ref={heading} tabIndex={-1}>
          {headingOf(memory ?? now)}
        </h2>
        <p className="facts">
          <span>
            Version {now.version}
            {now.updatedBy && ` by ${now.updatedBy}`}
          </span>
          <span>
            changed <When time={now.updatedAt} />
          </span>
          <span>
            created <When time={now.createdAt} />
          </span>
        </p>
        <div className="tabs" role="tablist" aria-label="Views of this memory">
          {(["memory", "history"] as const).map((name) => (
            <button
              key={name}
              role="tab"
              id={`tab-${name}`}
              aria-selected={tab === name}
              aria-controls="view"
              tabIndex={tab === name ? 0 : -1}
              onClick={() => setTab(name)}
              onKeyDown={(event) => {
                if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
                const other = name === "memory" ? "history" : "memory";
                setTab(other);
                document.getElementById(`tab-${other}`)?.focus();
              }}
            >
              {name === "history" ? "History" : now.type === "SESSION" ? "Conversation" : "Memory"}
              {name === "history" && <span className="number">{now.version}</span>}
            </button>
          ))}
        </div>
      </header>

      {now.version > 1 && !editing && tab === "memory" && (
        <div className="travel" data-travelling={travelling}>
          <label htmlFor="version">
            <Icon name="HISTORY" /> {travelling ? `As it was: version ${version} of ${now.version}` : `As it is now, version ${now.version}`}
          </label>
          <input
            id="version"
            type="range"
            min={1}
            max={now.version}
            value={version ?? now.version}
            aria-valuetext={`Version ${version ?? now.version} of ${now.version}`}
            onChange={(event) => setVersion(Number(event.target.value) === now.version ? undefined : Number(event.target.value))}
          />
          {travelling && (
            <>
              <button
                className="primary"
                onClick={() => void restore(version, now.version).then((done) => done && setVersion(undefined))}
              >
                Restore version {version}
              </button>
              <button onClick={() => setVersion(undefined)}>Back to now</button>
            </>
          )}
        </div>
      )}

      <div className="view" id="view" role="tabpanel" aria-labelledby={`tab-${tab}`}>
        {tab === "history" ? (
          <History
            place={place}
            current={now.version}
            look={(chosen) => {
              setVersion(chosen === now.version ? undefined : chosen);
              setTab("memory");
            }}
          />
        ) : editing ? (
          <Editor memory={now} gone={removed} close={() => setEditing(false)} />
        ) : memory ? (
          <Reading memory={memory} version={travelling ? version : undefined} place={place} />
        ) : (
          <Missing error={past.fetching ? undefined : past.error} again={() => setVersion(undefined)} />
        )}
      </div>
    </article>
  );
}

/** Brings a memory back to a version, and says whether that worked. */
function useRestore(place: Place): (version: number, ifVersion?: number) => Promise<boolean> {
  const client = useClient();
  const { toast } = useLive();
  return async (version, ifVersion) => {
    const variables = { ...place, version, ifVersion: ifVersion ?? null, reason: "Restored in the panel." };
    const answer = await client.mutation(RestoreDocument, variables).toPromise();
    const payload = answer.data?.restoreMemory;
    const refusal = answer.error ? sentence(answer.error) : payload?.errors[0]?.message;
    toast({ text: refusal ?? `Version ${version} is back, as version ${payload?.version ?? "?"}.` });
    return refusal === undefined;
  };
}

/** What stands above a memory; of one that is a text, the text itself stands below. */
function headingOf(memory: MemoryFieldsFragment): string {
  if (memory.__typename === "LongTermMemory") return "Long-term memory";
  if (memory.__typename !== "WorkingMemory") return titleOf(memory);
  if (memory.entryId !== null) return memory.role ? `What the ${memory.role} said` : "Something said";
  return memory.payloadType === "DATA" ? "Working data" : "Working messages";
}

function short(text: string): string {
  return text.length > 48 ? `${text.slice(0, 47)}…` : text;
}

interface ReadingProps {
  memory: MemoryFieldsFragment;
  version: number | undefined;
  place: Place;
}

function Reading({ memory, version, place }: ReadingProps) {
  const { changes } = useLive();
  const change = changes.get(place.id);
  const fresh = (field: string): boolean => version === undefined && (change?.changes.some((each) => each.field === field) ?? false);
  const objects = fieldsOf(memory).filter(({ kind }) => kind === "json");
  return (
    <div className="sheet">
      <div className="content">
        {memory.__typename === "SessionMemory" && <Conversation id={place.id} version={version} />}
        {memory.__typename === "LongTermMemory" && (
          <Fresh as="memory" fresh={fresh} version={memory.version}>
            <blockquote className="fact">{memory.memory}</blockquote>
          </Fresh>
        )}
        {memory.__typename === "WorkingMemory" && memory.entryId !== null && (
          <Fresh as="content" fresh={fresh} version={memory.version}>
            <blockquote className="fact">{memory.content}</blockquote>
          </Fresh>
        )}
        {memory.__typename === "WorkingMemory" && memory.messages.length > 0 && (
          <Fresh as="messages" fresh={fresh} version={memory.version}>
            <ol className="conversation">
              {memory.messages.map(({ role, text, parts }, index) => (
                <li key={index} className="said" data-role={role}>
                  <p className="speaker">{role}</p>
                  <p className="bubble">{text || inline(parts)}</p>
                </li>
              ))}
            </ol>
          </Fresh>
        )}
        {memory.__typename === "WorkingMemory" && memory.structuredData && (
          <Fresh as="structuredData" fresh={fresh} version={memory.version}>
            <Properties value={memory.structuredData} large />
          </Fresh>
        )}
      </div>
      <aside className="about" aria-label="About this memory">
        {"pinned" in memory && (
          <Fresh as="pinned" fresh={fresh} version={memory.version}>
            <h3>Retention</h3>
            <p>{memory.pinned ? "Pinned: no rule removes it" : "As the rules say"}</p>
          </Fresh>
        )}
        {memory.__typename === "WorkingMemory" && memory.role && (
          <Fresh as="role" fresh={fresh} version={memory.version}>
            <h3>Said by</h3>
            <p>{memory.role}</p>
          </Fresh>
        )}
        {objects
          .filter(({ name }) => name !== "structuredData")
          .map(({ name }) => (
            <Fresh key={name} as={name} fresh={fresh} version={memory.version}>
              <h3>{fieldWords(name)}</h3>
              <Properties value={valueOf(memory, name) as Record<string, unknown> | null} />
            </Fresh>
          ))}
        {Object.keys(memory.namespace).length > 0 && (
          <section>
            <h3>Namespace</h3>
            <Properties value={memory.namespace} />
          </section>
        )}
      </aside>
    </div>
  );
}

interface FreshProps {
  as: string;
  fresh: (field: string) => boolean;
  version: number;
  children: ReactNode;
}

/** Shines once when its field has just changed. */
function Fresh({ as, fresh, version, children }: FreshProps) {
  return (
    <section key={version} data-field={as} className={fresh(as) ? "changed" : undefined}>
      {children}
    </section>
  );
}

function Properties({ value, large }: { value: Record<string, unknown> | null; large?: boolean }) {
  const entries = Object.entries(value ?? {});
  if (entries.length === 0) return <p className="none">None</p>;
  return (
    <dl className={large ? "properties large" : "properties"}>
      {entries.map(([key, each]) => (
        <div key={key}>
          <dt>{key}</dt>
          <dd>
            {each !== null && typeof each === "object" && !Array.isArray(each) && Object.keys(each).length > 0 ? (
              <Properties value={each as Record<string, unknown>} />
            ) : (
              inline(each)
            )}
          </dd>
        </div>
      ))}
    </dl>
  );
}
