"""What has to be said when history ages out: whoever stopped listening before that cannot go on without a gap.

Erasing is not said here. It leaves a record of its own in the history, so that who goes on hears of it.
"""

from sqlalchemy import BigInteger, bindparam

from mnesis.storage.engines import DriverCursor, Engine
from mnesis.storage.statements import TENANT


class PruningMark:
    """Moves the mark that the change feed looks at."""

    def __init__(self, engine: Engine) -> None:
        change = bindparam("last", type_=BigInteger)
        statement = (
            TENANT.update()
            .where(TENANT.c.id == bindparam("of_tenant"), TENANT.c.pruned_change < change)
            .values(pruned_change=change)
        )
        self._statement = str(statement.compile(dialect=engine.dialect))

    def set(self, cursor: DriverCursor, tenant: str, change: int) -> None:
        """To be called in the transaction that removes records; ``change`` is the highest of theirs."""
        cursor.execute(self._statement, {"of_tenant": tenant, "last": change})
