"""`facematch sample`: photographs to rehearse with."""

from dataclasses import asdict
from pathlib import Path

from facematch.core.console import progress, result, show_json


def sample_command(out: Path, seed: int, *, as_json: bool = False) -> None:
    """Write the sample data, unless it is there already, and say what it is."""
    from facematch.tasks.sample.write import write_sample

    with progress("sample photographs", 1000) as step:
        summary = write_sample(out, seed=seed, on_progress=lambda done, total: step(done * 1000 // max(1, total)))
    if as_json:
        show_json({**asdict(summary), "out": str(summary.out), "truth": str(summary.truth)})
        return
    what = "already there" if summary.already_there else "written"
    result(
        f"{what}: {summary.photos} photos of {summary.people} people in {out / 'faces'}, for training and validation"
    )
    result(
        f"  {summary.queries} queries and {summary.gallery} gallery photos of {summary.gallery_people} other people in "
        f"{out / 'test_data'}"
    )
    result("  One real photograph of each person, varied: a rehearsal, not a benchmark.")
