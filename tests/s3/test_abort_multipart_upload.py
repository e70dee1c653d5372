"""AbortMultipartUpload: what is gone afterwards, and for whom."""

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement
from multipart_uploads import create, upload


def test_abort(s3, bucket, refused):
    upload_id = create(s3, bucket)
    part = upload(s3, bucket, upload_id, 1, b"x")
    answer = s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    named = {"Bucket": bucket, "Key": "k", "UploadId": upload_id}
    refused("NoSuchUpload", 404, s3.upload_part, **named, PartNumber=1, Body=b"x")
    refused("NoSuchUpload", 404, s3.complete_multipart_upload, **named, MultipartUpload={"Parts": [part]})
    refused("NoSuchUpload", 404, s3.abort_multipart_upload, **named)
    refused("NoSuchUpload", 404, s3.list_parts, **named)


def test_abort_of_an_upload_of_another_time(s3, bucket, refused):
    upload_id = create(s3, bucket)
    begun = s3.list_multipart_uploads(Bucket=bucket)["Uploads"][0]["Initiated"]
    named = {"Bucket": bucket, "Key": "k", "UploadId": upload_id}
    earlier = begun.replace(year=begun.year - 1)
    refused("PreconditionFailed", 412, s3.abort_multipart_upload, **named, IfMatchInitiatedTime=earlier)
    s3.abort_multipart_upload(**named, IfMatchInitiatedTime=begun)


def test_the_answer(raw, s3, bucket):
    upload_id = create(s3, bucket)
    answer = raw.request("DELETE", f"/{bucket}/k", [("uploadId", upload_id)])
    assert (answer.status, answer.body) == (204, b"")
    again = raw.request("DELETE", f"/{bucket}/k", [("uploadId", upload_id)])
    assert again.told == (404, "NoSuchUpload")
    assert list(again.error) == ["Code", "Message", "UploadId", "Resource", "RequestId", "HostId"]
    assert again.error["UploadId"] == upload_id


@pytest.mark.parametrize("parts", [0, 1, 3])
def test_others_stay(s3, bucket, parts):
    s3.put_object(Bucket=bucket, Key="k", Body=b"object")
    other, upload_id = create(s3, bucket), create(s3, bucket)
    kept = upload(s3, bucket, other, 1, b"kept")
    for number in range(1, parts + 1):
        upload(s3, bucket, upload_id, number, b"x")
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id)
    assert [one["UploadId"] for one in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [other]
    assert [one["ETag"] for one in s3.list_parts(Bucket=bucket, Key="k", UploadId=other)["Parts"]] == [kept["ETag"]]
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"object"


def test_by_another_key_or_bucket(s3, bucket, new_name, refused):
    upload_id, other = create(s3, bucket), new_name()
    s3.create_bucket(Bucket=other)
    for named in ({"Bucket": bucket, "Key": "other"}, {"Bucket": other, "Key": "k"}):
        refused("NoSuchUpload", 404, s3.abort_multipart_upload, **named, UploadId=upload_id)
    refused("NoSuchBucket", 404, s3.abort_multipart_upload, Bucket=new_name(), Key="k", UploadId=upload_id)
    assert len(s3.list_multipart_uploads(Bucket=bucket)["Uploads"]) == 1


def test_the_permission(s3, alice, anonymous, bucket, refused):
    named = {"Bucket": bucket, "Key": "k", "UploadId": create(s3, bucket)}
    refused("AccessDenied", 403, alice.abort_multipart_upload, **named)
    query = [("uploadId", named["UploadId"])]
    assert anonymous.request("DELETE", f"/{bucket}/k", query).told == (403, "AccessDenied")
    refused("AccessDenied", 403, s3.abort_multipart_upload, **named, ExpectedBucketOwner=ALICE_ACCOUNT)
    one = {"Principal": {"AWS": ALICE_ACCOUNT}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:PutObject", **one)))
    refused("AccessDenied", 403, alice.abort_multipart_upload, **named)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:AbortMultipartUpload", **one)))
    alice.abort_multipart_upload(**named, ExpectedBucketOwner=ROOT_ACCOUNT, RequestPayer="requester")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
