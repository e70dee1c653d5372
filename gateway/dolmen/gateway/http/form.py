"""A browser's form (multipart/form-data): a few bounded fields, then one file that is streamed.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from dolmen.gateway.http.body import Body, content_length
from dolmen.gateway.http.digests import CHECKSUM_DEFAULT, Digests, plan_digests
from dolmen.gateway.http.request import Request
from dolmen.gateway.s3.fault import S3Fault

FIELDS_BYTES_MAX = 20 * 1024  # AWS's limit of everything before the file
AFTER_BYTES_MAX = 20 * 1024  # of everything behind the file, which is read and ignored
FILE_BYTES_MAX = 5 * 1024**3  # S3's limit of one upload
PART_HEADERS_MAX = 16  # of one field; browsers send two
BOUNDARY_BYTES_MAX = 70  # RFC 2046
_ONE_FILE = "POST requires exactly one file upload per request."
_FILE = "file"


def malformed_form(message: str | None = None) -> S3Fault:
    """The body is no form as RFC 7578 has it."""
    return S3Fault("MalformedPOSTRequest", message)


class FormReader:
    """Reads the form of one request: first its fields, then (as ``FormFile``) its file."""

    def __init__(self, request: Request) -> None:
        """Raises MalformedPOSTRequest (no boundary), MissingContentLength, InvalidArgument."""
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not 0 < len(boundary) <= BOUNDARY_BYTES_MAX:
            raise malformed_form()
        length = content_length(request.headers, "content-length")
        if length is None:
            raise S3Fault("MissingContentLength")
        self.fields: dict[str, str] = {}  # lower-case names, in their order
        self.file_name: str | None = None  # as the browser gave it, without a path; None until the file has begun
        self._request = request
        self._length = length
        self._boundary_bytes = len(boundary)
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._take_header_name,
                "on_header_value": self._take_header_value,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._take_data,
                "on_part_end": self._part_ends,
                "on_end": self._form_ends,
            },
            max_header_count=PART_HEADERS_MAX,
            max_header_size=FIELDS_BYTES_MAX,
        )
        self._headers: dict[str, bytes] = {}
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._name = ""
        self._value = bytearray()
        self._pieces: list[memoryview] = []  # of the file, not yet given out
        self._in_file = False
        self._ended = False
        self._fed_bytes = 0
        self._before_bytes = 0  # what comes before the file's data, blanks not counted
        self._data_end = 0  # where the file's data ended in what is being parsed
        self._after_bytes = 0

    async def read_fields(self) -> None:
        """Up to the first byte of the file. Raises MaxPostPreDataLengthExceeded, MalformedPOSTRequest, InvalidArgument."""
        while self.file_name is None:
            if not await self._feed():
                raise S3Fault("InvalidArgument", _ONE_FILE, fields=(("ArgumentName", _FILE), ("ArgumentValue", "0")))
            if self.file_name is None and self._fed_bytes > FIELDS_BYTES_MAX:
                raise self._fields_too_long()

    @property
    def file_bytes_max(self) -> int:
        """The file has at most so many bytes, by the request's Content-Length."""
        return max(0, self._length - self._before_bytes - self._boundary_bytes - 4)  # --boundary-- closes the form

    @property
    def file_bytes_min(self) -> int:
        """The file has at least so many bytes, unless the form is refused."""
        return max(0, self.file_bytes_max - FIELDS_BYTES_MAX - AFTER_BYTES_MAX)

    async def file_pieces(self) -> AsyncIterator[memoryview]:
        """The file's bytes as they come; what follows the file is read and dropped.

        Raises MalformedPOSTRequest (the form has no end), IncorrectNumberOfFilesInPostRequest.
        """
        while True:
            pieces, self._pieces = self._pieces, []
            for piece in pieces:
                yield piece
            del pieces
            if not await self._feed():
                break
        for piece in self._pieces:
            yield piece
        if not self._ended:
            raise malformed_form()

    async def _feed(self) -> bool:
        """Parse what came next; False at the end of the body."""
        received = await self._request.receive_pieces()
        if received is None:
            return False
        for raw in received:
            data = bytes(raw)
            self._fed_bytes += len(data)
            self._data_end = 0
            try:
                self._parser.write(data)
            except FormParserError as error:
                raise malformed_form() from error
            if self.file_name is not None and not self._in_file:
                self._after_bytes += len(data) - self._data_end
                if self._after_bytes > AFTER_BYTES_MAX:
                    raise malformed_form("The form goes on for too long behind its file.")
        return True

    def _fields_too_long(self) -> S3Fault:
        return S3Fault(
            "MaxPostPreDataLengthExceeded", fields=(("MaxPostPreDataLengthBytes", str(FIELDS_BYTES_MAX)),)
        )

    def _count(self, size: int) -> None:
        if self.file_name is None:
            self._before_bytes += size
            if self._before_bytes > FIELDS_BYTES_MAX:
                raise self._fields_too_long()

    # -- what the parser calls ---------------------------------------------------------------------------------------------

    def _part_begins(self) -> None:
        self._headers = {}
        self._value.clear()
        self._count(self._boundary_bytes + 6)  # -- boundary CR LF, and the CR LF behind the part's data

    def _take_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]
        self._count(end - start)

    def _take_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]
        self._count(end - start)

    def _header_ends(self) -> None:
        name = self._header_name.decode("latin-1").lower()
        if name in self._headers:
            raise malformed_form()
        self._headers[name] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()
        self._count(3)

    def _headers_end(self) -> None:
        kind, options = parse_options_header(self._headers.get("content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise malformed_form()
        self._count(2)
        self._name = _text(options[b"name"]).lower()
        if self._name == _FILE:
            if self.file_name is not None:
                raise S3Fault("IncorrectNumberOfFilesInPostRequest")
            self.file_name = _base_name(_text(options.get(b"filename", b"")))
            self._in_file = True

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._pieces.append(memoryview(data)[start:end])
            self._data_end = end
        elif self.file_name is None:
            self._count(end - start)
            self._value += data[start:end]

    def _part_ends(self) -> None:
        if self._in_file:
            self._in_file = False
            return
        if self.file_name is not None:
            return  # behind the file: S3 ignores it
        if self._name in self.fields:  # which of them would the policy have meant?
            raise S3Fault(
                "InvalidArgument",
                "A field of the form is given more than once.",
                fields=(("ArgumentName", self._name), ("ArgumentValue", "")),
            )
        self.fields[self._name] = _text(bytes(self._value))

    def _form_ends(self) -> None:
        self._ended = True


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise malformed_form() from error


def _base_name(name: str) -> str:
    """Without the path that some browsers send along."""
    return name.replace("\\", "/").rpartition("/")[2]


class FormFile(Body):
    """The file of a form, as the body of an object. ``length`` is the most that it can have."""

    def __init__(self, form: FormReader, headers: Mapping[str, str], bytes_min: int, bytes_max: int) -> None:
        """``headers``: the form's fields, as headers of PutObject. ``bytes_min``, ``bytes_max``: what the policy allows.

        Raises EntityTooLarge and EntityTooSmall as far as the request's length tells already, and what ``plan_digests`` raises.
        """
        self._form = form
        self._bytes_min = bytes_min
        self._bytes_max = min(bytes_max, FILE_BYTES_MAX)
        self._trailers: Mapping[str, str] = {}
        self._for_object = True
        plan = plan_digests(headers, "")
        algorithm = plan.algorithm or headers.get("x-amz-sdk-checksum-algorithm", "").upper() or CHECKSUM_DEFAULT
        self._digests = Digests(plan, algorithm, True)
        self._received = 0
        if form.file_bytes_min > self._bytes_max:
            raise self._too_large(form.file_bytes_min)
        if form.file_bytes_max < bytes_min:
            raise self._too_small(form.file_bytes_max)
        self.length = min(form.file_bytes_max, self._bytes_max)

    async def pieces(self) -> AsyncIterator[memoryview]:
        """As ``Body.pieces``. Raises EntityTooLarge, EntityTooSmall, MalformedPOSTRequest and what a second file raises."""
        async for piece in self._form.file_pieces():
            self._received += len(piece)
            if self._received > self._bytes_max:
                raise self._too_large(self._received)
            if self._received > self.length:  # no room is left for the boundary that must close the form
                raise malformed_form()
            yield piece
        if self._received < self._bytes_min:
            raise self._too_small(self._received)

    def _too_large(self, size: int) -> S3Fault:
        return S3Fault("EntityTooLarge", fields=(("ProposedSize", str(size)), ("MaxSizeAllowed", str(self._bytes_max))))

    def _too_small(self, size: int) -> S3Fault:
        return S3Fault("EntityTooSmall", fields=(("ProposedSize", str(size)), ("MinSizeAllowed", str(self._bytes_min))))
