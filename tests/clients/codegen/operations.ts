/** What an application asks: lists, search, both products' updates, history, time travel, a subscription. */

import { graphql } from "./generated/gql.js";

/** What every memory has, told apart by `__typename`. */
export const MEMORY = graphql(/* GraphQL */ `
  fragment MemoryParts on Memory {
    id
    memoryId
    isCurrent
    type
    version
    updatedAt
    ... on SessionMemory {
      summary
      pinned
    }
    ... on WorkingMemory {
      entryId
      role
      content
      messages {
        role
        text
      }
    }
    ... on LongTermMemory {
      memory
      tags
    }
  }
`);

/** Everything that a refusal can tell, whichever type it has. */
export const ERROR = graphql(/* GraphQL */ `
  fragment ErrorParts on UserError {
    message
    code
    path
    ... on MemoryTypeMismatchError {
      requested
      actualType: actual
    }
    ... on ImmutableMemoryError {
      memoryType
    }
    ... on VersionConflictError {
      expectedVersion
      actualVersion
      current {
        ...MemoryParts
      }
    }
    ... on ContainerNotEmptyError {
      memories
    }
    ... on ForbiddenError {
      requiredScope
    }
    ... on LimitExceededError {
      limit
      actual
    }
    ... on QuotaExceededError {
      limit
      used
    }
  }
`);

export const CREATE = graphql(/* GraphQL */ `
  mutation Create($input: CreateMemoryInput!) {
    createMemory(input: $input) {
      status
      version
      memory {
        ...MemoryParts
      }
      errors {
        ...ErrorParts
      }
    }
  }
`);

export const UPDATE = graphql(/* GraphQL */ `
  mutation Update($type: MemoryType!, $id: ID!, $input: UpdateMemoryInput!, $ifVersion: Int) {
    updateMemory(type: $type, id: $id, input: $input, ifVersion: $ifVersion) {
      status
      version
      memory {
        ...MemoryParts
      }
      errors {
        ...ErrorParts
      }
    }
  }
`);

export const UPDATE_CONTEXT = graphql(/* GraphQL */ `
  mutation UpdateContext($input: UpdateContextMemoryInput!) {
    updateContextMemory(input: $input) {
      memoryId
      version
      updatedEntries
      results {
        index
        entryId
        status
        version
        entry {
          ...MemoryParts
        }
        errors {
          ...ErrorParts
        }
      }
      errors {
        ...ErrorParts
      }
    }
  }
`);

export const REMOVE = graphql(/* GraphQL */ `
  mutation Remove($type: MemoryType!, $id: ID!) {
    deleteMemory(type: $type, id: $id) {
      status
      memoryId
      version
      errors {
        ...ErrorParts
      }
    }
  }
`);

export const LIST = graphql(/* GraphQL */ `
  query List($filter: MemoryFilter, $orderBy: MemoryOrder, $first: Int, $after: String) {
    memories(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
      nodes {
        ...MemoryParts
      }
      pageInfo {
        hasNextPage
        endCursor
      }
      totalCount
    }
  }
`);

export const SEARCH = graphql(/* GraphQL */ `
  query Search($query: String!, $first: Int! = 10) {
    searchMemories(query: $query, first: $first) {
      edges {
        score
        highlights {
          field
          parts {
            text
            matched
          }
        }
        node {
          ...MemoryParts
        }
      }
    }
  }
`);

export const HISTORY = graphql(/* GraphQL */ `
  query History($type: MemoryType!, $id: ID!) {
    memory(type: $type, id: $id) {
      id
      history(first: 10) {
        nodes {
          id
          version
          action
          actor
          reason
          changes {
            field
            kind
            before
            after
          }
        }
      }
    }
  }
`);

export const TRAVEL = graphql(/* GraphQL */ `
  query Travel($type: MemoryType!, $id: ID!, $version: Int!) {
    now: memory(type: $type, id: $id) {
      ...MemoryParts
    }
    past: memory(type: $type, id: $id, version: $version) {
      ...MemoryParts
    }
  }
`);

export const WATCH = graphql(/* GraphQL */ `
  subscription Watch($filter: MemoryChangeFilter) {
    memoryChanged(filter: $filter) {
      cursor
      action
      record {
        id
        subjectId
        version
      }
      memory {
        ...MemoryParts
      }
    }
  }
`);
