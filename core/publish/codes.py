"""Codes: every kind of trouble that a source tree can have, how bad it is, what it is called, what to do about it.

An error says that what would be published is wrong, incomplete or not the owner's to publish; a warning that a person
should look; a note that nothing need be done. Data only, in the order in which a report tells it.
"""

from __future__ import annotations

from core.publish.findings import Rule

_BACK = "bring the file back from the original"
_AGAIN = "export the image again"
_CLEAR = "clear the field and save the image again"
_ONE = "keep the right one"
_NULL = "its values will be null"
_NOTHING = "nothing, if that is meant"

_ERRORS = {
    "no-rows": ("no image that this schema knows", "check the folder and the schema"),
    "rows-count": ("{n} wrong number{s} of rows or subjects", "look for missing folders, or say that it is a part"),
    "column-count": ("{n} column{s} with a wrong number of images", "look for missing files, or say that it is a part"),
    "image-missing": ("{n} required image{s} missing", _BACK),
    "subject-twice": ("{n} subject{s} under two spellings", "keep one of the folders"),
    "misfiled": ("{n} image{s} in the folder of somebody else", "move the file, or rename it if its name is wrong"),
    "packed-twice": ("{n} image{s} both packed and unpacked", "keep one of the two"),
    "folder-unreadable": ("{n} folder{s} that cannot be read", "check the permissions"),
    "file-unreadable": ("{n} file{s} that cannot be read", "check the file and the disk"),
    "link-broken": ("{n} link{s} leading nowhere", "fetch the content first (datalad get, git annex get)"),
    "name-odd": ("{n} file name{s} that cannot be written as text", "rename the file"),
    "file-empty": ("{n} image{s} without bytes", _BACK),
    "header-bad": ("{n} image{s} with a header that cannot be read or true", _AGAIN),
    "nifti-2": ("{n} image{s} in NIfTI-2, which `datasets` cannot read", "save it as NIfTI-1, or leave it out"),
    "image-damaged": ("{n} image{s} cut off or damaged", _BACK),
    "file-changed": ("{n} file{s} changed since the folder was read", "check again when nobody writes there"),
    "grid-differs": ("{n} mask{s} on the grid of no image of the row", "resample the mask, or find the right file"),
    "header-person": ("{n} header text{s} like a person's name or number", _CLEAR),
    "header-date": ("{n} header text{s} with a date", _CLEAR),
    "extension-dicom": ("{n} image{s} with a DICOM header inside", "save the image without its extensions"),
    "column-person": ("{n} column{s} of the participants telling who they are", "take it out of participants.tsv"),
    "sidecar-person": ("{n} field{s} in sidecars naming a person", "clear it; the session's images may need it too"),
    "licence-freer": ("{n} licence{s} freer than the source's", "publish under the source's licence"),
    "table-unreadable": ("{n} table{s} that cannot be read", "open it in a spreadsheet program and save it again"),
    "table-large": ("{n} table{s} too large to be read", "take out what is not of these people or not published"),
    "table-conflict": ("{n} contradiction{s} within tables", _ONE),
    "table-twice": ("{n} table{s} there a second time", _ONE),
    "table-heading-twice": ("{n} heading{s} there twice", "rename one of them"),
    "participant-twice": ("{n} participant{s} with two lines", _ONE),
}
_WARNINGS = {
    "face": ("{n} image{s} that may show a face", "look in 3D, and deface it unless everybody agreed to be seen"),
    "header-text": ("{n} header{s} with free text", "read it, and clear the field if it says anything of a person"),
    "header-hidden": (
        "{n} header{s} with bytes that have no purpose",
        "save it with a program that clears them",
    ),
    "extension-text": ("{n} image{s} with notes of a program inside", "save the image without its extensions"),
    "gzip-name": ("{n} packed file{s} with another file name inside", "pack it again with gzip -n"),
    "sidecar-date": ("{n} field{s} in sidecars with a date, place or device", "clear it; sidecars are not published"),
    "column-names": (
        "{n} column{s} of the participants with texts like a person's name or number",
        "read it, and take it out if it names somebody",
    ),
    "column-date": ("{n} column{s} of the participants with dates", "replace them by ages or days since an event"),
    "column-text": ("{n} column{s} of the participants with free text", "read it, and take it out if it says too much"),
    "name-date": ("{n} image{s} with a date in the file name", "rename the file; its name is published with it"),
    "age-high": ("{n} row{s} with an age above 89", "many rules ask to give such ages as 90 or more"),
    "grid-other": ("{n} mask{s} on the grid of another image than its own", "look at them together"),
    "orientation": ("{n} image{s} without orientation", "export it again, so that left and right are known"),
    "image-same": ("{n} image{s} the same as in another row", "look whether one was copied under a wrong name"),
    "image-unused": ("{n} image{s} without a row", "rename it as the schema expects, or leave it"),
    "image-foreign": ("{n} file{s} of a kind that is not published", "convert images to NIfTI, or leave them"),
    "several-files": ("{n} image{s} left out of columns that hold one", "look which of them is meant"),
    "derivative-alone": ("{n} image{s} only there as derivatives, not published", "bring the original back"),
    "table-missing": ("{n} table{s} missing", _NULL),
    "table-alone": ("{n} subject{s} with tables and no images", "look for the images"),
    "table-heading": ("{n} heading{s} missing", _NULL),
    "table-cell": ("{n} cell{s} unlike their column", "correct it, or it will be null"),
    "table-range": ("{n} value{s} that cannot be", "look whether it is a mistake; it will be published as it is"),
    "table-uneven": ("{n} table{s} with lines of another length than the heading", "look for missing tabs"),
    "participants-missing": ("no table of participants", _NULL),
    "participant-missing": ("{n} participant{s} with images and without a line in the table", _NULL),
    "participant-nameless": ("{n} line{s} of the participants without a name", "give it one, or take it out"),
    "description-missing": (
        "{n} description{s} of the dataset missing",
        "add it, so that others understand",
    ),
    "json-unreadable": ("{n} JSON file{s} that cannot be read", "correct it"),
    "licence-unknown": (
        "{n} licence{s} missing or unknown",
        "name it in dataset_description.json, like CC0",
    ),
    "licence-differs": ("{n} licence{s} other than the source's", "ask the owner; the stricter one holds"),
    "file-special": ("{n} thing{s} neither file nor folder", "take it away"),
    "folder-circle": ("{n} link{s} back to a folder above", "take it away"),
}
_NOTES = {
    "counts-near": ("{n} count{s} a little off", "nothing, if the difference is known"),
    "participant-alone": ("{n} line{s} of the participants without images", _NOTHING),
    "image-spare": ("{n} image{s} that this schema knows and does not publish", "keep the source"),
    "words-null": ("{n} column{s} of numbers with words for nothing", "nothing, if they mean that; they will be null"),
    "words-kept": ("{n} column{s} of text with words that may mean nothing", "write n/a where they do; they are kept"),
    "table-spare": ("{n} table{s} not published", "keep the source"),
    "gzip-time": ("{n} packed file{s} with the time of packing inside", "nothing, or pack again with gzip -n"),
    "header-time": ("{n} text{s} with a time of day", "nothing, unless the day is known"),
    "face-unclear": ("{n} image{s} in which a face is neither found nor ruled out", "look in 3D"),
    "sampled": ("only a sample of the images was read to the end", "read all of them before you publish"),
}
RULES = {
    **{code: Rule("error", *said) for code, said in _ERRORS.items()},
    **{code: Rule("warning", *said) for code, said in _WARNINGS.items()},
    **{code: Rule("note", *said) for code, said in _NOTES.items()},
}
