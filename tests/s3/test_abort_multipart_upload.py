"""AbortMultipartUpload: what is gone afterwards, and for whom."""

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
