"""The page at ``/`` where a person writes and sends GraphQL operations."""

from functools import cache

from strawberry.http.ides import get_graphql_ide_html

# The page sends operations to where it was loaded from; ours live one step further, also behind a proxy's prefix.
_OWN_ADDRESS = 'window.location.href.split("?")[0]'
_ENDPOINT = 'new URL("graphql", window.location.href.split("?")[0]).href'


@cache
def playground_page() -> str:
    """The page as HTML."""
    page = get_graphql_ide_html("graphiql")
    if _OWN_ADDRESS not in page:
        raise RuntimeError("Strawberry's GraphiQL page finds its endpoint in another way than it used to.")
    return page.replace(_OWN_ADDRESS, _ENDPOINT).replace("<title>Strawberry GraphiQL</title>", "<title>mnesis</title>")
