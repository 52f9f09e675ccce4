import { defineConfig, type Plugin } from "vite";

// GraphiQL takes every non-null input field for one that has to be given, also where it has a default.
// https://spec.graphql.org/draft/#sec-Input-Object-Required-Fields
const defaultsAreOptional = (): Plugin => ({
  name: "defaults-are-optional",
  transform(code, id) {
    if (!id.includes("/graphql-language-service/") || !id.endsWith("/getVariablesJSONSchema.js")) {
      return undefined;
    }
    const required = "if (fieldRequired)";
    if (!code.includes(required)) {
      this.error("The place where GraphiQL decides which input fields have to be given is another one now.");
    }
    return { code: code.replace(required, "if (fieldRequired && field.defaultValue === undefined)"), map: null };
  },
});

// The build is committed beside the server's code, so that neither a checkout nor an installed server needs node.
export default defineConfig({
  // Relative, so that the page works behind a proxy's prefix too.
  base: "./",
  plugins: [defaultsAreOptional()],
  worker: { format: "es", plugins: () => [defaultsAreOptional()] },
  build: {
    outDir: "../gql/mnesis/web/built/playground",
    emptyOutDir: true,
    assetsDir: "playground",
    // Data in URLs would need a hole in the Content-Security-Policy.
    assetsInlineLimit: 0,
    target: "es2022",
    // What the licences of the bundled libraries ask for.
    license: { fileName: "playground/licenses.md" },
    chunkSizeWarningLimit: 10_000,
  },
});
