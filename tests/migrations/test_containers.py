"""The revision that gives containers their settings: what is there already keeps what it has."""

from sqlalchemy import text

from mnesis.storage.migrations import downgrade, upgrade
from mnesis.storage.schema_access import changing, reading

BEFORE = "0004"


def test_containers_that_were_there_get_their_first_version(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    downgrade(empty_database_url, BEFORE)
    with changing(empty_database_url) as connection:
        connection.execute(text("INSERT INTO tenant (id, change, created_at) VALUES ('t', 1, 1)"))
        connection.execute(text("INSERT INTO container (tenant_id, id, name, created_at) VALUES ('t', 'c', 'C', 7)"))
        connection.commit()

    upgrade(empty_database_url)

    with reading(empty_database_url) as connection:
        [row] = connection.execute(text("SELECT * FROM container")).mappings().all()
    assert dict(row) == {
        "tenant_id": "t",
        "id": "c",
        "name": "C",
        "created_at": 7,
        "description": None,
        "metadata": None,
        "retention": None,
        "version": 1,
        "updated_at": 7,
        "deleted": False,
        "owner": None,
        "roles": None,
        "guarded": False,
    }
