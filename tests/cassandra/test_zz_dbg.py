import sys, traceback; sys.path.insert(0,"/work/main/tests/cassandra")
import pytest, pytest_asyncio
from test_processes_that_die import *
from test_processes_that_die import session, make
@pytest.mark.asyncio(loop_scope="module")
async def test_dbg(make):
    plans = await statements_of(make, Complete)
    st = [s for s in plans if "worker_shards" in s.text and s.occurrence == 1][0]
    world = await make().open()
    operation = Complete()
    await operation.prepare(world)
    await world.quiet()
    await die_before(world, operation, st)
    third = world.store()
    world.stores.append(third)
    await sweep(world, [world.other, third], world.mine)
    t = asyncio.ensure_future(world.complete(third, operation.upload, operation.parts[:2]))
    await asyncio.wait([t], timeout=5)
    print(t)
    t.print_stack()
    for k in third.parts.commits._tasks:
        k.print_stack(); print(k, k.get_coro().cr_await)
    print(await third.parts.uploads._rows.state(operation.upload.upload_id))
    print(await third.parts.truth.head(world.bucket.bucket_id, b"k"))
