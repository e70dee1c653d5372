"""Debian's docker-registry with the store as its storage: pushes in chunks, redirects to presigned URLs, collects garbage.

Departures from the defaults: regionendpoint, secure and forcepathstyle for a local endpoint; deletion is on, to test it.
"""

import contextlib
import hashlib
import http.client
import json
import random
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from dev_server import REGION, ROOT, free_port

pytestmark = pytest.mark.slow_clients
START_SECONDS = 30.0
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CHUNK_BYTES = 6 * 1024 * 1024  # above S3's least size of a part, below the registry's own of 10 MiB: it has to join some

CONFIGURATION = """
version: 0.1
storage:
  delete:
    enabled: true
  s3:
    accesskey: {access}
    secretkey: {secret}
    region: {region}
    regionendpoint: {endpoint}
    bucket: {bucket}
    secure: false
    forcepathstyle: true
    rootdirectory: /registry
http:
  addr: 127.0.0.1:{port}
"""


class Registry:
    """A client of the registry's HTTP API, for one repository."""

    def __init__(self, installed, port, configuration):
        self.base = f"http://127.0.0.1:{port}"
        self.installed = installed
        self.configuration = configuration

    def call(self, method, path, body=None, **headers):
        """(status, headers, body); redirects are followed."""
        url = path if path.startswith("http") else f"{self.base}{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            answer = urllib.request.urlopen(urllib.request.Request(url, body, named, method=method), timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.status, answer.headers, answer.read()

    def expect(self, wanted, method, path, body=None, **headers):
        status, told, text = self.call(method, path, body, **headers)
        assert status == wanted, (method, path, status, text[:2000])
        return told, text

    def push(self, repository, blob):
        """In chunks, as a client does that loses its connection now and then."""
        digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
        told, _ = self.expect(202, "POST", f"/v2/{repository}/blobs/uploads/", b"")
        for start in range(0, len(blob), CHUNK_BYTES):
            chunk = blob[start : start + CHUNK_BYTES]
            between = f"{start}-{start + len(chunk) - 1}"
            options = {"Content_Range": between, "Content_Type": "application/octet-stream"}
            told, _ = self.expect(202, "PATCH", told["Location"], chunk, **options)
            assert told["Range"] == f"0-{start + len(chunk) - 1}"
        self.expect(201, "PUT", f"{told['Location']}&digest={digest}", b"")
        return digest

    def serve(self, log):
        command = [self.installed.program, "serve", self.configuration]
        options = {"env": self.installed.environment, "stdin": subprocess.DEVNULL}
        return subprocess.Popen(command, stdout=log, stderr=log, **options)

    def wait_ready(self, process):
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                return self.expect(200, "GET", "/v2/")
            time.sleep(0.1)
        raise AssertionError(f"docker-registry does not start: {process.returncode}")


@pytest.fixture
def registry(client, bucket, tmp_path):
    installed = client("docker-registry")
    port = free_port()
    configuration = tmp_path / "config.yml"
    configuration.write_text(
        CONFIGURATION.format(access=ROOT[0], secret=ROOT[1], region=REGION, endpoint=installed.endpoint, bucket=bucket, port=port)
    )
    made = Registry(installed, port, configuration)
    with (tmp_path / "registry.log").open("wb") as log:
        process = made.serve(log)
        try:
            made.wait_ready(process)
            yield made
        except AssertionError as error:
            error.add_note((tmp_path / "registry.log").read_text(errors="replace")[-4000:])
            raise
        finally:
            process.terminate()
            process.wait(30)


def manifest_of(config, layers, sizes):
    def part(kind, digest):
        return {"mediaType": f"application/vnd.docker.{kind}", "digest": digest, "size": sizes[digest]}

    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": part("container.image.v1+json", config),
        "layers": [part("image.rootfs.diff.tar.gzip", layer) for layer in layers],
    }
    return json.dumps(document).encode()


def test_docker_registry_pushes_pulls_and_collects(registry, bucket, keys_of):
    made = random.Random(6)
    blobs = {"config": b'{"architecture":"amd64","os":"linux"}', "small": made.randbytes(1000), "big": made.randbytes(33_000_000)}
    digests = {name: registry.push("team/image", blob) for name, blob in blobs.items()}
    sizes = {digests[name]: len(blobs[name]) for name in blobs}
    manifest = manifest_of(digests["config"], [digests["small"], digests["big"]], sizes)
    told, _ = registry.expect(201, "PUT", "/v2/team/image/manifests/v1", manifest, Content_Type=MANIFEST)
    # Pulling: the registry sends the client to the store with a presigned URL.
    _, found = registry.expect(200, "GET", "/v2/team/image/manifests/v1", Accept=MANIFEST)
    assert found == manifest
    for name, blob in blobs.items():
        _, found = registry.expect(200, "GET", f"/v2/team/image/blobs/{digests[name]}")
        assert found == blob, name
    location = _redirect(registry, f"/v2/team/image/blobs/{digests['big']}")
    assert location.startswith(f"{registry.installed.endpoint}/{bucket}/registry/docker/registry/v2/blobs/sha256/")
    _, part = registry.expect(206, "GET", location, Range="bytes=1000-1999")
    assert part == blobs["big"][1000:2000]
    # Another repository mounts a layer of the first; a second tag.
    registry.expect(201, "POST", f"/v2/team/other/blobs/uploads/?mount={digests['big']}&from=team/image", b"")
    registry.expect(201, "PUT", "/v2/team/image/manifests/v2", manifest, Content_Type=MANIFEST)
    assert json.loads(registry.expect(200, "GET", "/v2/team/image/tags/list")[1])["tags"] == ["v1", "v2"]
    assert json.loads(registry.expect(200, "GET", "/v2/_catalog")[1])["repositories"] == ["team/image", "team/other"]
    _delete_and_collect(registry, told["Docker-Content-Digest"], digests, bucket, keys_of)


def _redirect(registry, path):
    connection = http.client.HTTPConnection("127.0.0.1", int(registry.base.rpartition(":")[2]), timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 307
    connection.close()
    return answer.headers["Location"]


def _delete_and_collect(registry, manifest, digests, bucket, keys_of):
    def blobs_stored():
        prefix = "registry/docker/registry/v2/blobs/sha256/"
        return {f"sha256:{key.split('/')[-2]}" for key in keys_of(bucket, prefix)}

    assert blobs_stored() == {*digests.values(), manifest}
    registry.expect(202, "DELETE", f"/v2/team/image/manifests/{manifest}")
    assert registry.call("GET", "/v2/team/image/manifests/v1", Accept=MANIFEST)[0] == 404
    registry.installed.run(registry.installed.program, "garbage-collect", registry.configuration)
    assert blobs_stored() == set()


def test_docker_registry_cancels_an_upload(registry, bucket, s3):
    told, _ = registry.expect(202, "POST", "/v2/team/image/blobs/uploads/", b"")
    told, _ = registry.expect(202, "PATCH", told["Location"], b"x" * 100, Content_Type="application/octet-stream")
    assert len(s3.list_multipart_uploads(Bucket=bucket)["Uploads"]) == 1
    registry.expect(204, "DELETE", told["Location"])
    assert registry.call("GET", told["Location"])[0] == 404
