/** The client preset as the documentation advises it: what it makes of `schema.graphql` is what users compile against. */

const scalars = {
  Base64: "string",
  DateTime: "string",
  JSON: "unknown",
  JSONObject: "Record<string, unknown>",
};

export default {
  schema: "../../schema.graphql",
  documents: "codegen/operations.ts",
  generates: {
    "codegen/generated/": {
      preset: "client",
      presetConfig: { persistedDocuments: { hashAlgorithm: "sha256" } },
      config: {
        strictScalars: true,
        scalars,
        enumsAsTypes: true,
        nonOptionalTypename: true,
        useTypeImports: true,
        importExtension: ".js",
        nullability: { errorHandlingClient: true },
      },
    },
    "codegen/generated/possible-types.ts": {
      plugins: ["fragment-matcher"],
      config: { useExplicitTyping: true },
    },
  },
};
