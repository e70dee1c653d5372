"""GetBucketAccelerateConfiguration: empty while it was never set."""

ROOT = '<AccelerateConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'


def document(inner):
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ROOT}{inner}</AccelerateConfiguration>'


def test_the_document(s3, raw, bucket):
    answer = raw.request("GET", f"/{bucket}", "accelerate")
    assert (answer.status, answer.body.decode()) == (200, document(""))
    s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Suspended"})
    answer = raw.request("GET", f"/{bucket}", "accelerate")
    assert (answer.status, answer.body.decode()) == (200, document("<Status>Suspended</Status>"))


def test_by_strangers(alice, bucket, refused):
    refused("AccessDenied", 403, alice.get_bucket_accelerate_configuration, Bucket=bucket)
