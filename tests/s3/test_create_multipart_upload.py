"""CreateMultipartUpload: what an upload is given at its beginning, and what is refused then."""


def test_what_cannot_be_kept_is_refused(s3, bucket, refused):
    refused("AccessControlListNotSupported", 400, s3.create_multipart_upload, Bucket=bucket, Key="k", ACL="public-read")
    refused("InvalidStorageClass", 400, s3.create_multipart_upload, Bucket=bucket, Key="k", StorageClass="X")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
