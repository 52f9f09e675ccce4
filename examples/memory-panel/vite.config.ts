import { readFileSync } from "node:fs";

import { buildSchema, introspectionFromSchema } from "graphql";
import { defineConfig, type Plugin } from "vite";

const SCHEMA = "../../schema.graphql";

// The cache has to know which types are memories and which are errors, and nothing else of the schema.
const possibleTypes = (): Plugin => ({
  name: "possible-types",
  resolveId: (id) => (id === "virtual:possible-types" ? `\0${id}` : undefined),
  load(id) {
    if (id !== "\0virtual:possible-types") return undefined;
    const { __schema } = introspectionFromSchema(buildSchema(readFileSync(SCHEMA, "utf8")));
    const types = __schema.types.flatMap((type) =>
      type.kind === "INTERFACE" || type.kind === "UNION" ? [[type.name, type.possibleTypes.map(({ name }) => name)]] : [],
    );
    return `export default ${JSON.stringify(Object.fromEntries(types))};`;
  },
});

// The build is committed beside the server's code, so that neither a checkout nor an installed server needs node.
export default defineConfig({
  // Relative, so that the page works behind a proxy's prefix too.
  base: "./",
  plugins: [possibleTypes()],
  build: {
    outDir: "../../gql/mnesis/web/built/panel",
    emptyOutDir: true,
    assetsDir: "panel",
    // Data in URLs would need a hole in the Content-Security-Policy.
    assetsInlineLimit: 0,
    target: "es2022",
    // What the licences of the bundled libraries ask for.
    license: { fileName: "panel/licenses.md" },
  },
  // `npm run dev` shows changes at once, beside a server on its usual port.
  server: { proxy: { "/graphql": { target: "http://127.0.0.1:8000", ws: true } } },
});
