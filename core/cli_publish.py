"""The commands `publish …`: validate, plan, build, upload, verify, status, and run, which is all of it for a night.

The same workflow as the Publish page. Nothing here deletes a staging folder: the command that does is printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli_publish_words import (
    BandwidthOption,
    BytesOption,
    CheckedOption,
    CountsOption,
    CreateOption,
    DespiteOption,
    FilesOption,
    LicenceOption,
    LimitOption,
    PatienceOption,
    ProgressOption,
    PublicOption,
    ReadBackOption,
    ReplaceOption,
    RepoOption,
    ReportOption,
    RevisionOption,
    RollingOption,
    SampleOption,
    SchemaOption,
    SeedOption,
    SourceArgument,
    StagingOption,
    StepPatienceOption,
    WindowOption,
    how_of,
    plan_lines,
    status_lines,
    stopping,
    teller,
)
from core.cli_words import NOTICE, JsonOption, note, say
from core.settings import load_settings

publish_app = typer.Typer(no_args_is_help=True, help="Publish a dataset to the Hub, and prove that nothing was lost.")
ValidatedOption = Annotated[
    Path | None, typer.Option(help="a report of `publish validate --json`; believed if the source is the same")
]


@publish_app.command()
def validate(
    source: SourceArgument,
    schema: SchemaOption,
    sample: SampleOption = None,
    seed: SeedOption = 0,
    counts: CountsOption = True,
    licence: LicenceOption = None,
    staging: CheckedOption = None,
    progress: ProgressOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a source folder against its schema; exit 1 when it has errors."""
    from core.publish.report import as_markdown, verdict
    from core.workflows.publish_dataset import validate_source

    how = how_of(sample=sample, seed=seed, counts=counts, licence=licence)
    with stopping() as stopped:
        found = validate_source(source, schema.value, how, teller(), stopped, progress, staging)
    if staging is not None:
        note(f"the report is kept in {staging.expanduser().absolute()}: what is built and sent from there goes by it")
    say(found.payload(), as_json, lambda: iter([as_markdown(found.report).rstrip("\n"), "", NOTICE]))
    if not found.report.ok:
        note(f"error: {verdict(found.report).rstrip('.')}; mend what the report names, and validate again")
        raise typer.Exit(1)


@publish_app.command()
def plan(
    source: SourceArgument,
    schema: SchemaOption,
    repo: RepoOption,
    staging: StagingOption,
    revision: RevisionOption = "main",
    rolling: RollingOption = False,
    limit: LimitOption = None,
    window: WindowOption = None,
    bandwidth: BandwidthOption = None,
    licence: LicenceOption = None,
    sample: SampleOption = None,
    seed: SeedOption = 0,
    counts: CountsOption = True,
    as_json: JsonOption = False,
) -> None:
    """What publishing will make and take, against what the container has. Opens no image, asks nobody."""
    from core.workflows.publish_plan import as_json as payload_of
    from core.workflows.publish_plan import prospect

    how = how_of(
        rolling=rolling, window=window, bandwidth=bandwidth, licence=licence, sample=sample, seed=seed, counts=counts
    )
    to = _to(source, schema, repo, staging, revision, limit)
    with stopping() as stopped:
        told = payload_of(prospect(load_settings(), to, how, stopped))
    say(told, as_json, lambda: plan_lines(told))
    if not told["fits"]:
        note(f"it does not fit: {told['help']}")


@publish_app.command()
def build(
    source: SourceArgument,
    schema: SchemaOption,
    repo: RepoOption,
    staging: StagingOption,
    revision: RevisionOption = "main",
    rolling: RollingOption = False,
    limit: LimitOption = None,
    window: WindowOption = None,
    bandwidth: BandwidthOption = None,
    licence: LicenceOption = None,
    create: CreateOption = True,
    public: PublicOption = False,
    replace: ReplaceOption = False,
    despite: DespiteOption = None,
    patience: StepPatienceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build the shards into the staging folder; with --rolling send and free them as well, a few at a time."""
    from core.workflows.publish_dataset import build_staging

    how = how_of(
        rolling=rolling, window=window, bandwidth=bandwidth, licence=licence, create=create, public=public,
        replace=replace, despite=despite, patience=patience,
    )  # fmt: skip
    to = _to(source, schema, repo, staging, revision, limit)
    with stopping() as stopped:
        found = build_staging(load_settings(), to, how, teller(), stopped)
    _say_stepped(found, as_json)


@publish_app.command()
def upload(
    staging: StagingOption,
    bandwidth: BandwidthOption = None,
    licence: LicenceOption = None,
    create: CreateOption = True,
    public: PublicOption = False,
    replace: ReplaceOption = False,
    commit_files: FilesOption = 50,
    commit_bytes: BytesOption = None,
    despite: DespiteOption = None,
    patience: StepPatienceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send what the repository does not hold yet, and the dataset's card last."""
    from core.workflows.publish_dataset import upload_staging

    how = how_of(
        bandwidth=bandwidth, licence=licence, create=create, public=public, replace=replace, commit_files=commit_files,
        commit_bytes=commit_bytes, despite=despite, patience=patience,
    )  # fmt: skip
    with stopping() as stopped:
        found = upload_staging(load_settings(), staging, how, teller(), stopped)
    _say_stepped(found, as_json)


@publish_app.command()
def verify(
    staging: StagingOption,
    read_back: ReadBackOption = None,
    seed: SeedOption = 0,
    report: ReportOption = None,
    patience: StepPatienceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the repository with the staging folder's record, path by path; exit 0 only if everything is there."""
    from core.workflows.publish_dataset import verify_staging

    how = how_of(read_back=read_back, seed=seed, patience=patience)
    with stopping() as stopped:
        found = verify_staging(load_settings(), staging, how, teller(), stopped)
    _say_outcome(found, staging, report, as_json)


@publish_app.command()
def status(staging: StagingOption, as_json: JsonOption = False) -> None:
    """How a staging folder stands, also while another process works in it."""
    from core.workflows.publish_gone import as_json as payload_of
    from core.workflows.publish_gone import gone, lines
    from core.workflows.publish_status import status as look

    found = gone(staging)
    if found is not None:
        say(payload_of(found), as_json, lambda: lines(found))
        return
    _say_status(look(staging, compare=True), as_json)


@publish_app.command()
def run(
    source: SourceArgument,
    schema: SchemaOption,
    repo: RepoOption,
    staging: StagingOption,
    revision: RevisionOption = "main",
    rolling: RollingOption = False,
    limit: LimitOption = None,
    window: WindowOption = None,
    bandwidth: BandwidthOption = None,
    licence: LicenceOption = None,
    sample: SampleOption = None,
    seed: SeedOption = 0,
    counts: CountsOption = True,
    despite: DespiteOption = None,
    create: CreateOption = True,
    public: PublicOption = False,
    replace: ReplaceOption = False,
    commit_files: FilesOption = 50,
    commit_bytes: BytesOption = None,
    read_back: ReadBackOption = None,
    patience: PatienceOption = 12.0,
    validated: ValidatedOption = None,
    report: ReportOption = None,
    progress: ProgressOption = None,
    as_json: JsonOption = False,
) -> None:
    """All of it, for a night without anybody: validate, build, upload, verify. Run it again and it goes on."""
    from core.workflows.publish_night import publish

    how = how_of(
        rolling=rolling, window=window, bandwidth=bandwidth, licence=licence, sample=sample, seed=seed, counts=counts,
        despite=despite, create=create, public=public, replace=replace, commit_files=commit_files,
        commit_bytes=commit_bytes, read_back=read_back, patience=patience,
    )  # fmt: skip
    to = _to(source, schema, repo, staging, revision, limit)
    with stopping() as stopped:
        found = publish(load_settings(), to, how, teller(), stopped, validated=validated, progress=progress)
    _say_outcome(found, staging, report, as_json)


def _to(source: Path, schema: Any, repo: str, staging: Path, revision: str, limit: int | None) -> Any:
    """From where to where. Raises BadSource, BadPlan."""
    from core.publish.schema import schema_named
    from core.workflows.publish_ask import Publication

    if limit is not None and schema_named(schema.value).one_row_per_shard:
        note(f"--limit changes nothing: {schema.value} has a shard for every row")
    more = {} if limit is None else {"limit": limit}
    return Publication(source, schema.value, repo, staging, revision, **more)


def _say_stepped(found: Any, as_json: bool) -> None:
    if not found.validated:
        from core.workflows.publish_checked import command_for

        note(f"this source was not validated for this folder; this does it: {command_for(found.status)}")
    _say_status(found.status, as_json)


def _say_status(found: Any, as_json: bool) -> None:
    from core.workflows.publish_status import as_json as payload_of

    told = payload_of(found)
    say(told, as_json, lambda: status_lines(told))


def _say_outcome(outcome: Any, staging: Path, report: Path | None, as_json: bool) -> None:
    """What a verification found; exit 1 unless everything is there."""
    from core.publish.verify import as_text, cleanup_command, in_a_sentence, next_steps
    from core.workflows.publish_papers import keep_payload

    found, cleanup = outcome.found, cleanup_command(staging)
    if report is not None:
        keep_payload(report.expanduser().absolute(), outcome.payload)
    for path in (*outcome.kept, *([report] if report else [])):
        note(f"the report is kept in {path}")

    def lines() -> Iterator[str]:
        yield as_text(found, staging).rstrip("\n")

    say({**outcome.payload, "cleanup": cleanup if found.ok else None}, as_json, lines)
    if not found.ok:
        steps = " ".join(next_steps(found)).rstrip(".")
        note(f"error: {in_a_sentence(found)}; keep the staging folder. {steps}")
        raise typer.Exit(1)
    if as_json:
        note(f"the staging folder is not needed any more: {cleanup}")
