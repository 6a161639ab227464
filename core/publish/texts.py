"""Texts: whether a text in a header could tell who somebody is, or when something was.

Knows what programs write there by themselves. Judges words, not meaning: a surname alone is only "free text".
"""

from __future__ import annotations

import re

_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DAY, _NUMBER = r"(0?[1-9]|[12]\d|3[01])", r"(0?[1-9]|1[0-2])"
_YEAR = r"(?:19(?:2[6-9]|[3-9]\d)|20\d\d)"  # BIDS moves dates that should not be known to 1925 and before
_DATES = re.compile(
    rf"(?<!\d)(?:{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)"
    rf"|{_YEAR}[-/._ ]{_NUMBER}[-/._ ]{_DAY}(?!\d)"
    rf"|{_DAY}[-/._]{_NUMBER}[-/._]{_YEAR}(?!\d)|{_NUMBER}[-/]{_DAY}[-/](?:{_YEAR}|\d\d)(?!\d)"
    rf"|{_DAY}/{_NUMBER}/\d\d(?!\d)|(?<![.v])(?:0[1-9]|[12]\d|3[01])[-.](?:0[1-9]|1[0-2])[-.]\d\d(?![\d.])"
    rf"|{_DAY}[-. ]*{_MONTH}[-. ,]*{_YEAR})"
    rf"|\b{_MONTH}[-. ]*{_DAY}\b[^a-z]{{0,16}}{_YEAR}",
    re.IGNORECASE,
)
_PEOPLE = re.compile(
    r"[^\W\d_]{2,}\^+[^\W\d_]|\b(patient|pat\.?name|surname|born|birth|dob|mrn|ssn|herr|frau|mme)\b[\s.:=_-]"
    r"|[\w.+-]+@[\w-]+\.\w|(?<![\d.])\d{6,}(?![\d.])",
    re.IGNORECASE,
)
_SURELY = re.compile(r"[^\W\d_]{2,}\^+[^\W\d_]|[\w.+-]{1,64}@[\w-]{1,64}\.\w")  # as DICOM writes a name; an address
_TITLE = re.compile(r"\b(Mr|Mrs|Ms|Dr|Prof)\b\.? ?[A-Z]")  # MR is a scanner, ms a unit
_PAIR = re.compile(r"([^\W\d_][\w'-]+), ?([^\W\d_][\w'-]*)( [^\W\d_]\.?)?")  # a surname and a name
_TWO = re.compile(r"([^\W\d_][\w'.-]*) ([^\W\d_][\w'.-]+)( [^\W\d_][\w'.-]+)?")  # a name and a surname
_TIME = re.compile(r"(?<![\d.])([01]\d|2[0-3]):?[0-5]\d:?[0-5]\d(\.\d+)?(?!\d)")
_FIELD = r"(TE|TR|TI|FA|PE|phase|mb|dwell|slice|echo|acc|grappa|b|bvalue|dir)[=:]\s*[-+.\w/]*"
_MACHINE = re.compile(
    rf"(?:\?\s*)?{_FIELD}([;, ]+{_FIELD})*[;,]?"
    r"|v?\d{1,4}(\.\d{1,4})*"
    r"|(fsl|fslutils|spm|ants|antsr?|itk|simpleitk|dcm2niix?|nibabel|freesurfer|mricron|mricrogl|afni|convert3d|c3d"
    r"|niftyreg|niftk|elastix|mrtrix|brainsuite|3d slicer|slicer|itk-snap|matlab|hd-bet|synthstrip|strokescope)"
    r"[-_ v.]*[\d.]*"
    r"|spm - [a-z0-9 ()*+/.-]{1,40}|strokescope; research use only"
    r"|v?[\d.]+ nifti-1 single file format"
    r"|dsr|none|n/?a|unknown|linear|gr[ae]y|hot|label|labels|mask|lesion|lesion mask|segmentation|brain|image|vector"
    r"|displacement|estimate|[ztf]map|[ztf]-?stat|probability|nifti",
    re.IGNORECASE,
)
_FIELD_TIME = re.compile(r"\b(acq)?time\s*[=:]\s*([01]\d|2[0-3]):?[0-5]\d:?[0-5]\d(\.\d+)?(?!\d);?", re.IGNORECASE)
_COMMIT = re.compile(r"(?<=\d)[:+][0-9a-f]{7,40}\s*$")  # of the program's source, behind its version


def judge(text: str) -> str | None:
    """The code of what is wrong with a text that was found in a header; None for nothing."""
    text = text.strip(" \t\r\n;,")
    bare = _COMMIT.sub("", _FIELD_TIME.sub("", text)).strip(" ;,")
    timed = bool(_FIELD_TIME.search(text)) or bool(_TIME.fullmatch(bare))
    if (code := named(bare)) is not None:
        return code
    if not bare or _MACHINE.fullmatch(bare) or _TIME.fullmatch(bare):
        return "header-time" if timed else None
    return "header-text"


def named(text: str) -> str | None:
    """The code if the text holds a person's name or number, or a date; None for other texts."""
    if holds_date(text):
        return "header-date"
    return "header-person" if may_name(text) else None


def may_name(text: str) -> bool:
    """Whether it reads like a person's name or number."""
    return _is_pair(_PAIR, text) or is_titled(text) or bool(_PEOPLE.search(_TIME.sub(" ", text)))


def surely_names(text: str) -> bool:
    """Whether it can be nothing but a person's name or address."""
    return bool(_SURELY.search(text))


def is_titled(text: str) -> bool:
    """Whether somebody is named with a title."""
    return bool(_TITLE.search(text))


def is_full_name(text: str) -> bool:
    """Whether it is two or three words with capitals, in a place where names are expected."""
    return _is_pair(_TWO, text)


def holds_date(text: str) -> bool:
    """Whether a date of 1926 or later stands in it."""
    return bool(_DATES.search(text))


def _is_pair(form: re.Pattern[str], text: str) -> bool:
    found = form.fullmatch(text.strip())
    return found is not None and found[1][0].isupper() and found[2][0].isupper()
