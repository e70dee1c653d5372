"""CORS rules: which configurations are taken, which rule matches, what the answer says."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.s3 import cors
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import CORSConfiguration, CORSRule

ORIGIN = "https://shop.example.com"


def rule(**given):
    return CORSRule(**({"allowed_methods": ["GET", "PUT"], "allowed_origins": [ORIGIN]} | given))


def rules(*made):
    return cors.compile_rules(CORSConfiguration(cors_rules=list(made) or [rule()]))


def fault_of(call, *given, **named):
    with pytest.raises(S3Fault) as caught:
        call(*given, **named)
    return caught.value.status, caught.value.code, caught.value.message


def text(headers):
    return {name.decode(): value.decode() for name, value in headers}


def preflight(found, origin=ORIGIN, method="GET", names=None, **more):
    headers = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": names}
    headers = {name: value for name, value in headers.items() if value is not None}
    return text(cors.preflight_headers(headers, found, **({"exists": True, "is_object": True} | more)))


# -- configurations ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "made",
    [
        rule(),
        rule(allowed_methods=["GET", "PUT", "POST", "DELETE", "HEAD"]),
        rule(allowed_origins=["*"]),
        rule(allowed_origins=[""]),  # S3 takes it
        rule(allowed_origins=["http://*.example.com", "null", "file://"]),
        rule(allowed_headers=["*", "x-amz-*", "*-end"]),
        rule(allowed_headers=[]),
        rule(expose_headers=["ETag", "x-amz-request-id"]),
        rule(max_age_seconds=0),
        rule(max_age_seconds=2**31 - 1),
        rule(id="i" * 255),
    ],
)
def test_taken(made):
    cors.check_configuration(CORSConfiguration(cors_rules=[made]))


@pytest.mark.parametrize(
    ("made", "code", "message"),
    [
        (rule(allowed_methods=None), "MalformedXML", None),
        (rule(allowed_methods=[]), "MalformedXML", None),
        (rule(allowed_origins=None), "MalformedXML", None),
        (
            rule(allowed_methods=["GET", "PATCH"]),
            "InvalidRequest",
            "Found unsupported HTTP method in CORS config. Unsupported method is PATCH",
        ),
        (
            rule(allowed_methods=["OPTIONS"]),
            "InvalidRequest",
            "Found unsupported HTTP method in CORS config. Unsupported method is OPTIONS",
        ),
        (
            rule(allowed_methods=["get"]),
            "InvalidRequest",
            "Found unsupported HTTP method in CORS config. Unsupported method is get",
        ),
        (rule(allowed_methods=[""]), "InvalidRequest", "Found unsupported HTTP method in CORS config. Unsupported method is "),
        (
            rule(allowed_origins=["http://*.*"]),
            "InvalidRequest",
            'AllowedOrigin "http://*.*" can not have more than one wildcard.',
        ),
        (rule(allowed_headers=["*-*"]), "InvalidRequest", 'AllowedHeader "*-*" can not have more than one wildcard.'),
        (
            rule(expose_headers=["*"]),
            "InvalidRequest",
            'ExposeHeader "*" contains wildcard. We currently do not support wildcard for ExposeHeader.',
        ),
        (rule(max_age_seconds=-1), "MalformedXML", None),
        (rule(id="i" * 256), "InvalidArgument", "ID length should not exceed allowed limit of 255"),
        (rule(allowed_origins=["x" * 65536]), "MaxMessageLengthExceeded", None),
    ],
)
def test_refused(made, code, message):
    status, found, told = fault_of(cors.check_configuration, CORSConfiguration(cors_rules=[rule(), made]))
    assert (status, found) == (400, code)
    assert message is None or told == message


@pytest.mark.parametrize("made", [None, []])
def test_no_rules(made):
    assert fault_of(cors.check_configuration, CORSConfiguration(cors_rules=made))[:2] == (400, "MalformedXML")


def test_at_most_a_hundred_rules():
    cors.check_configuration(CORSConfiguration(cors_rules=[rule()] * 100))
    assert fault_of(cors.check_configuration, CORSConfiguration(cors_rules=[rule()] * 101)) == (
        400,
        "InvalidRequest",
        "The number of CORS rules should not exceed allowed limit of 100 rules.",
    )


def test_compiled_from_what_is_stored():
    raw = msgspec.msgpack.encode(CORSConfiguration(cors_rules=[rule()]))
    assert cors.compiled(raw) is cors.compiled(bytes(bytearray(raw)))
    assert cors.compiled(raw) == rules()


# -- matching ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "origin", "matches"),
    [
        ("*", "anything at all", True),
        ("*", "null", True),
        (ORIGIN, ORIGIN, True),
        (ORIGIN, ORIGIN + "/", False),
        (ORIGIN, ORIGIN + ":443", False),
        (ORIGIN, ORIGIN.replace("https", "http"), False),
        (ORIGIN, ORIGIN.upper(), False),
        ("http://*.example.com", "http://a.example.com", True),
        ("http://*.example.com", "http://a.b.example.com", True),
        ("http://*.example.com", "http://.example.com", True),
        ("http://*.example.com", "http://example.com", False),
        ("http://*.example.com", "http://a.example.com.evil.net", False),
        ("http://*.example.com", "http://aXexample.com", False),
        ("*suffix", "foo.suffix", True),
        ("*suffix", "suffix", True),
        ("*suffix", "foo.suffix.get", False),
        ("start*end", "startend", True),
        ("start*end", "start12end", True),
        ("start*end", "0start12end", False),
        ("prefix*", "prefix", True),
        ("prefix*", "bla.prefix", False),
        ("http://[::1]:8080", "http://[::1]:8080", True),  # nothing but the star is special
        ("http://a.b", "http://aXb", False),
        ("", "x", False),
        ("null", "null", True),
    ],
)
def test_origins(allowed, origin, matches):
    assert (cors.find_rule(rules(rule(allowed_origins=["other", allowed])), origin, "GET", []) is not None) == matches


@pytest.mark.parametrize(
    ("allowed", "names", "matches"),
    [
        (None, "", True),
        (None, "x-amz-date", False),
        ([], "x-amz-date", False),
        (["*"], "x-amz-date, authorization", True),
        (["x-amz-*"], "x-amz-date,X-Amz-Acl", True),
        (["x-amz-*"], "x-amz-date,content-type", False),
        (["x-amz-*", "Content-Type"], "x-amz-date, content-TYPE", True),
        (["x-AMZ-server-SIDE-encryption"], "x-amz-SERVER-side-encryption", True),
        (["x-amz-date"], "x-amz-dat", False),
        (["x-amz-date"], "x-amz-date2", False),
        (["*-date"], " , x-amz-date ,, ", True),
    ],
)
def test_headers(allowed, names, matches):
    found = rules(rule(allowed_headers=allowed))
    headers = {"access-control-request-headers": names}
    assert (cors.find_rule(found, ORIGIN, "GET", cors.requested_names(headers)) is not None) == matches


def test_as_many_headers_as_a_page_sends():
    found = rules(rule(allowed_headers=["*"]))
    names = [f"x-{number}" for number in range(65)]
    assert cors.find_rule(found, ORIGIN, "GET", names[:64]) is found[0]
    assert cors.find_rule(found, ORIGIN, "GET", names) is None


def test_methods():
    found = rules(rule(allowed_methods=["GET"]))
    assert cors.find_rule(found, ORIGIN, "GET", []) is found[0]
    for method in ("PUT", "HEAD", "get", "OPTIONS", ""):
        assert cors.find_rule(found, ORIGIN, method, []) is None


def test_the_first_rule_that_matches():
    found = rules(rule(allowed_methods=["GET"], max_age_seconds=1), rule(allowed_origins=["*"], max_age_seconds=2), rule())
    assert cors.find_rule(found, ORIGIN, "GET", []) is found[0]
    assert cors.find_rule(found, ORIGIN, "PUT", []) is found[1]
    assert cors.find_rule(found, "x", "GET", []) is found[1]


@given(st.text(alphabet="abc.*", max_size=8).filter(lambda text: text.count("*") <= 1), st.text(alphabet="abc.", max_size=8))
def test_a_pattern_is_what_surrounds_the_star(pattern, origin):
    head, star, tail = pattern.partition("*")
    if star:
        expected = len(origin) >= len(head) + len(tail) and origin.startswith(head) and origin.endswith(tail)
    else:
        expected = origin == pattern
    found = rules(rule(allowed_origins=[pattern]))
    assert (cors.find_rule(found, origin, "GET", []) is not None) == expected


# -- answers -----------------------------------------------------------------------------------------------------------------

VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


def test_the_answer_to_a_preflight():
    made = rule(allowed_headers=["*"], expose_headers=["ETag", "x-amz-id-2"], max_age_seconds=3000)
    assert preflight(rules(made), method="PUT", names="Content-Type,X-Amz-Date") == {
        "access-control-allow-origin": ORIGIN,
        "access-control-allow-headers": "content-type, x-amz-date",
        "access-control-allow-methods": "GET, PUT",
        "access-control-expose-headers": "ETag, x-amz-id-2",
        "access-control-max-age": "3000",
        "access-control-allow-credentials": "true",
        "vary": VARY,
    }


def test_the_shortest_answer():
    found = rules(rule(allowed_origins=["http://other", "*"], allowed_methods=["GET"]))
    expected = {"access-control-allow-origin": "*", "access-control-allow-methods": "GET", "vary": VARY}
    assert preflight(found) == expected
    assert preflight(found, origin="null") == expected


@pytest.mark.parametrize("found", [None, (), rules()])
@pytest.mark.parametrize("exists", [True, False])
def test_a_preflight_without_origin(found, exists):
    told = fault_of(preflight, found, origin=None, exists=exists)
    assert told == (400, "BadRequest", "Insufficient information. Origin request header needed.")


@pytest.mark.parametrize(("method", "told"), [(None, "null"), ("", "null"), ("PATCH", "PATCH"), ("get", "get")])
def test_a_preflight_without_a_method(method, told):
    assert fault_of(preflight, rules(), method=method) == (400, "BadRequest", f"Invalid Access-Control-Request-Method: {told}")


@pytest.mark.parametrize(
    ("found", "more", "message", "fields"),
    [
        (None, {}, "CORSResponse: CORS is not enabled for this bucket.", ("GET", "BUCKET")),
        (None, {"method": None}, "CORSResponse: CORS is not enabled for this bucket.", ("OPTIONS", "BUCKET")),
        (None, {"exists": False}, "CORSResponse: Bucket not found", ("GET", "BUCKET")),
        (rules(), {"exists": False}, "CORSResponse: Bucket not found", ("GET", "BUCKET")),
        (rules(), {"origin": "http://evil.example"}, cors.NOT_ALLOWED, ("GET", "OBJECT")),
        (rules(), {"method": "DELETE"}, cors.NOT_ALLOWED, ("DELETE", "OBJECT")),
        (rules(), {"names": "x-amz-date"}, cors.NOT_ALLOWED, ("GET", "OBJECT")),
        (rules(), {"method": "POST", "is_object": False}, cors.NOT_ALLOWED, ("POST", "BUCKET")),
    ],
)
def test_a_preflight_that_is_refused(found, more, message, fields):
    with pytest.raises(S3Fault) as caught:
        preflight(found, **more)
    fault = caught.value
    assert (fault.status, fault.code, fault.message) == (403, "AccessForbidden", message)
    assert fault.fields == (("Method", fields[0]), ("ResourceType", fields[1]))


@pytest.mark.parametrize(
    ("method", "headers", "matches"),
    [
        ("GET", {"origin": ORIGIN}, True),
        ("PUT", {"origin": ORIGIN}, True),
        ("DELETE", {"origin": ORIGIN}, False),
        ("GET", {}, False),
        ("GET", {"origin": ""}, False),
        ("GET", {"origin": "http://evil.example"}, False),
        ("DELETE", {"origin": ORIGIN, "access-control-request-method": "GET"}, True),
        ("GET", {"origin": ORIGIN, "access-control-request-method": "DELETE"}, False),
        ("GET", {"origin": ORIGIN, "access-control-request-headers": "x-amz-date"}, False),
        ("GET", {"origin": ORIGIN, "x-amz-date": "20261124T000000Z", "authorization": "x"}, True),
    ],
)
def test_an_actual_request(method, headers, matches):
    found = text(cors.actual_headers(method, headers, rules()))
    expected = {
        "access-control-allow-origin": ORIGIN,
        "access-control-allow-methods": "GET, PUT",
        "access-control-allow-credentials": "true",
        "vary": VARY,
    }
    assert found == (expected if matches else {})


def test_nothing_ends_a_header():
    made = rule(allowed_origins=["*"], expose_headers=["a\r\nset-cookie: x"])
    assert preflight(rules(made))["access-control-expose-headers"] == "a  set-cookie: x"
