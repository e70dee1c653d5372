"""Names of keys as clients write them."""

import pytest

from dolmen.core.errors import ConfigError
from dolmen.gateway.handlers.encryption import key_service
from dolmen.gateway.kms.names import is_key_arn, is_name, key_arn, named_by_client, setting_of_name
from dolmen.gateway.kms.options import EncryptionOptions, default_encryption
from dolmen.gateway.s3.fault import S3Fault


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("alpha", "alpha"),
        ("alias/alpha", "alpha"),
        ("arn:aws:kms:us-east-1:000000000000:key/alpha", "alpha"),
        ("arn:aws:kms:eu-west-1:123456789012:alias/alpha", "alpha"),
        ("arn:aws-cn:kms::123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", "1234abcd-12ab-34cd-56ef-1234567890ab"),
        ("alias/aws/s3", "aws/s3"),
        ("arn:aws:kms:us-east-1:000000000000:key/aws/s3", "aws/s3"),
        ("dolmen/s3", None),
        ("alias/dolmen/s3", None),
        ("arn:aws:kms:us-east-1:000000000000:key/dolmen/s3", None),
        ("a/b", None),
        ("../a", None),
        ("-a", None),
        ("a b", None),
        ("", None),
        ("arn:aws:kms:us-east-1:12:key/alpha", None),
        ("arn:aws:s3:us-east-1:000000000000:key/alpha", None),
        ("x" * 256, None),
        ("ä", None),
    ],
)
def test_names_given_by_clients(text, name):
    assert named_by_client(text) == name


def test_answers_show_arns():
    arn = key_arn("r", "1" * 12, "alpha")
    assert arn == "arn:aws:kms:r:111111111111:key/alpha"
    assert is_key_arn(arn)
    assert not is_key_arn("alpha")
    assert not is_key_arn(arn.replace(":key/", ":alias/"))
    assert EncryptionOptions(region="r").arn("alpha") == "arn:aws:kms:r:000000000000:key/alpha"


def test_settings():
    assert setting_of_name(" a-1 ") == "a-1"
    for text in ("b c", "dolmen/s3", "aws/s3", ""):
        with pytest.raises(ConfigError):
            setting_of_name(text)
    assert is_name("aws/s3")
    with pytest.raises(S3Fault, match="no key service"):
        key_service(EncryptionOptions())
    assert default_encryption("none") == ("", "dolmen/s3")
    assert default_encryption("AES256") == ("AES256", "dolmen/s3")
    assert default_encryption("aws:kms") == ("aws:kms", "aws/s3")
    assert default_encryption("aws:kms:dsse=alias/k") == ("aws:kms:dsse", "k")
    for text in ("", "aes256", "AES256=k", "none=", "aws:kms=", "aws:kms=dolmen/s3", "SSE-C"):
        with pytest.raises(ConfigError):
            default_encryption(text)
