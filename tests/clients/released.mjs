/** What a schema takes away from the clients of another, and what CHANGELOG.md says of it. */

import { diff } from "@graphql-inspector/core";
import { buildSchema } from "graphql";

/** Graver for us than for graphql-inspector: the same document, sent again, would do or get something else. */
const DEFAULT_CHANGED = new Set(["FIELD_ARGUMENT_DEFAULT_CHANGED", "INPUT_FIELD_DEFAULT_VALUE_CHANGED"]);
const SEMANTIC_NON_NULL = "@semanticNonNull";

/** The breaking changes from one SDL to another, as `{ coordinate, message }`. */
export async function breakingChanges(released, current) {
  const schema = buildSchema(current);
  const changes = await diff(buildSchema(released), schema);
  return changes
    .filter((change) => breaks(change, schema))
    .map((change) => ({ coordinate: coordinate(change), message: change.message }));
}

function breaks({ type, path, criticality }, schema) {
  if (type === "DIRECTIVE_USAGE_FIELD_DEFINITION_REMOVED" && path.endsWith(`.${SEMANTIC_NON_NULL}`)) {
    return mayBeNull(schema, path);
  }
  return criticality.level === "BREAKING" || DEFAULT_CHANGED.has(type);
}

/** Where a real `!` takes the directive's place, nothing is lost; a field that is gone is told as that. */
function mayBeNull(schema, path) {
  const [type, name] = path.split(".");
  const field = schema.getType(type)?.getFields?.()[name];
  return field !== undefined && !String(field.type).endsWith("!");
}

/** As the specification writes it: `Type`, `Type.field`, `Type.field(argument:)`. */
function coordinate({ type, path }) {
  const [parent, field, argument] = path.split(".");
  if (type.startsWith("FIELD_ARGUMENT_")) return `${parent}.${field}(${argument}:)`;
  return path.replace(`.${SEMANTIC_NON_NULL}`, "");
}

/** The coordinates at the head of the items under "### Breaking" of what is not yet released. */
export function writtenDown(changelog) {
  const unreleased = /^## \[Unreleased\]\n(.*?)(?=^## |(?![^]))/ms.exec(changelog)?.[1] ?? "";
  const breaking = /^### Breaking\n(.*?)(?=^### |(?![^]))/ms.exec(unreleased)?.[1] ?? "";
  const heads = [...breaking.matchAll(/^- (`[^`]+`(?:, `[^`]+`)*):/gm)];
  return heads.flatMap(([, head]) => head.split(", ").map((each) => each.slice(1, -1)));
}

/** One sentence for each promise that is broken unsaid, and for each said to be broken that is not. */
export async function complaints(released, current, changelog) {
  const changes = await breakingChanges(released, current);
  const written = new Set(writtenDown(changelog));
  const broken = new Set(changes.map((change) => change.coordinate));
  return [
    ...changes
      .filter((change) => !written.has(change.coordinate))
      .map(
        (change) => `${change.coordinate}: ${change.message}, and CHANGELOG.md does not say so under "### Breaking".`,
      ),
    ...[...written]
      .filter((each) => !broken.has(each))
      .map((each) => `${each} stands under "### Breaking" in CHANGELOG.md, and does not break.`),
  ];
}
