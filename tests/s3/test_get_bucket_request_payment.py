"""GetBucketRequestPayment: the owner pays unless it was set otherwise."""

ROOT = '<RequestPaymentConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'


def document(payer):
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ROOT}<Payer>{payer}</Payer></RequestPaymentConfiguration>'


def test_the_document(s3, raw, bucket):
    answer = raw.request("GET", f"/{bucket}", "requestPayment")
    assert (answer.status, answer.body.decode()) == (200, document("BucketOwner"))
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    assert raw.request("GET", f"/{bucket}", "requestPayment").body.decode() == document("Requester")


def test_by_strangers(alice, bucket, refused):
    refused("AccessDenied", 403, alice.get_bucket_request_payment, Bucket=bucket)
