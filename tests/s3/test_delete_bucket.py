"""DeleteBucket: only empty buckets go, and with them what never became an object."""

from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError

ROUNDS = 12


def test_delete(s3, bucket, refused):
    assert s3.delete_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    refused("404", 404, s3.head_bucket, Bucket=bucket)
    refused("NoSuchBucket", 404, s3.delete_bucket, Bucket=bucket)
    refused("NoSuchBucket", 404, s3.put_object, Bucket=bucket, Key="k", Body=b"x")
    refused("NoSuchBucket", 404, s3.get_object, Bucket=bucket, Key="k")
    refused("NoSuchBucket", 404, s3.list_objects_v2, Bucket=bucket)


def test_a_bucket_with_an_object_stays(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    error = refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket=bucket)
    assert error["BucketName"] == bucket
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_bucket(Bucket=bucket)


def test_a_bucket_with_old_versions_or_markers_stays(s3, versioned, refused):
    old = s3.put_object(Bucket=versioned, Key="k", Body=b"x")["VersionId"]
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket=versioned)
    s3.delete_object(Bucket=versioned, Key="k", VersionId=old)
    refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket=versioned)
    s3.delete_object(Bucket=versioned, Key="k", VersionId=marker)
    s3.delete_bucket(Bucket=versioned)


def test_uploads_in_progress_end_with_the_bucket(s3, bucket, refused):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")
    s3.delete_bucket(Bucket=bucket)
    s3.create_bucket(Bucket=bucket)
    refused("NoSuchUpload", 404, s3.list_parts, Bucket=bucket, Key="k", UploadId=upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_a_bucket_made_again_is_another_one(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.delete_bucket(Bucket=bucket)
    s3.create_bucket(Bucket=bucket)
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)


def test_deleting_a_sub_resource_never_deletes_the_bucket(raw, s3, bucket):
    answer = raw.request("DELETE", f"/{bucket}", "acl")
    assert answer.told == (405, "MethodNotAllowed")
    s3.head_bucket(Bucket=bucket)


def test_a_put_and_a_delete_of_the_bucket_race(clients, new_name):
    """Whichever comes first, an acknowledged object is in a bucket that is there."""

    def told(call, **arguments):
        try:
            call(**arguments)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "done"

    for number in range(ROUNDS):
        name = new_name()
        clients[0].create_bucket(Bucket=name)
        putter, deleter = clients[number % 8], clients[(number + 3) % 8]
        with ThreadPoolExecutor(2) as pool:
            put = pool.submit(told, putter.put_object, Bucket=name, Key="k", Body=b"x" * (1, 200_000)[number % 2])
            deleted = pool.submit(told, deleter.delete_bucket, Bucket=name)
            outcome = (put.result(), deleted.result())
        assert outcome in (("done", "BucketNotEmpty"), ("NoSuchBucket", "done"))
        if outcome[0] == "done":
            assert clients[1].list_objects_v2(Bucket=name)["KeyCount"] == 1
