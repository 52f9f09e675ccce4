"""Executes GraphQL operations of any Strawberry schema as plans: what a document decides is decided once.

``Engine(schema).prepare(document, operation_name)`` gives a plan, ``await plan(variables, context)`` the response that
graphql-core would give.
"""

from mnesis.execution.engine import Engine, NotValid
from mnesis.execution.ordering import keeping_order, settled
from mnesis.execution.plan import Plan

__all__ = ["Engine", "NotValid", "Plan", "keeping_order", "settled"]
