"""ACLs: canned ones, headers, documents, what they grant."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.auth import acl as acls
from dolmen.gateway.auth.acl import ALL_USERS, AUTHENTICATED_USERS, FULL_CONTROL, LOG_DELIVERY, Acl, Grant
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import AccessControlPolicy, Grantee, Owner
from dolmen.gateway.s3.model.inputs_generated import Grant as GrantElement

OWNER, OTHER, BUCKET_OWNER = "a" * 64, "b" * 64, "c" * 64
ACCOUNTS = {OWNER, OTHER, BUCKET_OWNER}
EMAILS = {"other@example.com": OTHER}


def by_id(canonical_id):
    return canonical_id if canonical_id in ACCOUNTS else None


def from_headers(headers):
    return acls.from_headers(headers, OWNER, BUCKET_OWNER, EMAILS.get, by_id)


def full(canonical_id):
    return ("id", canonical_id, FULL_CONTROL)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("private", []),
        ("public-read", [("group", ALL_USERS, "READ")]),
        ("public-read-write", [("group", ALL_USERS, "READ"), ("group", ALL_USERS, "WRITE")]),
        ("authenticated-read", [("group", AUTHENTICATED_USERS, "READ")]),
        ("aws-exec-read", [("id", acls.EC2_CANONICAL_ID, "READ")]),
        ("bucket-owner-read", [("id", BUCKET_OWNER, "READ")]),
        ("bucket-owner-full-control", [full(BUCKET_OWNER)]),
        ("log-delivery-write", [("group", LOG_DELIVERY, "WRITE"), ("group", LOG_DELIVERY, "READ_ACP")]),
    ],
)
def test_canned(name, more):
    acl = acls.canned(name, OWNER, BUCKET_OWNER)
    assert acl.owner == OWNER
    assert [(grant.kind, grant.value, grant.permission) for grant in acl.grants] == [full(OWNER), *more]
    assert from_headers({"x-amz-acl": name}) == acl


@pytest.mark.parametrize("name", ["bucket-owner-read", "bucket-owner-full-control"])
def test_a_bucket_has_no_other_owner(name):
    assert acls.canned(name, OWNER, OWNER) == acls.private(OWNER)


@pytest.mark.parametrize("name", ["", "Private", "public", "read"])
def test_no_such_canned_acl(name):
    with pytest.raises(S3Fault) as caught:
        from_headers({"x-amz-acl": name})
    assert (caught.value.code, caught.value.fields) == (
        "InvalidArgument", (("ArgumentName", "x-amz-acl"), ("ArgumentValue", name))
    )


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-amz-grant-read": f'id="{OTHER}"'}, [("id", OTHER, "READ")]),
        ({"x-amz-grant-read": f"id={OTHER}"}, [("id", OTHER, "READ")]),
        ({"x-amz-grant-read": f"id='{OTHER}'"}, [("id", OTHER, "READ")]),
        ({"x-amz-grant-read": f'ID = "{OTHER}" , id="{OWNER}"'}, [("id", OTHER, "READ"), ("id", OWNER, "READ")]),
        ({"x-amz-grant-write": f'uri="{ALL_USERS}"'}, [("group", ALL_USERS, "WRITE")]),
        ({"x-amz-grant-read-acp": 'emailAddress="other@example.com"'}, [("id", OTHER, "READ_ACP")]),
        ({"x-amz-grant-write-acp": f'uri="{LOG_DELIVERY}"'}, [("group", LOG_DELIVERY, "WRITE_ACP")]),
        ({"x-amz-grant-full-control": f'id="{OTHER}"'}, [full(OTHER)]),
        ({"x-amz-grant-read": f'id="{OTHER}",id="{OTHER}"'}, [("id", OTHER, "READ")]),
        (
            {"x-amz-grant-read": f'id="{OTHER}"', "x-amz-grant-full-control": f'id="{OWNER}"'},
            [full(OWNER), ("id", OTHER, "READ")],
        ),
    ],
)
def test_headers(headers, expected):
    acl = from_headers(headers)
    assert acl.owner == OWNER
    assert [(grant.kind, grant.value, grant.permission) for grant in acl.grants] == expected


def test_no_headers():
    assert from_headers({"content-type": "x"}) is None
    assert not acls.names_acl({"content-type": "x"})
    assert acls.names_acl({"x-amz-grant-read": ""})


@pytest.mark.parametrize(
    ("headers", "code", "message"),
    [
        ({"x-amz-grant-read": "ann"}, "InvalidArgument", "Argument format not recognized"),
        ({"x-amz-grant-read": f'id="{OTHER}'}, "InvalidArgument", "Argument format not recognized"),
        ({"x-amz-grant-read": f'name="{OTHER}"'}, "InvalidArgument", "Argument format not recognized"),
        ({"x-amz-grant-read": f'id="{OTHER}" id="{OWNER}"'}, "InvalidArgument", "Argument format not recognized"),
        ({"x-amz-grant-read": ",".join([f"id={OTHER}"] * 101)}, "InvalidArgument", "Argument format not recognized"),
        ({"x-amz-grant-read": 'id="nobody"'}, "InvalidArgument", "Invalid id"),
        ({"x-amz-grant-read": 'uri="http://example.com/"'}, "InvalidArgument", "Invalid group uri"),
        ({"x-amz-grant-read": 'emailAddress="nobody@example.com"'}, "UnresolvableGrantByEmailAddress", None),
        (
            {"x-amz-acl": "private", "x-amz-grant-read": f'id="{OTHER}"'},
            "InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed",
        ),
    ],
)
def test_headers_that_are_refused(headers, code, message):
    with pytest.raises(S3Fault) as caught:
        from_headers(headers)
    assert caught.value.code == code
    assert message is None or caught.value.message == message


@given(text=st.text(alphabet="id=\"', uremailAs@x", max_size=60))
def test_any_header(text):
    code = ""
    try:
        from_headers({"x-amz-grant-read": text})
    except S3Fault as fault:
        code = fault.code
    assert code in ("", "InvalidArgument", "UnresolvableGrantByEmailAddress")


# -- documents ---------------------------------------------------------------------------------------------------------------


def element(permission="READ", **grantee):
    return GrantElement(grantee=Grantee(**grantee), permission=permission)


def from_document(*grants, owner=OWNER):
    document = AccessControlPolicy(owner=None if owner is None else Owner(id=owner), grants=list(grants))
    return acls.from_document(document, OWNER, EMAILS.get, by_id)


def test_documents():
    acl = from_document(
        element(FULL_CONTROL, type="CanonicalUser", id=OWNER),
        element(type="Group", uri=ALL_USERS),
        element("WRITE_ACP", type="AmazonCustomerByEmail", email_address="other@example.com"),
    )
    assert acl == Acl(
        OWNER, (Grant("id", OWNER, FULL_CONTROL), Grant("group", ALL_USERS, "READ"), Grant("id", OTHER, "WRITE_ACP"))
    )
    shown = acls.to_document(acl, {OWNER: "owner"}.get)
    assert (shown.owner.id, shown.owner.display_name) == (OWNER, "owner")
    grantees = [(one.permission, one.grantee) for one in shown.grants]
    assert [(name, who.type, who.id, who.uri, who.display_name) for name, who in grantees] == [
        (FULL_CONTROL, "CanonicalUser", OWNER, None, "owner"),
        ("READ", "Group", None, ALL_USERS, None),
        ("WRITE_ACP", "CanonicalUser", OTHER, None, None),
    ]
    assert acls.from_document(shown, OWNER, EMAILS.get, by_id) == acl


def test_nobody_may_be_granted_anything():
    assert from_document() == Acl(OWNER, ())


@pytest.mark.parametrize(
    ("grants", "owner", "code"),
    [
        ([], None, "MalformedACLError"),
        ([], "", "MalformedACLError"),
        ([], OTHER, "AccessDenied"),
        ([element(type="Group", uri=ALL_USERS)] * 101, OWNER, "MalformedACLError"),
        ([element("", type="Group", uri=ALL_USERS)], OWNER, "MalformedACLError"),
        ([GrantElement(permission="READ")], OWNER, "MalformedACLError"),
        ([element()], OWNER, "MalformedACLError"),
        ([element(type="CanonicalUser")], OWNER, "MalformedACLError"),
        ([element(type="Group", id=OTHER)], OWNER, "MalformedACLError"),
        ([element(type="CanonicalUser", id="nobody")], OWNER, "InvalidArgument"),
        ([element(type="Group", uri="http://example.com/")], OWNER, "InvalidArgument"),
        ([element(type="AmazonCustomerByEmail", email_address="nobody@example.com")], OWNER, "UnresolvableGrantByEmailAddress"),
    ],
)
def test_documents_that_are_refused(grants, owner, code):
    with pytest.raises(S3Fault) as caught:
        from_document(*grants, owner=owner)
    assert caught.value.code == code


def test_a_hundred_grants_are_taken():
    assert len(from_document(*[element(type="Group", uri=ALL_USERS)] * 100).grants) == 1


# -- decisions ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grant", "who", "permission", "expected"),
    [
        (Grant("id", OTHER, "READ"), OTHER, "READ", True),
        (Grant("id", OTHER, "READ"), OTHER, "WRITE", False),
        (Grant("id", OTHER, "READ"), OWNER, "READ", False),
        (Grant("id", OTHER, "READ"), None, "READ", False),
        (Grant("id", OTHER, FULL_CONTROL), OTHER, "WRITE_ACP", True),
        (Grant("group", ALL_USERS, "READ"), None, "READ", True),
        (Grant("group", ALL_USERS, "READ"), OTHER, "READ", True),
        (Grant("group", AUTHENTICATED_USERS, "READ"), None, "READ", False),
        (Grant("group", AUTHENTICATED_USERS, "READ"), OTHER, "READ", True),
        (Grant("group", LOG_DELIVERY, "WRITE"), OTHER, "WRITE", False),
        (Grant("group", LOG_DELIVERY, "WRITE"), None, "WRITE", False),
    ],
)
def test_allows(grant, who, permission, expected):
    acl = Acl(OWNER, (grant,))
    assert acls.allows(acl, who, permission) is expected
    if grant.kind == "group":
        assert not acls.allows(acl, who, permission, public=False)
        assert acls.allows(acl, who, permission, groups_only=True) is expected
    else:
        assert acls.allows(acl, who, permission, public=False) is expected
        assert not acls.allows(acl, who, permission, groups_only=True)


@pytest.mark.parametrize(
    ("name", "public", "others"),
    [("private", False, False), ("public-read", True, True), ("authenticated-read", True, True),
     ("log-delivery-write", False, True), ("aws-exec-read", False, True), ("bucket-owner-full-control", False, False)],
)
def test_public_and_others(name, public, others):
    acl = acls.canned(name, OWNER, OWNER)
    assert acls.is_public(acl) is public
    assert acls.grants_others(acl, OWNER) is others


@given(grants=st.lists(st.builds(Grant, st.sampled_from(["id", "group"]), st.sampled_from([OWNER, ALL_USERS]),
                                 st.sampled_from(sorted(acls.PERMISSIONS))), max_size=5))
def test_stored_as_it_is(grants):
    acl = Acl(OWNER, tuple(grants))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(acl), type=Acl) == acl
