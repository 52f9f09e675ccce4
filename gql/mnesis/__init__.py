"""mnesis: one GraphQL API over the session, working, long-term and history memories of AI agents."""

__version__ = "0.1.0"
