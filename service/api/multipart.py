"""A multipart form read chunk by chunk: file parts go to the scratch folder, hashed as they come, fields to memory."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Final

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from service.errors import Problem

MAX_FIELDS: Final = 64
MAX_FIELD_BYTES: Final = 16 * 2**10


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """One file part, whole, in the scratch folder."""

    path: Path
    filename: str | None
    size_bytes: int
    sha256: str


@dataclass(slots=True)
class ReceivedForm:
    """Fields in the order they came, and the parts named `file`."""

    values: dict[str, list[str]] = field(default_factory=dict)
    files: list[UploadedFile] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Bytes of the whole body, and how many files it may bring."""

    body_bytes: int
    files: int


class FormReader:
    """Takes the body of a multipart form chunk by chunk; file parts go to disk, fields into memory.

    `close` must be called in the end. Files are named `{stem}-{n}` in `folder`.
    """

    def __init__(self, boundary: bytes, folder: Path, stem: str, limits: BodyLimits) -> None:
        self.form = ReceivedForm()
        self.paths: list[Path] = []
        self._folder, self._stem, self._limits = folder, stem, limits
        self._n_fields = 0
        self._whole = False
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._disposition = b""
        self._name = ""
        self._text: bytearray | None = None
        self._sink: IO[bytes] | None = None
        self._filename: str | None = None
        self._size = 0
        self._hash = hashlib.sha256()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda chunk, start, end: self._header[0].extend(chunk[start:end]),
                "on_header_value": lambda chunk, start, end: self._header[1].extend(chunk[start:end]),
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body.

        Raises:
            Problem: not multipart, or a limit is broken.
        """
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise Problem(400, "malformed_body", f"the body is no multipart form: {error}") from error

    def finish(self) -> ReceivedForm:
        """The form, after the last byte.

        Raises:
            Problem: the body ended before its closing boundary.
        """
        if not self._whole:
            raise Problem(400, "malformed_body", "the body ends before its closing boundary: send it whole")
        return self.form

    def close(self) -> None:
        """Close what is open and remove what is still in the scratch folder."""
        if self._sink is not None:
            self._sink.close()
        for path in self.paths:
            path.unlink(missing_ok=True)

    def _begin(self) -> None:
        self._disposition = b""
        self._text = self._sink = self._filename = None

    def _header_end(self) -> None:
        if bytes(self._header[0]).lower() == b"content-disposition":
            self._disposition = bytes(self._header[1])
        self._header = (bytearray(), bytearray())

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise Problem(400, "malformed_body", "a part has no name: each part needs a Content-Disposition with one")
        self._name = options[b"name"].decode("utf-8", "replace")
        # A part named `file` is one, with or without a file name: taken for text, a picture would be "not UTF-8".
        if self._name == "file" or b"filename" in options:
            self._begin_file(options.get(b"filename", b""))
        else:
            self._begin_field()

    def _begin_field(self) -> None:
        self._n_fields += 1
        if self._n_fields > MAX_FIELDS:
            raise Problem(413, "too_many_fields", f"the form has more than {MAX_FIELDS} fields: leave some out")
        self._text = bytearray()

    def _begin_file(self, filename: bytes) -> None:
        if self._name != "file":
            raise Problem(
                422,
                "invalid_field",
                f"{self._name[:100]!r} brings a file, and only `file` may: rename it",
                field=self._name[:100],
            )
        if len(self.paths) >= self._limits.files:
            raise Problem(
                413, "too_many_files", f"this route takes {self._limits.files} file(s) a request: send the others apart"
            )
        self._filename = clean_filename(filename.decode("utf-8", "replace"))
        path = self._folder / f"{self._stem}-{len(self.paths)}"
        self.paths.append(path)
        self._sink = path.open("wb")
        self._size, self._hash = 0, hashlib.sha256()

    def _part_data(self, chunk: bytes, start: int, end: int) -> None:
        piece = chunk[start:end]
        if self._sink is not None:
            # A page-cache write of at most 64 KiB: shorter than handing it to a thread.
            self._sink.write(piece)
            self._hash.update(piece)
            self._size += len(piece)
        elif self._text is not None:
            self._text += piece
            if len(self._text) > MAX_FIELD_BYTES:
                raise Problem(
                    413, "field_too_large", f"{self._name[:100]} is longer than {MAX_FIELD_BYTES} bytes: shorten it"
                )

    def _part_end(self) -> None:
        if self._sink is not None:
            self._sink.close()
            digest = self._hash.hexdigest()
            self.form.files.append(UploadedFile(self.paths[-1], self._filename, self._size, digest))
            self._sink = None
        elif self._text is not None:
            self.form.values.setdefault(self._name, []).append(utf8(self._name, bytes(self._text)))

    def _end(self) -> None:
        self._whole = True


def clean_filename(name: str) -> str | None:
    """The last part of a client's file name, printable, at most 255 characters; kept as text, never used as a path."""
    last = PurePosixPath(PureWindowsPath(name).name).name
    return "".join(letter for letter in last if letter.isprintable())[:255] or None


def utf8(name: str, text: bytes) -> str:
    """The text of a field.

    Raises:
        Problem: it is not UTF-8.
    """
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise Problem(422, "invalid_field", f"{name[:100]} is not UTF-8: send text as UTF-8") from error
