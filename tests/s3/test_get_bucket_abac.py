"""GetBucketAbac: always "Disabled"."""

from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def test_disabled(s3, raw, bucket):
    expected = f'<AbacStatus xmlns="{NAMESPACE}"><Status>Disabled</Status></AbacStatus>'
    for _ in range(2):
        assert s3.get_bucket_abac(Bucket=bucket)["AbacStatus"] == {"Status": "Disabled"}
        answer = raw.request("GET", f"/{bucket}", "abac")
        assert (answer.status, answer.body.decode().partition("\n")[2]) == (200, expected)
        s3.put_bucket_abac(Bucket=bucket, AbacStatus={"Status": "Disabled"})


def test_of_no_bucket(s3, new_name, refused):
    name = new_name()
    assert refused("NoSuchBucket", 404, s3.get_bucket_abac, Bucket=name)["BucketName"] == name


def test_the_permission(s3, alice, anonymous, bucket, refused):
    refused("AccessDenied", 403, alice.get_bucket_abac, Bucket=bucket)
    assert anonymous.request("GET", f"/{bucket}", "abac").told == (403, "AccessDenied")
    named = {"Principal": {"AWS": ALICE_ACCOUNT}, "Resource": f"arn:aws:s3:::{bucket}"}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:GetBucketAbac", **named)))
    assert alice.get_bucket_abac(Bucket=bucket, ExpectedBucketOwner=ROOT_ACCOUNT)["AbacStatus"] == {"Status": "Disabled"}
    refused("AccessDenied", 403, s3.get_bucket_abac, Bucket=bucket, ExpectedBucketOwner=ALICE_ACCOUNT)
