"""What a file carries beside its image: texts, dates, notes of programs, names that gzip remembers."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.publish.findings import Trouble
from core.publish.look import Want, look
from core.publish.rows import FileRef, Listing
from core.publish.sidecars import check_sidecars
from core.publish.texts import judge
from core.publish.walk import walk
from tests.publish.trees import image, packed, put

NAME = "sub-01_T1w.nii.gz"


def troubles(tmp_path: Path, data: bytes, name: str = NAME) -> list[Trouble]:
    place = put(tmp_path, name, data)
    found = place.stat()
    return list(look(place, Want(FileRef(name, found.st_size, found.st_mtime_ns)), lambda _: None).troubles)


def codes(tmp_path: Path, data: bytes, name: str = NAME) -> list[str]:
    return [one.code for one in troubles(tmp_path, data, name)]


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "FSL5.0", "6.0.5:9e026117", "5.0.10", "spm - 3D normalized", "SPM12", "dcm2niix", "TE=30;phase=1",
        "?TR:2000.000 TE:30", "none", "Freesurfer", "ITK 5.3", "Lesion mask", "Strokescope; research use only",
        "nibabel", "TE=2.9;mb=6", "FSL6.0.7:90261170", "v1.0.20", "12.3.15",
    ],
)  # fmt: skip
def test_what_programs_write_by_themselves_is_nothing(text: str) -> None:
    assert judge(text) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DOE^JOHN", "header-person"),
        ("Doe, John", "header-person"),
        ("MÜLLER^HANS^^", "header-person"),
        ("patient: x", "header-person"),
        ("Mr. Smith", "header-person"),
        ("seen by Dr Roe", "header-person"),
        ("Siemens MR 1.5T", "header-text"),
        ("TE 30 ms, TR 2 s", "header-text"),
        ("brain, masked", "header-text"),
        ("mrn 48213377", "header-person"),
        ("0048213377", "header-person"),
        ("jane.roe@clinic.example", "header-person"),
        ("2015-03-12", "header-date"),
        ("20150312", "header-date"),
        ("scan 12.03.2015", "header-date"),
        ("12.03.15", "header-date"),
        ("3/12/2015", "header-date"),
        ("12-Mar-2015", "header-date"),
        ("March 12, 2015", "header-date"),
        ("Thu Mar 12 14:01:22 2015", "header-date"),
        ("TE=30;Time=20150312", "header-date"),
        ("TE=83;Time=115403.000;phase=1", "header-time"),
        ("11:54:03", "header-time"),
        ("Time=115403.000", "header-time"),
        ("Philips Healthcare", "header-text"),
        ("second try, motion", "header-text"),
        ("1900-01-01", "header-text"),
    ],
)
def test_texts_that_may_tell_something(text: str, code: str) -> None:
    assert judge(text) == code


@given(st.text(max_size=80))
def test_every_text_is_judged(text: str) -> None:
    assert judge(text) in (None, "header-time", "header-text", "header-date", "header-person")


def test_a_plain_image_has_no_trouble(tmp_path: Path) -> None:
    assert troubles(tmp_path, packed(image())) == []
    assert troubles(tmp_path, image(), "a.nii") == []


@pytest.mark.parametrize("field", ["descrip", "aux_file", "db_name", "intent_name"])
def test_every_text_field_is_read_and_never_quoted(tmp_path: Path, field: str) -> None:
    (found,) = troubles(tmp_path, packed(image(texts={field: b"DOE^JOHN"})))
    assert (found.code, found.detail) == ("header-person", f"{field}: “XXX^XXXX”")
    (found,) = troubles(tmp_path, packed(image(texts={field: b"x\0\0DOE^JOHN"})))[-1:]
    assert found.code == "header-person" and found.detail.startswith(f"behind {field}")
    assert codes(tmp_path, packed(image(texts={field: b"FSL\0\1\2rest"}))) == ["header-hidden"]


def test_what_an_old_program_left_behind_its_own_name_is_nothing(tmp_path: Path) -> None:
    assert codes(tmp_path, packed(image(texts={"descrip": b"FSL3.3\0 v2.25 NIfTI-1 Single file format"}))) == []


def test_both_byte_orders_and_the_second_nifti_are_read(tmp_path: Path) -> None:
    for kind in (nib.Nifti1Image, nib.Nifti2Image):
        for order in "<>":
            header = kind.header_class(endianness=order)  # type: ignore[no-untyped-call]
            made = kind(np.zeros((4, 4, 4), "int16"), np.eye(4), header)  # type: ignore[no-untyped-call]
            made.header["descrip"] = b"2015-03-12"
            made.header.extensions.append(nib.nifti1.Nifti1Extension(6, b"for DOE^JOHN"))
            found = set(codes(tmp_path, packed(made.to_bytes()))) - {"nifti-2"}
            assert found == {"header-date", "header-person"}


@pytest.mark.parametrize(
    ("code", "content", "expected"),
    [
        (2, b"anything", ["extension-dicom"]),
        (0, bytes(128) + b"DICM" + bytes(20), ["extension-dicom"]),
        (6, b"made by a program", ["extension-text"]),
        (4, b"<AFNI_attributes>user@host.example: Tue Jan  5 12:00:00 2016", ["header-date"]),
        (6, b"for DOE^JOHN", ["header-person"]),
        (16, b"\x80\x04}q\x00.", ["extension-text"]),
        (20, bytes(16) + b"\1\2\3\4", []),
        (6, bytes(24), []),
    ],
)
def test_extensions(tmp_path: Path, code: int, content: bytes, expected: list[str]) -> None:
    assert codes(tmp_path, packed(image(extensions=[(code, content)]))) == expected
    several = image(extensions=[(20, bytes(8)), (code, content)])
    assert codes(tmp_path, packed(several)) == expected


def test_bytes_between_header_and_image_are_told(tmp_path: Path) -> None:
    raw = image()
    gap = raw[:108] + np.float32(400).tobytes() + raw[112:348] + bytes(4) + b"left here" + bytes(39) + raw[352:]
    assert codes(tmp_path, packed(gap)) == ["header-hidden"]
    for size in (-1, 7, 4000):  # extensions that cannot be
        said = (
            b"\1\0\0\0" + size.to_bytes(4, "little", signed=True) + (6).to_bytes(4, "little") + b"left here" + bytes(31)
        )
        broken = raw[:108] + np.float32(400).tobytes() + raw[112:348] + said + raw[352:]
        assert codes(tmp_path, packed(broken)) == ["header-hidden"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sub-01_T1w.nii", []),
        ("/data/sub-01_T1w.nii", []),
        ("scan7.nii", ["gzip-name"]),
        ("DOE^JOHN.nii", ["header-person"]),
    ],
)
def test_the_name_that_gzip_remembers(tmp_path: Path, name: str, expected: list[str]) -> None:
    out = io.BytesIO()
    with gzip.GzipFile(name, "wb", fileobj=out, mtime=0) as stream:
        stream.write(image())
    member = out.getvalue().replace(
        name.rpartition("/")[2].removesuffix(".gz").encode() + b"\0", name.encode() + b"\0", 1
    )
    assert codes(tmp_path, member) == expected
    assert codes(tmp_path, gzip.compress(image(), mtime=1_500_000_000)) == ["gzip-time"]


def sidecars(root: Path) -> set[tuple[str, str]]:
    listing: Listing = walk(root)[0]
    return {(one.code, one.detail) for one in check_sidecars(listing, lambda: None)}


def test_sidecars_that_tell_who_when_and_where(tmp_path: Path) -> None:
    said = {
        "PatientName": "Doe^John",
        "PatientID": "anonymous",
        "PatientBirthDate": "",
        "AcquisitionDateTime": "2015-03-12T11:54:03",
        "StudyDate": "19000101",
        "AcquisitionTime": "11:54:03.0",
        "InstitutionName": "A clinic",
        "RepetitionTime": 2.0,
        "global": {"const": {"PatientID": 4711}},
    }
    put(tmp_path, "sub-1/sub-1_bold.json", json.dumps(said))
    put(tmp_path, "sub-1/broken.json", "{")
    put(tmp_path, "sub-1/deep.json", "[" * 100_000)
    put(tmp_path, "dataset_description.json", json.dumps({"InstitutionName": "said on purpose"}))
    put(tmp_path, "sub-1/sub-1_scans.tsv", "filename\tacq_time\na\t2015-03-12T11:54:03\nb\t1925-03-12T11:54:03\n")
    put(tmp_path, "sub-2/sub-2_scans.tsv", "filename\tacq_time\na\t1925-03-12T11:54:03\n")
    assert sidecars(tmp_path) == {
        ("sidecar-person", "PatientName: “Xxx^Xxxx”"),
        ("sidecar-person", "PatientID: “9999”"),
        ("sidecar-date", "AcquisitionDateTime: “9999-99-99X99:99:99”"),
        ("header-time", "AcquisitionTime: “99:99:99.9”"),
        ("sidecar-date", "InstitutionName: “X xxxxxx”"),
        ("sidecar-date", "acq_time"),
        ("json-unreadable", ""),
    }
