"""What was refused before it was sent left no trace: nothing follows it, however often it is tried while the cluster is away."""

import secrets

import pytest
from cassandra_parts import Between
from cassandra_splits import Process, create_bucket

from dolmen.gateway.metadata.cassandra.cql import NotSent


class Refusing(Between):
    """Refuses intents, as a breaker does that has just opened."""

    async def run(self, statement, *values):
        if statement.text.startswith("INSERT INTO listing_intents"):
            raise NotSent("the metadata cluster does not answer")
        return await super().run(statement, *values)


async def test_an_intent_that_was_not_sent_is_not_taken_away_later(cql):
    bucket = await create_bucket(cql)
    process = Process(Refusing(cql))
    for _ in range(20):
        with pytest.raises(NotSent):
            await process.intents.announce(bucket.bucket_id, b"k", secrets.token_bytes(16))
    assert not process.follow._settling
    assert not process.follow._tasks
    assert not process.intents._live
    await process.close()
