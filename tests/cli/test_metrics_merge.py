"""One page out of several."""

from prometheus_client.parser import text_string_to_metric_families

from dolmen.cli.dev.metrics_merge import Merger

PAGE = """# HELP hits_total Hits
# TYPE hits_total counter
hits_total{{code="200"}} {hits}
# TYPE hits_created gauge
hits_created{{code="200"}} 1e9
# HELP wait_seconds Wait
# TYPE wait_seconds histogram
wait_seconds_bucket{{le="1.0"}} {hits}
wait_seconds_bucket{{le="+Inf"}} {hits}
wait_seconds_count {hits}
wait_seconds_sum 0.5
# HELP memory_bytes Memory
# TYPE memory_bytes gauge
memory_bytes {memory}
# HELP process_cpu_seconds_total CPU
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total {memory}
"""


def samples(page):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def page(hits, memory=0):
    return PAGE.format(hits=hits, memory=memory)


def test_counts_are_summed_and_states_are_told_apart():
    found = samples(Merger().merge({"a": (1, page(3, 10)), "b": (2, page(4, 20))}))
    assert found["hits_total", (("code", "200"),)] == 7
    assert found["wait_seconds_bucket", (("le", "1.0"),)] == 7
    assert found["wait_seconds_count", ()] == 7
    assert found["wait_seconds_sum", ()] == 1.0
    assert found["memory_bytes", (("process", "a"),)] == 10
    assert found["memory_bytes", (("process", "b"),)] == 20
    assert found["process_cpu_seconds_total", (("process", "a"),)] == 10


def test_a_sum_never_falls():
    merger = Merger()
    hits = ("hits_total", (("code", "200"),))
    assert samples(merger.merge({"a": (1, page(3)), "b": (2, page(4))}))[hits] == 7
    assert samples(merger.merge({"b": (2, page(5))}))[hits] == 8, "a does not answer now"
    assert samples(merger.merge({"a": (9, page(1)), "b": (2, page(5))}))[hits] == 9, "a was started again"
    assert samples(merger.merge({"a": (9, page(2)), "b": (2, page(5))}))[hits] == 10


def test_no_page_is_a_page():
    assert Merger().merge({}).strip() == b""
