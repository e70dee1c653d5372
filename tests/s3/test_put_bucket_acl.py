"""PutBucketAcl: canned ACLs, headers, documents; each acts at once."""

import pytest
from access import ALICE_CANONICAL, ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY, grants_of

OWNERSHIP = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
OBJECTS = [("GET", ""), ("GET", "versions"), ("GET", "uploads")]


@pytest.fixture
def root_id(s3):
    return s3.list_buckets()["Owner"]["ID"]


@pytest.fixture
def free(s3, bucket):
    """A bucket with ACLs enabled."""
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=OWNERSHIP)
    return bucket


@pytest.mark.parametrize(
    ("acl", "more"),
    [
        ("private", []),
        ("public-read", [(ALL_USERS, "READ")]),
        ("public-read-write", [(ALL_USERS, "READ"), (ALL_USERS, "WRITE")]),
        ("authenticated-read", [(AUTHENTICATED_USERS, "READ")]),
        ("log-delivery-write", [(LOG_DELIVERY, "WRITE"), (LOG_DELIVERY, "READ_ACP")]),
        ("aws-exec-read", [("6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c", "READ")]),
        ("bucket-owner-read", []),
        ("bucket-owner-full-control", []),
    ],
)
def test_canned(s3, free, root_id, acl, more):
    s3.put_bucket_acl(Bucket=free, ACL=acl)
    found = s3.get_bucket_acl(Bucket=free)
    assert found["Owner"]["ID"] == root_id
    assert grants_of(found) == [(root_id, "FULL_CONTROL"), *more]


def test_public_read_write(s3, free, anonymous):
    for method, query in OBJECTS:
        assert anonymous.request(method, f"/{free}", query).told == (403, "AccessDenied")
    s3.put_bucket_acl(Bucket=free, ACL="public-read")
    for method, query in OBJECTS:
        assert anonymous.request(method, f"/{free}", query).status == 200
    assert anonymous.request("HEAD", f"/{free}").status == 200
    assert anonymous.request("PUT", f"/{free}/k", body=b"x").told == (403, "AccessDenied")
    s3.put_bucket_acl(Bucket=free, ACL="public-read-write")
    assert anonymous.request("PUT", f"/{free}/k", body=b"x").status == 200
    assert anonymous.request("GET", f"/{free}/k").status == 200  # nobody's own
    assert anonymous.request("GET", f"/{free}", "acl").told == (403, "AccessDenied")
    assert anonymous.request("DELETE", f"/{free}/k").status == 204
    assert anonymous.request("DELETE", f"/{free}").told == (403, "AccessDenied")
    s3.put_bucket_acl(Bucket=free, ACL="private")
    assert anonymous.request("GET", f"/{free}").told == (403, "AccessDenied")


def test_authenticated_read(s3, free, anonymous, alice):
    s3.put_bucket_acl(Bucket=free, ACL="authenticated-read")
    assert alice.list_objects_v2(Bucket=free)["KeyCount"] == 0
    assert anonymous.request("GET", f"/{free}").told == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("header", "permission", "works"),
    [
        ("GrantRead", "READ", "list_objects_v2"),
        ("GrantWrite", "WRITE", "put_object"),
        ("GrantReadACP", "READ_ACP", "get_bucket_acl"),
        ("GrantWriteACP", "WRITE_ACP", "put_bucket_acl"),
    ],
)
def test_headers(s3, alice, free, refused, header, permission, works):
    calls = {
        "list_objects_v2": {}, "put_object": {"Key": "k", "Body": b"x"}, "get_bucket_acl": {}, "put_bucket_acl": {"ACL": "private"}
    }
    for grantee in (f'id="{ALICE_CANONICAL}"', 'emailAddress="alice@example.com"', f'uri="{AUTHENTICATED_USERS}"'):
        s3.put_bucket_acl(Bucket=free, **{header: grantee})
        wanted = AUTHENTICATED_USERS if grantee.startswith("uri") else ALICE_CANONICAL
        assert grants_of(s3.get_bucket_acl(Bucket=free)) == [(wanted, permission)]
        for name, arguments in calls.items():
            if name != works:
                refused("AccessDenied", 403, getattr(alice, name), Bucket=free, **arguments)
        getattr(alice, works)(Bucket=free, **calls[works])


def test_several_headers(s3, free):
    readers = f'uri="{ALL_USERS}", id="{ALICE_CANONICAL}"'
    s3.put_bucket_acl(Bucket=free, GrantRead=readers, GrantFullControl=f'id="{ALICE_CANONICAL}"')
    assert sorted(grants_of(s3.get_bucket_acl(Bucket=free))) == sorted(
        [(ALL_USERS, "READ"), (ALICE_CANONICAL, "READ"), (ALICE_CANONICAL, "FULL_CONTROL")]
    )


def test_a_document(s3, alice, free, root_id):
    grants = [
        {"Grantee": {"Type": "CanonicalUser", "ID": root_id}, "Permission": "FULL_CONTROL"},
        {"Grantee": {"Type": "AmazonCustomerByEmail", "EmailAddress": "alice@example.com"}, "Permission": "READ"},
        {"Grantee": {"Type": "Group", "URI": ALL_USERS}, "Permission": "READ_ACP"},
    ]
    s3.put_bucket_acl(Bucket=free, AccessControlPolicy={"Owner": {"ID": root_id}, "Grants": grants})
    assert grants_of(alice.get_bucket_acl(Bucket=free)) == [
        (root_id, "FULL_CONTROL"), (ALICE_CANONICAL, "READ"), (ALL_USERS, "READ_ACP")
    ]
    assert alice.list_objects_v2(Bucket=free)["KeyCount"] == 0


def test_an_empty_document_leaves_the_owner_what_an_owner_has(s3, free, root_id):
    s3.put_bucket_acl(Bucket=free, AccessControlPolicy={"Owner": {"ID": root_id}, "Grants": []})
    assert s3.get_bucket_acl(Bucket=free).get("Grants", []) == []
    s3.put_object(Bucket=free, Key="k", Body=b"x")
    s3.put_bucket_acl(Bucket=free, ACL="private")


def test_what_was_read_can_be_written(s3, free):
    s3.put_bucket_acl(Bucket=free, ACL="public-read-write")
    found = s3.get_bucket_acl(Bucket=free)
    document = {"Owner": found["Owner"], "Grants": found["Grants"]}
    s3.put_bucket_acl(Bucket=free, ACL="private")
    s3.put_bucket_acl(Bucket=free, AccessControlPolicy=document)
    assert s3.get_bucket_acl(Bucket=free)["Grants"] == found["Grants"]


XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
GROUP = f'<Grant><Grantee {XSI} xsi:type="Group"><URI>{ALL_USERS}</URI></Grantee><Permission>READ</Permission></Grant>'
OWNER = "<Owner><ID>ROOT</ID></Owner>"


def listed(grants):
    return f"<AccessControlPolicy>{OWNER}<AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"


@pytest.mark.parametrize(
    ("headers", "body", "told"),
    [
        ({}, "", (400, "MissingSecurityHeader")),
        ({"x-amz-acl": "Private"}, "", (400, "InvalidArgument")),
        ({"x-amz-acl": ""}, "", (400, "InvalidArgument")),
        ({"x-amz-grant-read": "alice"}, "", (400, "InvalidArgument")),
        ({"x-amz-grant-read": 'id="nobody"'}, "", (400, "InvalidArgument")),
        ({"x-amz-grant-read": 'uri="http://example.com/"'}, "", (400, "InvalidArgument")),
        ({"x-amz-grant-read": 'emailAddress="x@example.com"'}, "", (400, "UnresolvableGrantByEmailAddress")),
        ({"x-amz-acl": "private", "x-amz-grant-read": f'id="{ALICE_CANONICAL}"'}, "", (400, "InvalidRequest")),
        ({"x-amz-acl": "private"}, f"<AccessControlPolicy>{OWNER}</AccessControlPolicy>", (400, "UnexpectedContent")),
        ({}, "<x/>", (400, "MalformedXML")),
        ({}, "<AccessControlPolicy></AccessControlPolicy>", (400, "MalformedACLError")),
        ({}, "<AccessControlPolicy><Owner><ID>nobody</ID></Owner></AccessControlPolicy>", (403, "AccessDenied")),
        ({}, listed(GROUP * 101), (400, "MalformedXML")),
        ({}, listed("<Grant><Permission>READ</Permission></Grant>"), (400, "MalformedACLError")),
        ({}, listed(GROUP.replace(">READ<", ">DELETE<")), (400, "MalformedXML")),
        ({}, listed(GROUP.replace("AllUsers", "NoUsers")), (400, "InvalidArgument")),
        ({}, listed(GROUP.replace('"Group"', '"Crowd"')), (400, "MalformedXML")),
        ({}, listed(GROUP.replace('"Group"', '"CanonicalUser"')), (400, "MalformedACLError")),
    ],
)
def test_refused(raw, free, root_id, headers, body, told):
    answer = raw.request("PUT", f"/{free}", "acl", headers, body.replace("ROOT", root_id).encode() or None)
    assert answer.told == told


def test_the_fields_of_refusals(raw, free):
    def error(**headers):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return raw.request("PUT", f"/{free}", "acl", sent).error

    assert error()["MissingHeaderName"] == "x-amz-acl"
    found = error(x_amz_acl="open")
    assert (found["ArgumentName"], found["ArgumentValue"]) == ("x-amz-acl", "open")
    found = error(x_amz_grant_read='id="nobody"')
    assert (found["Message"], found["ArgumentName"], found["ArgumentValue"]) == ("Invalid id", "CanonicalUser/ID", "nobody")
    found = error(x_amz_grant_read='uri="http://example.com/"')
    assert (found["Message"], found["ArgumentName"], found["ArgumentValue"]) == ("Invalid group uri", "uri", "http://example.com/")
    assert error(x_amz_grant_read='emailAddress="x@example.com"')["Email"] == "x@example.com"


@pytest.mark.parametrize("arguments", [{"ACL": "public-read"}, {"ACL": "log-delivery-write"}, {"GrantRead": "id=x"}])
def test_while_acls_are_disabled(s3, bucket, refused, arguments):
    error = refused("AccessControlListNotSupported", 400, s3.put_bucket_acl, Bucket=bucket, **arguments)
    assert error["Message"] == "The bucket does not allow ACLs"


def test_while_acls_are_disabled_the_owner_s_own_is_taken(s3, bucket):
    for acl in ("private", "bucket-owner-full-control"):
        s3.put_bucket_acl(Bucket=bucket, ACL=acl)
    found = s3.get_bucket_acl(Bucket=bucket)
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy={"Owner": found["Owner"], "Grants": found["Grants"]})


def test_the_permission(s3, free, anonymous, alice, refused):
    assert anonymous.request("PUT", f"/{free}", "acl", {"x-amz-acl": "public-read"}).told == (403, "AccessDenied")
    refused("AccessDenied", 403, alice.put_bucket_acl, Bucket=free, ACL="public-read")
