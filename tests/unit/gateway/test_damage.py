"""What a read finds rotten is written down, and repair makes it good again."""

from dolmen.core.clock import SystemClock
from dolmen.core.layout import stripes
from dolmen.gateway.maintenance.repair import Repairer
from dolmen.gateway.objects.damage import NOTES_MAX, DamageNotes
from dolmen.gateway.objects.read import ObjectReader


async def test_a_lost_fragment_met_by_a_read_is_repaired(cluster):
    data = bytes(range(256)) * 4096
    written = await cluster.write(b"k", data)
    (segment,) = written.layout.segments
    stripe = next(stripes(segment))
    disk = cluster.view.disk_of(stripe.pg, 0)
    await cluster.client.trash(disk, [(stripe.stripe_id, 0)])
    notes = DamageNotes(cluster.store)
    cluster.reader = ObjectReader(cluster.view, cluster.client, cluster.budget, notes.note)
    assert await cluster.read(b"k") == data
    await notes.flush()
    (row,) = await cluster.store.list_repairs(b"", 10)
    assert (row.pg, row.stripe_id, row.slots) == (stripe.pg, stripe.stripe_id, (0,))
    tally = await Repairer(cluster.store, cluster.view, cluster.client, SystemClock()).rows()
    assert tally.repaired == 1
    assert await cluster.store.repair_count() == 0
    assert (await cluster.client.stat(disk, stripe.stripe_id, 0, True)).fragment_length == stripe.fragment_bytes


async def test_notes_are_bounded_and_written_once(cluster):
    notes = DamageNotes(cluster.store)
    for number in range(NOTES_MAX + 10):
        notes.note(1, number.to_bytes(16, "big"), 2)
    notes.note(1, bytes(16), 3)
    await notes.flush()
    await notes.flush()
    assert await cluster.store.repair_count() == NOTES_MAX
    assert (await cluster.store.list_repairs(b"", 1))[0].slots == (2, 3)
