/** A session as it was spoken: who, when, and what, in order. */

import { useState } from "react";
import { useQuery } from "urql";

import { Editor } from "./editor";
import { ConversationDocument, type MemoryFieldsFragment } from "./gql/graphql";
import { Icon } from "./icons";
import { Missing } from "./list";
import { useLive } from "./live";
import { When } from "./words";

interface ConversationProps {
  id: string;
  version: number | undefined;
  after?: string | null;
}

export function Conversation({ id, version, after }: ConversationProps) {
  const [{ data, error, fetching }, again] = useQuery({
    query: ConversationDocument,
    variables: { id, version: version ?? null, after: after ?? null },
  });
  const [more, setMore] = useState(false);
  const page = data?.memory?.__typename === "SessionMemory" ? data.memory.entries : undefined;
  if (!page) return <Missing error={fetching ? undefined : error} again={() => again({ requestPolicy: "network-only" })} />;
  if (!after && page.nodes.length === 0) return <p className="none">Nothing has been said in this session yet.</p>;
  const { hasNextPage, endCursor } = page.pageInfo;
  return (
    <>
      <ol className="conversation" aria-label="Conversation">
        {page.nodes.map((entry) => (
          <Entry key={entry.id} entry={entry} past={version !== undefined} />
        ))}
      </ol>
      {hasNextPage &&
        (more ? (
          <Conversation id={id} version={version} after={endCursor} />
        ) : (
          <button className="more" onClick={() => setMore(true)}>
            Read on
          </button>
        ))}
    </>
  );
}

function Entry({ entry, past }: { entry: MemoryFieldsFragment; past: boolean }) {
  const { changes, open } = useLive();
  const [editing, setEditing] = useState(false);
  const change = past ? undefined : changes.get(entry.id);
  if (entry.__typename !== "WorkingMemory") return null;
  return (
    <li className="said" data-role={entry.role ?? "user"}>
      <p className="speaker">
        <strong>{entry.role ?? "message"}</strong> <When time={entry.createdAt} />
        {entry.version > 1 && <span className="edited">edited</span>}
        {!past && !editing && (
          <span className="tools">
            <button className="quiet" aria-label={`Edit what ${entry.role ?? "somebody"} said`} title="Edit" onClick={() => setEditing(true)}>
              <Icon name="edit" />
            </button>
            <button className="quiet" aria-label="Open this entry" title="Open with its history" onClick={() => open({ type: "WORKING", id: entry.memoryId })}>
              <Icon name="HISTORY" />
            </button>
          </span>
        )}
      </p>
      {editing ? (
        <Editor memory={entry} close={() => setEditing(false)} />
      ) : (
        <p className={change ? "bubble changed" : "bubble"} key={change?.version}>
          {entry.content || entry.messages.map(({ text }) => text).join("\n")}
        </p>
      )}
    </li>
  );
}
