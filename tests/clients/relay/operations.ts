/** What a Relay application asks: fragments, a refetchable one on an interface, pages, a mutation, a subscription. */

import { graphql } from "relay-runtime";

/** Asked again by `node(id:)`, which every memory answers, one as it was included. */
export const MEMORY = graphql`
  fragment operations_memory on Memory @refetchable(queryName: "operationsMemoryRefetchQuery") @throwOnFieldError {
    id
    memoryId
    isCurrent
    version
    container {
      name
    }
    ... on SessionMemory {
      summary
    }
    ... on LongTermMemory {
      memory
    }
  }
`;

/** A page of a conversation, and those after it. */
export const ENTRIES = graphql`
  fragment operations_entries on SessionMemory
  @argumentDefinitions(count: { type: "Int", defaultValue: 2 }, cursor: { type: "String" })
  @refetchable(queryName: "operationsEntriesPageQuery")
  @throwOnFieldError {
    entries(first: $count, after: $cursor) @connection(key: "operations_entries") {
      edges {
        node {
          entryId
          content
          ...operations_memory
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`;

/** What changed of any memory, page by page. */
export const HISTORY = graphql`
  fragment operations_history on Memory
  @argumentDefinitions(count: { type: "Int", defaultValue: 20 }, cursor: { type: "String" })
  @refetchable(queryName: "operationsHistoryPageQuery") {
    history(first: $count, after: $cursor) @connection(key: "operations_history") {
      edges {
        node {
          action
          changes {
            field
            kind
          }
        }
      }
    }
  }
`;

export const LIST = graphql`
  query operationsListQuery($filter: MemoryFilter, $first: Int!, $after: String) @throwOnFieldError {
    memories(filter: $filter, first: $first, after: $after) @connection(key: "operations_memories") {
      edges {
        node {
          __typename
          ...operations_memory
        }
      }
    }
    viewer {
      tenant
    }
  }
`;

export const CONVERSATION = graphql`
  query operationsConversationQuery($id: ID!) @throwOnFieldError {
    memory(type: SESSION, id: $id) {
      ...operations_memory
      ...operations_history
      ... on SessionMemory {
        ...operations_entries @alias(as: "conversation")
      }
    }
  }
`;

export const UPDATE = graphql`
  mutation operationsUpdateMutation($type: MemoryType!, $id: ID!, $input: UpdateMemoryInput!, $ifVersion: Int) {
    updateMemory(type: $type, id: $id, input: $input, ifVersion: $ifVersion) {
      status
      memory {
        ...operations_memory
      }
      errors {
        __typename
        message
        ... on VersionConflictError {
          actualVersion
        }
      }
    }
  }
`;

export const CONTEXT = graphql`
  mutation operationsContextMutation($input: UpdateContextMemoryInput!) {
    updateContextMemory(input: $input) {
      updatedEntries
      session {
        ...operations_entries @alias(as: "conversation")
      }
      errors {
        message
      }
    }
  }
`;

export const WATCH = graphql`
  subscription operationsWatchSubscription($after: String) {
    memoryChanged(after: $after) {
      cursor
      memory {
        ...operations_memory
      }
    }
  }
`;
