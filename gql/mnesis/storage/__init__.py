"""The store: SQLModel tables, repositories, writer lanes and engine set-up for SQLite and PostgreSQL."""
