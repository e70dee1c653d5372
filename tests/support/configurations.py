"""Documents for the tests of inventory, analytics, metrics and intelligent tiering, which are kept and given back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ARN = "arn:aws:s3:::reports"


@dataclass(frozen=True)
class Sample:
    """One kind. ``name``: as boto3's methods have it; ``query``: the sub-resource; ``root``: of its document."""

    name: str
    query: str
    root: str
    listed: str  # root of a list
    put_status: int
    documents: tuple[dict[str, Any], ...]  # without Id: the shortest first, then the fullest
    xml: str  # the shortest as S3 answers it, {id} for the id

    @property
    def argument(self) -> str:
        return self.root

    def put(self, s3: Any, bucket: str, identity: str, document: dict[str, Any] | None = None) -> dict[str, Any]:
        made = {"Id": identity, **(self.documents[0] if document is None else document)}
        return getattr(s3, f"put_bucket_{self.name}_configuration")(Bucket=bucket, Id=identity, **{self.root: made})

    def get(self, s3: Any, bucket: str, identity: str) -> dict[str, Any]:
        return getattr(s3, f"get_bucket_{self.name}_configuration")(Bucket=bucket, Id=identity)[self.root]

    def delete(self, s3: Any, bucket: str, identity: str) -> dict[str, Any]:
        return getattr(s3, f"delete_bucket_{self.name}_configuration")(Bucket=bucket, Id=identity)

    def list(self, s3: Any, bucket: str, **more: str) -> dict[str, Any]:
        return getattr(s3, f"list_bucket_{self.name}_configurations")(Bucket=bucket, **more)


TAGS = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]

INVENTORY = Sample(
    "inventory",
    "inventory",
    "InventoryConfiguration",
    "ListInventoryConfigurationsResult",
    204,
    (
        {
            "Destination": {"S3BucketDestination": {"Bucket": ARN, "Format": "CSV"}},
            "IsEnabled": True,
            "IncludedObjectVersions": "All",
            "Schedule": {"Frequency": "Daily"},
        },
        {
            "Destination": {
                "S3BucketDestination": {
                    "AccountId": "123456789012",
                    "Bucket": ARN,
                    "Format": "Parquet",
                    "Prefix": "inventories/",
                    "Encryption": {"SSEKMS": {"KeyId": "arn:aws:kms:us-east-1:123456789012:key/x"}},
                }
            },
            "IsEnabled": False,
            "Filter": {"Prefix": "logs/"},
            "IncludedObjectVersions": "Current",
            "OptionalFields": ["Size", "ETag", "ChecksumAlgorithm", "ObjectLockMode"],
            "Schedule": {"Frequency": "Weekly"},
        },
    ),
    "<Destination><S3BucketDestination><Bucket>arn:aws:s3:::reports</Bucket><Format>CSV</Format></S3BucketDestination></Destination>"
    "<IsEnabled>true</IsEnabled><Id>{id}</Id><IncludedObjectVersions>All</IncludedObjectVersions>"
    "<Schedule><Frequency>Daily</Frequency></Schedule>",
)

ANALYTICS = Sample(
    "analytics",
    "analytics",
    "AnalyticsConfiguration",
    "ListBucketAnalyticsConfigurationResult",
    204,
    (
        {"StorageClassAnalysis": {}},
        {
            "Filter": {"And": {"Prefix": "logs/", "Tags": TAGS}},
            "StorageClassAnalysis": {
                "DataExport": {
                    "OutputSchemaVersion": "V_1",
                    "Destination": {
                        "S3BucketDestination": {
                            "Format": "CSV",
                            "BucketAccountId": "123456789012",
                            "Bucket": ARN,
                            "Prefix": "analyses/",
                        }
                    },
                }
            },
        },
    ),
    "<Id>{id}</Id><StorageClassAnalysis></StorageClassAnalysis>",
)

METRICS = Sample(
    "metrics",
    "metrics",
    "MetricsConfiguration",
    "ListMetricsConfigurationsResult",
    204,
    (
        {},
        {
            "Filter": {
                "And": {"Prefix": "p/", "Tags": TAGS, "AccessPointArn": "arn:aws:s3:us-east-1:123456789012:accesspoint/x"}
            }
        },
        {"Filter": {"Prefix": "p/"}},
        {"Filter": {"Tag": TAGS[0]}},
    ),
    "<Id>{id}</Id>",
)

TIERING = Sample(
    "intelligent_tiering",
    "intelligent-tiering",
    "IntelligentTieringConfiguration",
    "ListBucketIntelligentTieringConfigurationsOutput",
    200,
    (
        {"Status": "Enabled", "Tierings": [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}]},
        {
            "Filter": {"And": {"Prefix": "p/", "Tags": TAGS}},
            "Status": "Disabled",
            "Tierings": [
                {"Days": 730, "AccessTier": "ARCHIVE_ACCESS"},
                {"Days": 180, "AccessTier": "DEEP_ARCHIVE_ACCESS"},
            ],
        },
        {"Filter": {"Prefix": "p/"}, "Status": "Enabled", "Tierings": [{"Days": 91, "AccessTier": "ARCHIVE_ACCESS"}]},
    ),
    "<Id>{id}</Id><Status>Enabled</Status><Tiering><Days>90</Days><AccessTier>ARCHIVE_ACCESS</AccessTier></Tiering>",
)

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


# -- what is the same for the four -------------------------------------------------------------------------------------------


def check_put(sample: Sample, s3: Any, bucket: str) -> None:
    """Every document comes back as it went in, and replaces the one of its id."""
    for document in sample.documents:
        answer = sample.put(s3, bucket, "an-id.of_1", document)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == sample.put_status
        assert sample.get(s3, bucket, "an-id.of_1") == {"Id": "an-id.of_1", **document}
    assert [one["Id"] for one in sample.list(s3, bucket)[f"{sample.root}List"]] == ["an-id.of_1"]


def check_bad_ids(sample: Sample, s3: Any, bucket: str, refused: Any) -> None:
    call = getattr(s3, f"put_bucket_{sample.name}_configuration")
    document = {"Id": "other", **sample.documents[0]}
    error = refused("IdMismatch", 400, call, Bucket=bucket, Id="one", **{sample.root: document})
    assert error["Message"] == "Document ID does not match the specified configuration ID."
    for identity in ("a b", "x" * 65, "a/b", "ä"):
        document = {"Id": identity, **sample.documents[0]}
        error = refused("InvalidArgument", 400, call, Bucket=bucket, Id=identity, **{sample.root: document})
        assert (error["ArgumentName"], error["ArgumentValue"]) == ("id", identity)
    assert f"{sample.root}List" not in sample.list(s3, bucket)


def check_bad_documents(sample: Sample, raw: Any, bucket: str, bodies: list[bytes]) -> None:
    """Not of the schema. An empty body is told apart."""
    query = f"{sample.query}&id=x"
    for body in [b"<x/>", b"not xml", f"<{sample.root}></{sample.root}>".encode(), *bodies]:
        assert raw.request("PUT", f"/{bucket}", query, body=body).told == (400, "MalformedXML"), body
    assert raw.request("PUT", f"/{bucket}", query, body=b"").told == (400, "MissingRequestBodyError")


def check_get(sample: Sample, s3: Any, raw: Any, bucket: str, refused: Any) -> None:
    get = getattr(s3, f"get_bucket_{sample.name}_configuration")
    error = refused("NoSuchConfiguration", 404, get, Bucket=bucket, Id="none")
    assert error["Message"] == "The specified configuration does not exist."
    assert error["BucketName"] == bucket
    sample.put(s3, bucket, "it")
    answer = raw.request("GET", f"/{bucket}", f"{sample.query}&id=it")
    inner = sample.xml.format(id="it")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/xml"
    assert answer.body.decode() == (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{sample.root} xmlns="{NAMESPACE}">{inner}</{sample.root}>'
    )
    refused("NoSuchConfiguration", 404, get, Bucket=bucket, Id="It")


def check_delete(sample: Sample, s3: Any, bucket: str, refused: Any) -> None:
    sample.put(s3, bucket, "one")
    sample.put(s3, bucket, "two")
    assert sample.delete(s3, bucket, "one")["ResponseMetadata"]["HTTPStatusCode"] == 204
    get, delete = (getattr(s3, f"{verb}_bucket_{sample.name}_configuration") for verb in ("get", "delete"))
    refused("NoSuchConfiguration", 404, get, Bucket=bucket, Id="one")
    refused("NoSuchConfiguration", 404, delete, Bucket=bucket, Id="one")
    assert sample.get(s3, bucket, "two")["Id"] == "two"
    s3.delete_bucket(Bucket=bucket)
    s3.create_bucket(Bucket=bucket)  # of the same name, and nothing is left of the old one
    refused("NoSuchConfiguration", 404, get, Bucket=bucket, Id="two")


def check_list(sample: Sample, s3: Any, raw: Any, bucket: str, refused: Any) -> None:
    empty = raw.request("GET", f"/{bucket}", sample.query)
    assert empty.status == 200
    assert empty.body.decode() == (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{sample.listed} xmlns="{NAMESPACE}">'
        f"<IsTruncated>false</IsTruncated></{sample.listed}>"
    )
    names = [f"id-{number:03}" for number in range(103)]
    for name in reversed(names):
        sample.put(s3, bucket, name)
    first = sample.list(s3, bucket)
    assert [one["Id"] for one in first[f"{sample.root}List"]] == names[:100]
    assert first["IsTruncated"] is True
    token = first["NextContinuationToken"]
    rest = sample.list(s3, bucket, ContinuationToken=token)
    assert [one["Id"] for one in rest[f"{sample.root}List"]] == names[100:]
    assert (rest["IsTruncated"], rest["ContinuationToken"]) == (False, token)
    assert "NextContinuationToken" not in rest
    listing = getattr(s3, f"list_bucket_{sample.name}_configurations")
    for wrong in ("x", token[:-1] + ("A" if token[-1] != "A" else "B")):
        error = refused("InvalidArgument", 400, listing, Bucket=bucket, ContinuationToken=wrong)
        assert error["ArgumentName"] == "continuation-token"


def check_strangers(sample: Sample, alice: Any, bucket: str, refused: Any) -> None:
    document = {"Id": "x", **sample.documents[0]}
    for verb, more in (("put", {sample.root: document}), ("get", {}), ("delete", {})):
        call = getattr(alice, f"{verb}_bucket_{sample.name}_configuration")
        refused("AccessDenied", 403, call, Bucket=bucket, Id="x", **more)
    refused("AccessDenied", 403, getattr(alice, f"list_bucket_{sample.name}_configurations"), Bucket=bucket)
