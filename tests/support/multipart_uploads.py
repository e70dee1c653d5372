"""A multipart upload step by step, for tests of its operations."""

import hashlib

PART_BYTES = 5 << 20  # S3's least size of a part that is not the last
LARGE = b"L" * PART_BYTES


def create(s3, bucket, key="k", **more):
    return s3.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]


def upload(s3, bucket, upload_id, number, body, key="k", **more):
    """The entry of the part for CompleteMultipartUpload."""
    answer = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=body, **more)
    kept = {name: value for name, value in answer.items() if name.startswith("Checksum")}
    return {"PartNumber": number, "ETag": answer["ETag"], **kept}


def complete(s3, bucket, upload_id, parts, key="k", **more):
    return s3.complete_multipart_upload(
        Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}, **more
    )


def etag_of(*bodies):
    return f'"{hashlib.md5(b"".join(hashlib.md5(body).digest() for body in bodies)).hexdigest()}-{len(bodies)}"'
