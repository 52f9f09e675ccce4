"""Alchemyst's context API (`/api/v1/context`), for clients that speak it.

What its sources leave open is answered as its own plugins behave: an entry whose id matches nothing is added, one that
matches is changed in the fields that are given, and ``memory_id`` is the session's id. docs/alchemyst.md lists where
this differs from the hosted service.
"""
