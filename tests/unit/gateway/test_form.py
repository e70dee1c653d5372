"""Forms however the network cuts them: the same fields and the same file, or an error; and never more memory than allowed."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dolmen.gateway.http.form import AFTER_BYTES_MAX, FIELDS_BYTES_MAX, FILE_BYTES_MAX, FormFile, FormReader
from dolmen.gateway.s3.fault import S3Fault

EXAMPLES = settings(max_examples=150, deadline=None)
BOUNDARY = "xYzZY"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


class Sent:
    """A request whose body comes in these pieces."""

    def __init__(self, pieces, content_type=TYPE, length=None):
        self.headers = {"content-type": content_type}
        size = sum(map(len, pieces)) if length is None else length
        if size is not False:
            self.headers["content-length"] = str(size)
        self._pieces = list(pieces)
        self.asked = 0

    async def receive_pieces(self):
        self.asked += 1
        return [memoryview(self._pieces.pop(0))] if self._pieces else None


def part(name, value, more=""):
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"


def encode(fields, file, after=(), file_name="f.txt", end=f"--{BOUNDARY}--\r\n"):
    out = [part(name, value.encode()) for name, value in fields]
    if file is not None:
        out.append(part("file", file, f'; filename="{file_name}"'))
    return b"".join([*out, *(part(name, value.encode()) for name, value in after), end.encode()])


def cut(body, places):
    edges = sorted({0, len(body), *(place % (len(body) + 1) for place in places)})
    return [body[start:end] for start, end in pairwise(edges)]


def finish(coroutine):
    """Its result; nothing here ever waits."""
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    return ended.value.value


def read(pieces, *, least=0, most=FILE_BYTES_MAX, **options):
    """(fields, file name, file) of a form."""

    async def run():
        form = FormReader(Sent(pieces, **options))
        await form.read_fields()
        body = FormFile(form, {}, least, most)
        data = bytearray()
        async for piece in body.pieces():
            data += piece
            body.update(piece)
        body.verify()
        assert len(data) <= body.length
        assert body.md5_hex() == hashlib.md5(data).hexdigest()
        return form.fields, form.file_name, bytes(data)

    return finish(run())


def refused(pieces, **options):
    with pytest.raises(S3Fault) as caught:
        read(pieces, **options)
    return caught.value


NAMES = st.text(st.sampled_from("abcKEY-_0é"), min_size=1, max_size=8).filter(lambda name: name.lower() != "file")
# Values and files full of what looks like the end of a part.
NEARLY = st.sampled_from(["\r\n", "--", BOUNDARY, f"\r\n--{BOUNDARY[:-1]}", f"--{BOUNDARY}", "\r", "\n", "-", "a", "é", ""])
TEXTS = st.lists(NEARLY, max_size=8).map("".join).filter(lambda text: f"\r\n--{BOUNDARY}" not in "\r\n" + text)
FORMS = st.tuples(
    st.lists(st.tuples(NAMES, TEXTS), max_size=4, unique_by=lambda pair: pair[0].lower()),
    TEXTS,
    st.lists(st.integers(0, 3000), max_size=8),
)


@EXAMPLES
@given(form=FORMS, after=st.lists(st.tuples(NAMES, TEXTS), max_size=2))
def test_any_division_gives_the_same_form(form, after):
    fields, file, places = form
    found = read(cut(encode(fields, file.encode(), after), places))
    assert found == ({name.lower(): value for name, value in fields}, "f.txt", file.encode())


@pytest.mark.parametrize("size", [0, 1, 5, 40])
def test_byte_by_byte(size):
    file = (f"\r\n--{BOUNDARY[:3]}" * 10).encode()[:size]
    body = encode([("key", "k"), ("acl", "")], file)
    assert read([body[index : index + 1] for index in range(len(body))]) == ({"key": "k", "acl": ""}, "f.txt", file)


@EXAMPLES
@given(form=FORMS, place=st.integers(0, 10_000))
def test_every_truncation_is_an_error(form, place):
    fields, file, places = form
    body = encode(fields, file.encode(), end=f"--{BOUNDARY}--")
    short = body[: place % len(body)]
    code = refused(cut(short, places), length=len(body)).code
    assert code in ("MalformedPOSTRequest", "InvalidArgument")
    assert refused(cut(short, places)).code in ("MalformedPOSTRequest", "InvalidArgument")


@EXAMPLES
@given(noise=st.binary(max_size=400), places=st.lists(st.integers(0, 400), max_size=4), before=st.booleans())
def test_noise_is_an_error(noise, places, before):
    """It may be a form by chance, never: these bytes hold no boundary, or no file."""
    pieces = cut((f"--{BOUNDARY}\r\n".encode() if before else b"") + noise, places)
    assert refused(pieces).code in ("MalformedPOSTRequest", "InvalidArgument", "MaxPostPreDataLengthExceeded")


@EXAMPLES
@given(form=FORMS, place=st.integers(0, 10_000), by=st.integers(1, 255))
def test_a_changed_byte_gives_another_form_or_an_error(form, place, by):
    """And nothing else: no surprise, no end that never comes."""
    fields, file, places = form
    body = bytearray(encode(fields, file.encode()))
    body[place % len(body)] ^= by
    try:
        found = read(cut(bytes(body), places))
    except S3Fault as fault:
        told = fault
    else:
        assert len(found) == 3
        return
    assert 400 <= told.status < 500


@pytest.mark.parametrize(
    ("given_name", "found"),
    [("a.txt", "a.txt"), ("C:\\\\x\\\\a.txt", "a.txt"), ("/x/a.txt", "a.txt"), ("..", ".."), ("a b", "a b"), ("é", "é"), ("", ""),
     ("a;b", "a;b"), ("a%22b", "a%22b")],
)  # fmt: skip
def test_names_of_files(given_name, found):
    assert read([encode([], b"x", file_name=given_name)])[1] == found


def test_a_file_without_a_name():
    body = b"--xYzZY\r\nContent-Disposition: form-data; name=file\r\n\r\nx\r\n--xYzZY--"
    assert read([body]) == ({}, "", b"x")


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "multipart/mixed; boundary=x", "multipart/form-data", "multipart/form-data; boundary="]
)
def test_content_types_that_are_none(kind):
    assert refused([encode([], b"x")], content_type=kind).code == "MalformedPOSTRequest"


@pytest.mark.parametrize(
    "kind", [f'multipart/form-data; boundary="{BOUNDARY}"', f"Multipart/Form-Data; charset=utf-8; boundary={BOUNDARY}"]
)
def test_content_types(kind):
    assert read([encode([], b"x")], content_type=kind)[2] == b"x"


def test_a_length_is_needed():
    assert refused([encode([], b"x")], length=False).code == "MissingContentLength"


@pytest.mark.parametrize(
    ("fields", "after", "code"),
    [
        ([("key", "a"), ("key", "b")], [], "InvalidArgument"),
        ([("key", "a"), ("KEY", "b")], [], "InvalidArgument"),
        ([], [("file", "another")], "IncorrectNumberOfFilesInPostRequest"),
        ([], [("FILE", "another")], "IncorrectNumberOfFilesInPostRequest"),
        ([("a", "x" * FIELDS_BYTES_MAX)], [], "MaxPostPreDataLengthExceeded"),
        ([(f"f{number}", "x") for number in range(400)], [], "MaxPostPreDataLengthExceeded"),
        ([], [("a", "x" * AFTER_BYTES_MAX)], "MalformedPOSTRequest"),
    ],
)
def test_forms_that_are_refused(fields, after, code):
    body = encode(fields, b"data", after)
    assert refused([body]).code == code
    assert refused(cut(body, range(0, len(body), 999))).code == code


@pytest.mark.parametrize("size", [-1, 0, 1])
def test_the_limit_of_the_fields(size):
    """All that comes before the file counts: values, names, headers, boundaries."""
    frame = len(encode([("a", "")], b"", end=""))
    # What is counted leaves out blanks behind colons, one for each of two headers, and counts the CR LF behind the file's data.
    body = encode([("a", "x" * (FIELDS_BYTES_MAX - frame + 2 + size))], b"data")
    if size <= 0:
        assert read([body])[2] == b"data"
    else:
        assert refused([body]).code == "MaxPostPreDataLengthExceeded"


@pytest.mark.parametrize("filler", [b"x", b"\r\n", b"--xYzZY\r\n"])
def test_fields_without_an_end_are_not_kept(filler):
    """A stranger who sends and sends is told soon."""
    pieces = [f"--{BOUNDARY}\r\n".encode() + b'Content-Disposition: form-data; name="a"\r\n\r\n', *[filler * 1000] * 1000]
    request = Sent(pieces)
    with pytest.raises(S3Fault):
        finish(FormReader(request).read_fields())
    assert request.asked < 30


def test_a_preamble_without_an_end():
    request = Sent([b"\r\n" * 4000] * 1000)
    with pytest.raises(S3Fault) as caught:
        finish(FormReader(request).read_fields())
    assert caught.value.code == "MaxPostPreDataLengthExceeded"
    assert request.asked < 10


@pytest.mark.parametrize(("least", "most", "size", "code"), [
    (0, 10, 10, None), (0, 10, 11, "EntityTooLarge"), (10, 20, 10, None), (10, 20, 9, "EntityTooSmall"), (0, 0, 0, None),
    (0, 0, 1, "EntityTooLarge"), (1, 1, 0, "EntityTooSmall"),
])  # fmt: skip
@pytest.mark.parametrize("after", [[], [("a", "x" * 500)]])
def test_ranges(least, most, size, code, after):
    body = encode([], b"x" * size, after)
    if code is None:
        assert read([body], least=least, most=most)[2] == b"x" * size
        return
    fault = refused(cut(body, range(0, len(body), 7)), least=least, most=most)
    assert fault.code == code
    assert dict(fault.fields)["MaxSizeAllowed" if code == "EntityTooLarge" else "MinSizeAllowed"] in (str(most), str(least))


@pytest.mark.parametrize(
    ("length", "least", "code"), [(FILE_BYTES_MAX + (1 << 20), 0, "EntityTooLarge"), (500, 1000, "EntityTooSmall")]
)
def test_lengths_that_cannot_be(length, least, code):
    """Told before the file is read."""

    async def run():
        request = Sent([encode([], b"x" * 100)], length=length)
        form = FormReader(request)
        await form.read_fields()
        asked = request.asked
        with pytest.raises(S3Fault) as caught:
            FormFile(form, {}, least, FILE_BYTES_MAX)
        assert (caught.value.code, request.asked) == (code, asked)

    finish(run())


def test_an_upper_bound_of_the_length():
    async def run(body):
        form = FormReader(Sent([body]))
        await form.read_fields()
        return FormFile(form, {}, 0, FILE_BYTES_MAX).length

    for fields in ([], [("key", "k")], [("a", "b" * 100), ("c", "d")]):
        for size in (0, 1, 1000):
            bound = finish(run(encode(fields, b"x" * size)))
            assert size <= bound <= size + 2 + 2 * (len(fields) + 1)  # a CR LF behind the end, blanks behind colons


def test_checksums_are_those_of_the_fields():
    async def run(headers):
        form = FormReader(Sent([encode([], b"data")]))
        await form.read_fields()
        body = FormFile(form, headers, 0, FILE_BYTES_MAX)
        async for piece in body.pieces():
            body.update(piece)
        body.verify()
        return body.checksum()

    assert finish(run({})).algorithm == "CRC64NVME"
    assert finish(run({"x-amz-sdk-checksum-algorithm": "SHA256"})).algorithm == "SHA256"
    with pytest.raises(S3Fault, match="BadDigest"):
        finish(run({"x-amz-checksum-crc32": "AAAAAA=="}))
    with pytest.raises(S3Fault, match="InvalidRequest"):
        finish(run({"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-sha1": "x"}))
