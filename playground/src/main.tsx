/** The playground: GraphiQL with everything it needs on board, so that it works without a network. */

import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "@graphiql/plugin-explorer/style.css";
import "./playground.css";

import { explorerPlugin } from "@graphiql/plugin-explorer";
import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { GraphiQL, HISTORY_PLUGIN } from "graphiql";
import { createRoot } from "react-dom/client";

import { EXAMPLES } from "./examples";
import { EXAMPLES_PLUGIN, NARROW } from "./examples-plugin";

// Beside this page, so that it is found behind a proxy's prefix too.
const endpoint = new URL("graphql", window.location.href.split(/[?#]/)[0]);
const sockets = new URL(endpoint);
sockets.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:";

const fetcher = createGraphiQLFetcher({ url: endpoint.href, subscriptionUrl: sockets.href });
const plugins = [EXAMPLES_PLUGIN, HISTORY_PLUGIN, explorerPlugin()];
const first = EXAMPLES[0];
// GraphiQL takes the query of a default tab, but not its variables; and what it is given comes before what it kept.
const known = ["query", "variables", "tabState"].some((key) => localStorage.getItem(`graphiql:${key}`) !== null);

// What the editor of the variables takes for a value of our own scalars.
const customScalarSchemas = {
  DateTime: { type: "string", format: "date-time" },
  JSON: {},
  JSONObject: { type: "object" },
};

const place = document.getElementById("playground");
if (place) {
  createRoot(place).render(
    <GraphiQL
      fetcher={fetcher}
      plugins={plugins}
      visiblePlugin={NARROW.matches ? undefined : EXAMPLES_PLUGIN}
      initialQuery={known ? undefined : first?.query}
      initialVariables={known ? undefined : first?.variables}
      defaultEditorToolsVisibility="variables"
      customScalarSchemas={customScalarSchemas}
      inputValueDeprecation
    >
      <GraphiQL.Logo>
        <a className="logo" href="https://github.com/graphql/graphiql" target="_blank" rel="noreferrer">
          mnesis
        </a>
      </GraphiQL.Logo>
    </GraphiQL>,
  );
}
