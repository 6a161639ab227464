"""The tests that every Source passes.

Subclass SourceContract in the source's own test file and give it a `source` fixture (and, where `example_case` is not
the first case of the listing, that one too).
"""

from __future__ import annotations

import dataclasses
import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from core.case import MODALITIES, CaseRef, check_case_id
from core.errors import CaseNotFound, FetchCancelled, ModalityAbsent
from core.imaging.nifti import Header, check_file, read_header
from core.sources.protocol import Progress, Source


class SourceContract:
    """What core/sources/protocol.py promises, for one source."""

    @pytest.fixture
    def source(self) -> Source:
        pytest.fail("a subclass gives the source under test")

    @pytest.fixture
    def example(self, source: Source) -> CaseRef:
        """A case with at least one image, its modalities known."""
        return source.case(source.listing().cases[0].case_id)

    def test_the_listing_is_sorted_and_its_ids_are_good(self, source: Source) -> None:
        listing = source.listing()
        ids = [case.case_id for case in listing.cases]
        assert ids and ids == sorted(set(ids)) and [check_case_id(i) for i in ids] == ids
        assert listing.source == source.spec and source.title
        assert source.listing() == listing

    def test_refresh_completes_the_listing(self, source: Source) -> None:
        seen: list[Progress] = []
        listing = source.refresh(seen.append)
        assert listing.complete and {c.case_id for c in listing.cases} == {c.case_id for c in source.listing().cases}
        for case in listing.cases:
            assert case.modalities is not None
            assert set(case.modalities) <= set(MODALITIES) and set(case.sizes) == set(case.modalities)
            assert list(case.modalities) == [name for name in MODALITIES if name in case.modalities]
            assert all(size > 0 for size in case.sizes.values())

    def test_a_case_is_as_the_refreshed_listing_says(self, source: Source, example: CaseRef) -> None:
        listed = {case.case_id: case for case in source.refresh().cases}[example.case_id]
        assert (listed.modalities, listed.clinical) == (example.modalities, example.clinical)

    def test_fetch_gives_verified_files(self, source: Source, example: CaseRef) -> None:
        assert example.modalities
        seen: list[Progress] = []
        fetched = source.fetch(example.case_id, example.modalities, seen.append)
        assert (fetched.case_id, set(fetched.files), fetched.absent) == (example.case_id, set(example.modalities), ())
        for file in fetched.files.values():
            check_file(file.path)
            content = file.path.read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)
            assert read_header(file.path).volumes >= 1
        assert all(0 <= p.done <= p.total for p in seen if p.total is not None)
        assert source.cached(example.case_id) >= set(example.modalities)

    def test_a_header_is_that_of_the_fetched_file(self, source: Source, example: CaseRef) -> None:
        assert example.modalities
        before = {name: source.header(example.case_id, name) for name in example.modalities}
        files = source.fetch(example.case_id, example.modalities).files
        for name, told in before.items():
            for header in (told, source.header(example.case_id, name)):
                same_header(header, read_header(files[name].path))

    def test_a_header_of_nothing_is_absent_or_not_found(self, source: Source, example: CaseRef) -> None:
        missing = [name for name in MODALITIES if name not in (example.modalities or ())]
        for name in [*missing, "no_such_image", "../dwi"]:
            with pytest.raises(ModalityAbsent) as caught:
                source.header(example.case_id, name)
            assert caught.value.hint
        for case_id in ("no-such-case", "../etc", ""):
            with pytest.raises(CaseNotFound):
                source.header(case_id, "dwi")

    def test_a_second_fetch_costs_nothing_and_gives_the_same(self, source: Source, example: CaseRef) -> None:
        assert example.modalities
        first = source.fetch(example.case_id, example.modalities[:1])
        again = source.fetch(example.case_id, example.modalities[:1])
        assert again.from_cache and (again.requests, again.bytes_fetched) == (0, 0)
        assert {n: f.sha256 for n, f in again.files.items()} == {n: f.sha256 for n, f in first.files.items()}

    def test_what_a_case_lacks_is_absent_and_no_error(self, source: Source, example: CaseRef) -> None:
        assert example.modalities
        missing = [name for name in MODALITIES if name not in example.modalities]
        fetched = source.fetch(example.case_id, [*missing, example.modalities[0]])
        assert set(fetched.absent) == set(missing) and set(fetched.files) == {example.modalities[0]}
        nothing = source.fetch(example.case_id, [])
        assert (nothing.files, nothing.absent) == ({}, ())

    @pytest.mark.parametrize("case_id", ["no-such-case", "../etc", "", "a/b"])
    def test_an_unknown_case_is_not_found(self, source: Source, case_id: str) -> None:
        for ask in (source.case, source.cached, lambda name: source.fetch(name, ["dwi"])):
            with pytest.raises(CaseNotFound) as caught:
                ask(case_id)
            assert caught.value.hint

    def test_a_cancelled_fetch_stops_and_the_next_one_works(self, source: Source, example: CaseRef) -> None:
        assert example.modalities
        if not set(example.modalities) <= source.cached(example.case_id):
            with pytest.raises(FetchCancelled):
                source.fetch(example.case_id, example.modalities, cancelled=lambda: True)
        for file in source.fetch(example.case_id, example.modalities).files.values():
            check_file(file.path)
            assert not list(Path(file.path).parent.glob(".*.part"))

    def test_a_cancelled_question_is_answered_or_stopped_and_spoils_no_later_one(
        self, source: Source, example: CaseRef
    ) -> None:
        listing = source.listing()
        for ask in (source.listing, lambda cancelled: source.case(example.case_id, cancelled)):
            with suppress(FetchCancelled):
                ask(cancelled=lambda: True)
        assert source.listing() == listing and source.case(example.case_id) == example

    def test_several_threads_may_ask_at_once(self, source: Source, example: CaseRef) -> None:
        names = list(example.modalities or ())
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda _: source.fetch(example.case_id, names), range(4)))
        assert len({tuple(sorted((n, f.sha256) for n, f in r.files.items())) for r in results}) == 1

    def test_check_answers_in_seconds_or_says_that_there_is_no_network(self, source: Source) -> None:
        seconds = source.check()
        assert seconds is None or 0 <= seconds < 5


def same_header(one: Header, other: Header) -> None:
    """Equal in every field."""
    assert one.affine.tolist() == other.affine.tolist()
    fields = [field.name for field in dataclasses.fields(Header) if field.name != "affine"]
    assert {name: getattr(one, name) for name in fields} == {name: getattr(other, name) for name in fields}
