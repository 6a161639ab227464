"""Step cost: what fetching, showing, segmenting and scoring a case would cost now, line by line, before any of it.

For the calculator on the Resources page and for prices on buttons. Asks for headers where sums need them (4 KB each);
fetches, makes and begins nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from core.case import MODALITIES, TRUTH, CaseRef
from core.errors import HubNoHeader, ModalityAbsent
from core.imaging.header import Header
from core.imaging.windowing import presets
from core.resources.budget import SAFETY, Decision, advice, decide, decide_disk, size
from core.resources.cost import Step, cut_step, engine_step, fetch_step, sample_step, score_step, view_step
from core.resources.guard import Guard
from core.segmentation.engine import Engine, Value
from core.sources.protocol import Cancelled, Source, never
from core.sources.sample import sample_grid
from core.workflows.explore_case import costs_network

FITS, HERE, ABSENT = "fits", "already here", "not in this case"
UNKNOWN = "its size is not known before it is here"
BYTES_PER_S = 12.5e6  # a guess of the line: 100 Mbit/s
LARGE_LESIONS = 0.1  # of the voxels, both masks together: the real ones are counted before they are compared


@dataclass(frozen=True)
class CostLine:
    """One step of a case.

    Attributes:
        what: for the screen, e.g. "fetching DWI", "segmenting with diffusion".
        fetch_bytes: over the network; None when nobody knows, 0 when nothing is to be fetched.
        memory_mb, disk_mb: as the door counts them, with its safety margin and what was learnt here; None when unknown.
        seconds: rough; None when unknown.
        verdict: a sentence: "fits", "already here", or why not, with the numbers and what would help.
        fits: None when unknown.
    """

    what: str
    fetch_bytes: int | None
    memory_mb: float | None
    disk_mb: float | None
    seconds: float | None
    verdict: str
    fits: bool | None


def estimate(
    source: Source,
    case_id: str,
    names: Sequence[str],
    engine: Engine | None,
    guard: Guard,
    cancelled: Cancelled = never,
    parameters: Mapping[str, Value] | None = None,
) -> tuple[CostLine, ...]:
    """What these images cost to get and to draw here, then the engine's and the score's cost if one is named.

    Args:
        names: modalities; one that the case lacks is a line that says so.
        parameters: of the engine; its defaults where they are not said.

    Raises:
        CaseNotFound, HubError, BadVolume, FetchCancelled: as the source's `case` and `header`.
    """
    case = source.case(case_id, cancelled)
    wanted = tuple(dict.fromkeys((*names, *(engine.info.inputs if engine is not None else ()))))
    here = source.cached(case_id)
    lines: list[CostLine] = []
    made = set(wanted) & set(case.modalities or ()) - here if source.synthetic else set()
    if made:
        lines.append(priced(sample_step(sum(case.sizes.values())), guard, seconds=1.0))
    for name in wanted:
        header = _header(source, case, name, here, cancelled)
        if name not in made:
            lines.append(_getting(source, case, name, here, guard))
        if name in names and header is not None:
            lines += _showing(name, header, guard)
    if engine is not None:
        header = _header(source, case, engine.info.inputs[0], here, cancelled)
        lines += _segmenting(source, case, engine, engine.info.settle(parameters or {}), header, guard)
    return tuple(lines)


def priced(step: Step, guard: Guard, fetch_bytes: int | None = 0, seconds: float | None = None) -> CostLine:
    """A step with its sums as the door would make them now."""
    verdict, fits = judged(guard, step)
    needed = SAFETY * guard.admission.predict_mb(step)
    return CostLine(step.what, fetch_bytes, needed, step.disk_mb, seconds, verdict, fits)


def judged(guard: Guard, step: Step) -> tuple[str, bool]:
    """Whether the step would be let in now, in a sentence: "fits", or the numbers and what would help."""
    short = [decision for decision in guard.admission.check(step) if not decision.admitted]
    if not short:
        return FITS, True
    one = short[0]
    numbers = f"needs {size(one.needed_mb)} of {one.resource}, {size(one.free_mb)} is free of {size(one.limit_mb)}"
    return f"{numbers}: {advice(one, guard.helps())}", False


def hopeless(guard: Guard, step: Step) -> bool:
    """Whether not even an empty container of this size would let the step in."""
    return any(never_admitted(decision) for decision in guard.admission.check(step))


def never_admitted(decision: Decision) -> bool:
    """Whether a decision would be the same with nothing else in the container."""
    if decision.resource == "disk":
        return not decide_disk(decision.needed_mb, decision.limit_mb, decision.limit_mb).admitted
    return not decide(decision.needed_mb / SAFETY, 0.0, decision.limit_mb).admitted


def price(guard: Guard, step: Step) -> tuple[float, float]:
    """MB of RAM that a step needs, margin included, and MB that it may have: the sums of a refusal."""
    memory = guard.admission.check(step)[0]
    return memory.needed_mb, memory.free_mb


def _header(source: Source, case: CaseRef, name: str, here: frozenset[str], cancelled: Cancelled) -> Header | None:
    """What the image's header says; None where it cannot be known without getting, or making, the image."""
    if source.synthetic and name not in here:
        return None
    try:
        return source.header(case.case_id, name, cancelled)
    except (HubNoHeader, ModalityAbsent):
        return None


def _getting(source: Source, case: CaseRef, name: str, here: frozenset[str], guard: Guard) -> CostLine:
    what = f"fetching {MODALITIES[name].label}"
    if case.modalities is not None and name not in case.modalities:
        return CostLine(what, 0, None, None, None, ABSENT, None)
    if name in here or not costs_network(source):
        return CostLine(what, 0, 0.0, 0.0, 0.0, HERE, True)
    count = case.sizes.get(name)
    if count is None:
        return CostLine(what, None, None, None, None, UNKNOWN, None)
    return priced(fetch_step(count, what), guard, count, count / BYTES_PER_S)


def _showing(name: str, header: Header, guard: Guard) -> list[CostLine]:
    """One time point of a series is cut out first; the viewer itself costs the browser, the static view this app."""
    cut = [priced(cut_step(header.volume_bytes), guard)] if header.volumes > 1 else []
    auto = not any(one.low is not None for one in presets(name)[:1])
    step = view_step(prod(header.grid), auto=auto, adc=name == "adc")
    return [*cut, priced(replace(step, what=f"the static view of {MODALITIES[name].label}"), guard)]


def _segmenting(
    source: Source,
    case: CaseRef,
    engine: Engine,
    parameters: Mapping[str, Value],
    header: Header | None,
    guard: Guard,
) -> list[CostLine]:
    what = f"segmenting with {engine.info.name}"
    if case.modalities is not None and not set(engine.info.inputs) <= set(case.modalities):
        return [CostLine(what, 0, None, None, None, ABSENT, None)]
    if header is None and not source.synthetic:
        return [CostLine(what, 0, None, None, None, UNKNOWN, None)]
    voxels = prod(sample_grid()[0] if header is None else header.grid)
    needs = engine.needs(voxels, parameters)
    step = engine_step(engine.info.name, needs.memory_mb, voxels, scratch_mb=needs.disk_mb)
    lines = [priced(step, guard, seconds=needs.seconds)]
    if case.modalities is None or TRUTH in case.modalities:
        lines.append(priced(score_step(voxels, int(LARGE_LESIONS * voxels)), guard))
    return lines
