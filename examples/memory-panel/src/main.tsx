/** The memory panel: what agents remember, for people to find, read, correct and bring back. */

import "./panel.css";

import { StrictMode, useEffect, useState, type FormEvent } from "react";
import { createRoot } from "react-dom/client";
import { Provider, useQuery, type Client } from "urql";

import { App } from "./app";
import { connect, keepToken, keptToken, needsToken, sentence } from "./client";
import { ViewerDocument } from "./gql/graphql";

function Root() {
  const [token, setToken] = useState(keptToken);
  const [connected, setConnected] = useState(false);
  const [client, setClient] = useState<Client>();
  useEffect(() => {
    const connection = connect(token, setConnected);
    setClient(connection.client);
    return connection.close;
  }, [token]);

  function enter(given: string): void {
    keepToken(given);
    setToken(given);
  }
  if (!client) return null;
  return (
    <Provider value={client}>
      <Gate refused={token !== ""} enter={enter} connected={connected} />
    </Provider>
  );
}

interface GateProps {
  refused: boolean;
  enter: (token: string) => void;
  connected: boolean;
}

/** Lets in whom the server knows, and asks everybody else for a token. */
function Gate({ refused, enter, connected }: GateProps) {
  const [{ data, error }, again] = useQuery({ query: ViewerDocument, requestPolicy: "network-only" });
  if (data?.viewer) return <App viewer={data.viewer} connected={connected} leave={refused ? () => enter("") : undefined} />;
  if (needsToken(error)) return <TokenForm refused={refused} enter={enter} />;
  if (error) {
    return (
      <main className="gate">
        <h1>{sentence(error)}</h1>
        <p>It may be starting, or the network may be away.</p>
        <button className="primary" onClick={() => again({ requestPolicy: "network-only" })}>
          Try again
        </button>
      </main>
    );
  }
  return <p className="waiting">Loading the memories…</p>;
}

function TokenForm({ refused, enter }: Omit<GateProps, "connected">) {
  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const given = new FormData(event.currentTarget).get("token");
    enter(typeof given === "string" ? given.trim().replace(/^Bearer\s+/i, "") : "");
  }
  return (
    <main className="gate">
      <h1>Who are you?</h1>
      <p>
        This server asks for a token. <code>mnesis token</code> prints one; it is kept until this tab is closed.
      </p>
      <form onSubmit={submit}>
        <label htmlFor="token">Token</label>
        <input id="token" name="token" type="password" autoComplete="off" required autoFocus aria-invalid={refused} />
        {refused && (
          <p className="wrong" role="alert">
            The server does not accept this token. It may have expired.
          </p>
        )}
        <button className="primary">Enter</button>
      </form>
    </main>
  );
}

const place = document.getElementById("panel");
if (place) {
  createRoot(place).render(
    <StrictMode>
      <Root />
    </StrictMode>,
  );
}
