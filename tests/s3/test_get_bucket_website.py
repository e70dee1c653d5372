"""GetBucketWebsite: the configuration in the order of the schema, or NoSuchWebsiteConfiguration."""

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def document(inner):
    root = f'<WebsiteConfiguration xmlns="{NAMESPACE}">'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{root}{inner}</WebsiteConfiguration>'


def test_the_document(s3, raw, bucket):
    configuration = {
        "ErrorDocument": {"Key": "e.html"},
        "IndexDocument": {"Suffix": "index.html"},
        "RoutingRules": [
            {
                "Redirect": {"ReplaceKeyWith": "k", "Protocol": "https", "HttpRedirectCode": "302", "HostName": "h"},
                "Condition": {"KeyPrefixEquals": "a&b", "HttpErrorCodeReturnedEquals": "404"},
            }
        ],
    }
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=configuration)
    answer = raw.request("GET", f"/{bucket}", "website")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/xml")
    assert answer.body.decode() == document(
        "<IndexDocument><Suffix>index.html</Suffix></IndexDocument><ErrorDocument><Key>e.html</Key></ErrorDocument>"
        "<RoutingRules><RoutingRule><Condition><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals>"
        "<KeyPrefixEquals>a&amp;b</KeyPrefixEquals></Condition><Redirect><HostName>h</HostName>"
        "<HttpRedirectCode>302</HttpRedirectCode><Protocol>https</Protocol><ReplaceKeyWith>k</ReplaceKeyWith></Redirect>"
        "</RoutingRule></RoutingRules>"
    )


def test_a_redirect_of_everything(s3, raw, bucket):
    everything = {"RedirectAllRequestsTo": {"HostName": "example.com", "Protocol": "https"}}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=everything)
    assert raw.request("GET", f"/{bucket}", "website").body.decode() == document(
        "<RedirectAllRequestsTo><HostName>example.com</HostName><Protocol>https</Protocol></RedirectAllRequestsTo>"
    )


def test_never_set(s3, bucket, refused):
    error = refused("NoSuchWebsiteConfiguration", 404, s3.get_bucket_website, Bucket=bucket)
    assert (error["Message"], error["BucketName"]) == ("The specified bucket does not have a website configuration", bucket)


def test_by_strangers(alice, bucket, refused):
    refused("AccessDenied", 403, alice.get_bucket_website, Bucket=bucket)
