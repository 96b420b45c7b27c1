"""Benchmarks of training and of the start run, in a small size; what they check before timing holds."""

import re

import pytest
from test_benchmarks import ran

RATIO = r"\d+\.\d+ times faster \[\d+\.\d+–\d+\.\d+\], medians of 1"
SHARE = r"\d+\.\d{3} of the (bare step|bound) \[\d+\.\d{3}–\d+\.\d{3}\], medians of 1"


def test_the_triplet_loss_is_that_of_pytorch_metric_learning() -> None:
    pytest.importorskip("pytorch_metric_learning")
    out = ran("triplet_mining.py", "--batch", "32", "--dimensions", "16", "--rounds", "1")
    assert "32 embeddings of 16 float32 numbers, 4 photos of each of 8 identities, 2,688 valid triplets" in out
    agreed = re.findall(r"^(\S+): both agree: ([\d,]+) and ([\d,]+) triplets", out, re.MULTILINE)
    assert [mining for mining, *_ in agreed] == ["batch-all", "semi-hard"]
    assert all(ours == theirs != "0" for _, ours, theirs in agreed)
    assert re.findall(rf"^(\S+), forward and backward: .*{RATIO}", out, re.MULTILINE) == ["batch-all", "semi-hard"]


def test_the_loop_stands_beside_the_bare_step_and_the_bound() -> None:
    size = ("--backbone", "shufflenet_v2_x0_5", "--size", "32", "--images", "32", "--batch", "16", "--rounds", "1")
    out = ran("training_step.py", *size)
    assert re.search(r", (bf16|fp32), PyTorch", out)
    assert "shufflenet_v2_x0_5, 32 crops of 32×32, 2 batches of 16 an epoch" in out
    assert "the loop's batches are the sampler's crops, augmented by their seeds; the loss is finite" in out
    assert [match[1] for match in re.finditer(SHARE, out)] == ["bare step", "bound"]


def test_help_lists_every_command_and_stands_beside_the_import_of_torch() -> None:
    out = ran("start_up.py", "--rounds", "1")
    assert re.search(r"^the help ends with code 0 and lists all \d\d commands", out, re.MULTILINE)
    assert re.findall(r"^facematch (.+): .*a share of \d\.\d+ ", out, re.MULTILINE) == ["--help", "rank --help"]
