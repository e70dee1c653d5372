"""GetBucketOwnershipControls: a new bucket has ACLs disabled."""


def test_a_new_bucket(raw, bucket):
    answer = raw.request("GET", f"/{bucket}", "ownershipControls")
    assert (answer.status, answer.xml.tag) == (200, "OwnershipControls")
    assert [(rule.tag, [(one.tag, one.text) for one in rule]) for rule in answer.xml] == [
        ("Rule", [("ObjectOwnership", "BucketOwnerEnforced")])
    ]


def test_the_permission(bucket, anonymous, alice, refused):
    assert anonymous.request("GET", f"/{bucket}", "ownershipControls").told == (403, "AccessDenied")
    refused("AccessDenied", 403, alice.get_bucket_ownership_controls, Bucket=bucket)
