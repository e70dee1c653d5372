"""AWS SDK for JavaScript v3 (client-s3, lib-storage, s3-request-presigner) and minio-js, in Node.

Departures from the defaults: the SDK's ``forcePathStyle``, as no DNS knows the bucket's name. None for minio-js.
"""

import shutil

import pytest

pytestmark = pytest.mark.slow_clients
STEPS = ("objects", "transfers", "versions", "presigned")


@pytest.fixture
def node(client, new_bucket):
    """``node("with_sdk", "objects")``: one function of programs/js/with_sdk.mjs."""
    installed = client("js")

    def run(program, step):
        # Modules are looked for beside the program.
        shutil.copy(f"{installed.programs}/js/{program}.mjs", installed.home)
        (installed.home / "node_modules").symlink_to(installed.installed / "node_modules")
        return installed.run("node", f"{program}.mjs", step, installed.endpoint, new_bucket)

    return run


@pytest.mark.parametrize("step", [*STEPS, "conditions"])
def test_aws_sdk_for_javascript(node, step):
    node("with_sdk", step)


@pytest.mark.parametrize("step", [*STEPS, "posted"])
def test_minio_js(node, step):
    node("with_minio", step)
