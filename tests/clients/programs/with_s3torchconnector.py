"""The S3 connector for PyTorch: Mountpoint's client on the AWS CRT. Usage: with_s3torchconnector.py STEP ENDPOINT BUCKET DIRECTORY.

Departures from the defaults: force_path_style, as no DNS knows the bucket's name. PyTorch itself is gigabytes of CUDA that
nothing here runs on: of it there is the little that the connector subclasses. What the connector does with S3 is all its own.
"""

import os
import pathlib
import pickle
import random
import sys
import types

torch = types.ModuleType("torch")
torch.__version__ = "0"
torch.distributed = types.SimpleNamespace(is_initialized=lambda: False)
torch.utils = types.ModuleType("torch.utils")
torch.utils.data = types.ModuleType("torch.utils.data")
torch.utils.data.Dataset = type("Dataset", (), {})
torch.utils.data.IterableDataset = type("IterableDataset", (), {})
torch.utils.data.get_worker_info = lambda: None
sys.modules |= {"torch": torch, "torch.utils": torch.utils, "torch.utils.data": torch.utils.data}

from s3torchconnector import S3Checkpoint, S3ClientConfig, S3Exception, S3IterableDataset, S3MapDataset, S3ReaderConstructor  # noqa: E402

MADE = random.Random(7)
BIG = MADE.randbytes(40 * 1024 * 1024)


def checkpoints(where, bucket, work):
    checkpoint = S3Checkpoint(**where)
    state = {"epoch": 3, "weights": BIG}
    for key in ("model.ckpt", "run 1/é+.ckpt"):
        with checkpoint.writer(f"s3://{bucket}/{key}") as writer:
            pickle.dump(state, writer)
        with checkpoint.reader(f"s3://{bucket}/{key}") as reader:
            assert pickle.load(reader) == state, key
    with checkpoint.reader(f"s3://{bucket}/model.ckpt") as reader:
        reader.seek(-100, os.SEEK_END)
        tail = reader.read()
        reader.seek(1000)
        assert (len(tail), len(reader.read(10))) == (100, 10)
    try:
        checkpoint.reader(f"s3://{bucket}/missing").read()
    except S3Exception:
        return
    raise AssertionError("a missing object was read")


def datasets(where, bucket, work):
    bodies = {f"images/{number:03} é+.bin": MADE.randbytes(10_000) for number in range(50)}
    checkpoint = S3Checkpoint(**where)
    for key, body in bodies.items():
        with checkpoint.writer(f"s3://{bucket}/{key}") as writer:
            writer.write(body)
    whole = S3MapDataset.from_prefix(f"s3://{bucket}/images/", transform=lambda found: (found.key, found.read()), **where)
    assert len(whole) == 50
    assert dict(whole[number] for number in range(50)) == bodies
    some = [f"s3://{bucket}/images/{number:03} é+.bin" for number in (7, 3)]
    listed = S3IterableDataset.from_objects(some, transform=lambda found: found.read(), **where)
    assert list(listed) == [bodies["images/007 é+.bin"], bodies["images/003 é+.bin"]]
    ranges = S3ReaderConstructor.range_based(buffer_size=4096)
    where = {**where, "reader_constructor": ranges, "transform": lambda found: found.seek(9000) and found.read()}
    parts = S3MapDataset.from_objects(some, **where)
    assert parts[1] == bodies["images/003 é+.bin"][9000:]


if __name__ == "__main__":
    step, endpoint, bucket, directory = sys.argv[1:]
    given = {"region": os.environ["AWS_REGION"], "endpoint": endpoint, "s3client_config": S3ClientConfig(force_path_style=True)}
    globals()[step](given, bucket, pathlib.Path(directory))
