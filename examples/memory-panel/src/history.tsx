/** How a memory came to be what it is: every change, with what was before and after. */

import { useState } from "react";
import { useQuery } from "urql";

import { ValueDifference } from "./diff";
import { HistoryDocument, type RecordFieldsFragment } from "./gql/graphql";
import { Missing } from "./list";
import type { Place } from "./live";
import { ACTION_WORDS, fieldWords, inline, When } from "./words";

interface HistoryProps {
  place: Place;
  current: number;
  look: (version: number) => void;
  after?: string | null;
}

export function History({ place, current, look, after }: HistoryProps) {
  const [{ data, error, fetching }, again] = useQuery({ query: HistoryDocument, variables: { ...place, after: after ?? null } });
  const [more, setMore] = useState(false);
  const page = data?.memory?.history;
  if (!page) return <Missing error={fetching ? undefined : error} again={() => again({ requestPolicy: "network-only" })} />;
  return (
    <>
      <ol className="history" aria-label="Changes, newest first">
        {page.nodes.map((record) => (
          <li key={record.id} data-version={record.version}>
            <p className="made">
              <span className="number">v{record.version}</span>
              <strong>{record.actor ?? "Somebody"}</strong> {ACTION_WORDS[record.action]} <When time={record.updatedAt} />
              {record.version === current && <span className="now">Current</span>}
              {record.action !== "DELETE" && record.version !== current && (
                <button className="quiet" onClick={() => look(record.version)}>
                  Look at it
                  <span className="heard"> version {record.version}</span>
                </button>
              )}
            </p>
            {record.reason && <p className="why">{record.reason}</p>}
            {record.changes.map((change) => (
              <Change key={change.field} change={change} />
            ))}
          </li>
        ))}
      </ol>
      {page.pageInfo.hasNextPage &&
        (more ? (
          <History place={place} current={current} look={look} after={page.pageInfo.endCursor} />
        ) : (
          <button className="more" onClick={() => setMore(true)}>
            Older changes
          </button>
        ))}
    </>
  );
}

function Change({ change: { field, kind, before, after } }: { change: RecordFieldsFragment["changes"][number] }) {
  return (
    <div className="change" data-field={field}>
      <h4>{fieldWords(field)}</h4>
      {kind === "ENTRIES" ? (
        <p>
          {Object.entries((after ?? {}) as Record<string, unknown>)
            .filter(([, count]) => count !== 0)
            .map(([fate, count]) => `${inline(count)} ${fate}`)
            .join(", ")}
        </p>
      ) : kind === "APPEND" ? (
        <ValueDifference before="" after={(after as { role?: string; text?: string }[]).map(({ role, text }) => `${role ?? ""}: ${text ?? ""}`).join("\n")} />
      ) : (
        <ValueDifference before={before} after={after} />
      )}
    </div>
  );
}
