/** Operations to begin with; each is a file in `examples/`, and the tests run all of them. */

const documents = import.meta.glob<string>("../examples/*.graphql", { query: "?raw", import: "default", eager: true });
const variables = import.meta.glob<string>("../examples/*.json", { query: "?raw", import: "default", eager: true });

export interface Example {
  title: string;
  /** What the comment at the top of the document says. */
  about: string;
  query: string;
  variables: string;
}

const TITLES = [
  "Add to a conversation",
  "Update a session",
  "A batch with a bad entry",
  "A version conflict",
  "Search",
  "Time travel",
  "Watch changes",
  "List memories",
];

export const EXAMPLES: Example[] = Object.keys(documents)
  .sort()
  .map((path, index) => {
    const query = documents[path] ?? "";
    return {
      title: TITLES[index] ?? path,
      about: query
        .split("\n")
        .filter((line) => line.startsWith("# "))
        .map((line) => line.slice(2))
        .join(" "),
      query,
      variables: variables[path.replace(/\.graphql$/, ".json")] ?? "",
    };
  });
