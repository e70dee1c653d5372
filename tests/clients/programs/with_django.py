"""django-storages: Django's files and static files in S3. Usage: with_django.py STEP ENDPOINT BUCKET DIRECTORY.

Departure from the defaults: signature_version, since boto3's default for URLs is Version 2, which AWS refuses for the
buckets of today.
"""

import datetime
import io
import pathlib
import random
import sys
import urllib.request

import django
from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import storages
from django.core.management import call_command

BIG = random.Random(8).randbytes(12 * 1024 * 1024)


def fetch(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read(), answer.headers


def files(work):
    store = storages["default"]
    name = store.save("a dir/ünïcode €+.txt", ContentFile(b"first"))
    assert name == "a dir/ünïcode €+.txt"
    assert (store.exists(name), store.exists("missing"), store.size(name)) == (True, False, 5)
    assert store.get_modified_time(name) > datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=5)
    with store.open(name) as file:
        assert file.read() == b"first"
    body, headers = fetch(store.url(name))  # signed
    assert (body, headers["Content-Type"]) == (b"first", "text/plain")
    store.save("big.bin", File(io.BytesIO(BIG)))
    with store.open("big.bin") as file:
        assert file.read() == BIG
    with store.open("written.bin", "wb") as file:  # in parts
        for at in range(0, len(BIG), 1_000_000):
            file.write(BIG[at : at + 1_000_000])
    assert fetch(store.url("written.bin"))[0] == BIG
    assert store.listdir("") == (["a dir"], ["big.bin", "written.bin"])
    assert store.listdir("a dir") == ([], ["ünïcode €+.txt"])
    assert storages["careful"].save("big.bin", ContentFile(b"other")) != "big.bin"
    for found in (name, "big.bin", "written.bin"):
        store.delete(found)
        assert not store.exists(found)
    try:
        store.open("missing").read()
    except FileNotFoundError:
        return
    raise AssertionError("a missing file was read")


def static(work):
    source = pathlib.Path(settings.STATICFILES_DIRS[0])
    (source / "css").mkdir(parents=True)
    (source / "css" / "site.css").write_text("body { background: url(../back.png) }\n")
    (source / "back.png").write_bytes(BIG[:1000])
    told = io.StringIO()
    call_command("collectstatic", interactive=False, stdout=told)
    assert "2 static files copied, 2 post-processed" in told.getvalue(), told.getvalue()
    store = storages["staticfiles"]
    name, image = store.stored_name("css/site.css"), store.stored_name("back.png")
    assert store.url("css/site.css") == f"{store.endpoint_url}/{store.bucket_name}/{name}"
    with store.open(name) as file:
        assert file.read() == f'body {{ background: url("../{image}") }}\n'.encode()
    assert store.bucket.Object(name).content_type == "text/css"
    assert store.load_manifest()[0] == {"css/site.css": name, "back.png": image}


def configure(endpoint, bucket, work):
    base = {"bucket_name": bucket, "endpoint_url": endpoint, "signature_version": "s3v4"}
    settings.configure(
        USE_TZ=True,
        STORAGES={
            "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": base},
            "careful": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": {**base, "file_overwrite": False}},
            "staticfiles": {"BACKEND": "storages.backends.s3.S3ManifestStaticStorage", "OPTIONS": base},
        },
        STATIC_URL="/static/",
        STATICFILES_DIRS=[str(work / "static")],
        INSTALLED_APPS=["django.contrib.staticfiles"],
    )
    django.setup()


if __name__ == "__main__":
    step, endpoint, bucket, directory = sys.argv[1:]
    configure(endpoint, bucket, pathlib.Path(directory))
    globals()[step](pathlib.Path(directory))
