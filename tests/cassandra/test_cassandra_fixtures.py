"""The tests' own Cassandra: shared by all workers, with a keyspace that is made once."""


def _make_table(contact_points, keyspace):
    from cassandra_keyspaces import cql_session

    with cql_session(contact_points) as session:
        session.execute(f"CREATE TABLE {keyspace}.made (id int PRIMARY KEY, times counter)")
        session.execute(f"UPDATE {keyspace}.made SET times = times + 1 WHERE id = 1")


def test_the_shared_node_answers_cql(cassandra_session):
    assert cassandra_session.execute("SELECT release_version FROM system.local").one().release_version.startswith("5.0.")


def test_a_shared_keyspace_is_made_once(shared_keyspace, cassandra_session):
    first, second = (shared_keyspace(_make_table, "fixtures") for _ in range(2))
    assert first == second
    assert cassandra_session.execute(f"SELECT times FROM {first}.made").one().times == 1


def test_another_worker_finds_the_shared_keyspace(shared_keyspace, cassandra_session):
    keyspace = shared_keyspace(_make_table, "fixtures")
    assert cassandra_session.execute(f"SELECT times FROM {keyspace}.made").one().times == 1
