/** Says each refusal in an application's own words. It compiles while every type of error has its case. */

import type { ResultOf } from "@graphql-typed-document-node/core";

import type { ERROR } from "./operations.js";

export type Refusal = ResultOf<typeof ERROR>;

export function explain(error: Refusal): string {
  switch (error.__typename) {
    case "InvalidInputError":
      return `${error.path.join(".")}: ${error.message}`;
    case "NotFoundError":
      return "It is gone.";
    case "MemoryTypeMismatchError":
      return `It is ${error.actualType}, not ${error.requested}.`;
    case "ImmutableMemoryError":
      return `${error.memoryType} cannot be changed.`;
    case "VersionConflictError":
      return `Version ${error.actualVersion} came in between${error.current ? ` as ${error.current.__typename}` : ""}.`;
    case "AlreadyExistsError":
      return "It is there already.";
    case "ForbiddenError":
      return `Ask for ${error.requiredScope}.`;
    case "IdempotencyConflictError":
      return "Take a new key.";
    case "LimitExceededError":
      return `${error.actual} are more than ${error.limit}.`;
    case "QuotaExceededError":
      return `${error.used} of ${error.limit} are used.`;
    case "ContainerNotEmptyError":
      return `It still holds ${error.memories} memories.`;
    default:
      return unknown(error);
  }
}

function unknown(error: never): never {
  throw new Error(`An error without a case: ${JSON.stringify(error)}`);
}
