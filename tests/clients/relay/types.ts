/** What the types of the Relay compiler must let pass, and what they must refuse. */

import type { operationsListQuery$data } from "./__generated__/operationsListQuery.graphql";
import type { UpdateMemoryInput } from "./__generated__/operationsUpdateMutation.graphql";
import type { operations_entries$data } from "./__generated__/operations_entries.graphql";
import type { operations_history$data } from "./__generated__/operations_history.graphql";
import type { operations_memory$data } from "./__generated__/operations_memory.graphql";

export const good: UpdateMemoryInput[] = [{ session: { summary: null } }, { longTerm: { memory: "m" } }];
// @ts-expect-error Two members.
export const two: UpdateMemoryInput = { session: { summary: "s" }, longTerm: { memory: "m" } };
// @ts-expect-error No member.
export const none: UpdateMemoryInput = {};
// @ts-expect-error The only member is null.
export const onlyNull: UpdateMemoryInput = { session: null };

/** What is `@semanticNonNull` is not null under `@throwOnFieldError`. */
export const tenant = (data: operationsListQuery$data): string => data.viewer.tenant;
export const count = (data: operationsListQuery$data): number => data.memories.edges.length;
export const container = (memory: operations_memory$data): string => memory.container.name;
export const contents = (data: operations_entries$data) => data.entries.edges.map(({ node }) => node.content);

// @ts-expect-error Without the directive it may be null.
export const unasked = (data: operations_history$data): number => data.history.edges.length;
