"""Executes GraphQL operations of any Strawberry schema as plans: what a document decides is decided once.

``Engine(schema).prepare(document, operation_name)`` gives a plan, ``await plan(variables, context)`` the response that
graphql-core would give.
"""

from mnesis.execution.engine import Engine, NotValid
from mnesis.execution.leaves import handing_on
from mnesis.execution.ordering import keeping_order, settled
from mnesis.execution.plan import Plan

__all__ = ["Engine", "NotValid", "Plan", "handing_on", "keeping_order", "settled"]
