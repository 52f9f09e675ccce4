"""The operations that every contender is asked for, always with these texts and with variables."""

ALIASES = 30

UPDATE = """
mutation UpdateMemory($id: ID!, $input: UpdateMemoryInput!) {
  updateMemory(type: SESSION, id: $id, input: $input) {
    status
    version
    memory { __typename id version updatedAt ... on SessionMemory { metadata } }
    errors { __typename code message path }
  }
}
"""

ENTRIES = """
mutation UpdateContextMemory($input: UpdateContextMemoryInput!) {
  updateContextMemory(input: $input) {
    version
    counts { submitted created updated unchanged failed }
    errors { __typename code message path }
  }
}
"""

BY_ID = """
query MemoryById($id: ID!) {
  memory(type: SESSION, id: $id) {
    __typename id version createdAt updatedAt
    ... on SessionMemory { summary metadata }
  }
}
"""

LIST = """
query Memories($first: Int!) {
  memories(first: $first, filter: {types: [SESSION]}) {
    nodes { id type version createdAt updatedAt namespace ... on SessionMemory { summary metadata } }
    pageInfo { hasNextPage endCursor }
  }
}
"""

SEARCH = """
query Search($query: String!) {
  searchMemories(query: $query, first: 10) {
    nodes { __typename id version updatedAt ... on SessionMemory { summary } }
  }
}
"""


def _aliased() -> str:
    variables = ", ".join(f"$id{number}: ID!" for number in range(ALIASES))
    selection = "{ status version memory { __typename id version updatedAt ... on SessionMemory { metadata } }"
    selection += " errors { __typename code message path } }"
    fields = "\n".join(
        f"  u{number}: updateMemory(type: SESSION, id: $id{number}, input: $input) {selection}"
        for number in range(ALIASES)
    )
    return f"\nmutation UpdateMemories($input: UpdateMemoryInput!, {variables}) {{\n{fields}\n}}\n"


ALIASED = _aliased()
