"""`facematch sample`: photographs to rehearse with."""

from pathlib import Path

from facematch.core.console import progress, result, show_json


def sample_command(out: Path, seed: int, *, as_json: bool = False) -> None:
    """Write the sample data, unless it is there already, and print what it is."""
    from facematch.tasks.sample.placing import TRUTH
    from facematch.tasks.sample.plan import make_plan
    from facematch.tasks.sample.write import write_sample

    with progress("sample photographs", 1000) as step:
        written = write_sample(out, seed=seed, on_progress=lambda done, total: step(done * 1000 // max(1, total)))
    counts = make_plan(seed).counts
    if as_json:
        show_json({"out": str(out), **counts, "truth": str(out / TRUTH), "already_there": not written})
        return
    what = "written" if written else "already there"
    result(
        f"{what}: {counts['photos']} photos of {counts['people']} people in {out / 'faces'}, for training and "
        "validation"
    )
    result(
        f"  {counts['queries']} queries and {counts['gallery']} gallery photos of {counts['gallery_people']} other "
        f"people in {out / 'test_data'}"
    )
    result("  One real photograph of each person, varied: a rehearsal, not a benchmark.")
