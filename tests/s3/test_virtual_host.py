"""BUCKET.DOMAIN beside /BUCKET, on a store that knows its domain."""

from dev_server import DOMAIN, ROOT
from raw_s3 import RawS3


def at(server, host):
    return RawS3(server.port, ROOT, host=host)


def test_both_styles_are_the_same_bucket(server):
    bucket = at(server, f"bucket-one.{DOMAIN}")
    assert bucket.request("PUT", "/").status == 200
    assert bucket.request("PUT", "/a/b", body=b"x").status == 200
    path = at(server, "127.0.0.1")
    assert path.request("GET", "/bucket-one/a/b").body == b"x"
    assert bucket.request("GET", "/a/b").body == b"x"
    assert bucket.request("GET", "/", "list-type=2").xml.findtext("Name") == "bucket-one"
    assert bucket.request("HEAD", "/").headers["x-amz-bucket-region"] == "us-east-1"
    assert at(server, f"BUCKET-ONE.{DOMAIN.upper()}").request("GET", "/a/b").body == b"x"
    answer = bucket.request("GET", "/none")
    assert answer.error["Resource"] == "/bucket-one/none"


def test_the_domain_itself_is_the_service(server):
    service = at(server, DOMAIN)
    assert service.request("GET", "/").xml.tag == "ListAllMyBucketsResult"
    assert service.request("PUT", "/bucket-two").status == 200
    assert at(server, f"bucket-two.{DOMAIN}").request("GET", "/").xml.findtext("Name") == "bucket-two"


def test_a_bucket_with_dots(server):
    assert at(server, "127.0.0.1").request("PUT", "/a.b.c").status == 200
    assert at(server, f"a.b.c.{DOMAIN}").request("GET", "/").xml.findtext("Name") == "a.b.c"


def test_presigned(server):
    client = server.client()
    client.create_bucket(Bucket="bucket-three")
    bucket = at(server, f"bucket-three.{DOMAIN}")
    query = bucket.presigned("PUT", "/k")
    assert bucket.send("PUT", "/k", query, {"Host": bucket.host_header}, b"presigned").status == 200
    assert client.get_object(Bucket="bucket-three", Key="k")["Body"].read() == b"presigned"
