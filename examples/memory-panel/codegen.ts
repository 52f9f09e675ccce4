import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  schema: "../../schema.graphql",
  documents: "src/**/*.graphql",
  generates: {
    "src/gql/": {
      preset: "client",
      presetConfig: { fragmentMasking: false },
      config: {
        useTypeImports: true,
        enumsAsTypes: true,
        scalars: {
          JSON: "unknown",
          JSONObject: "Record<string, unknown>",
          DateTime: "string",
          Base64: "string",
        },
      },
    },
  },
};

export default config;
