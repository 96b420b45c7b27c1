"""A finder goes on from a file: the network says at once what the file says, and learns on from there."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError, MismatchError
from facematch.faces.finder import read_finder, shipped_finder
from facematch.networks.finder import FinderNetwork, export_finder
from facematch.tasks.finder.begin import begin_from


def trained_a_little(width: int, seed: int) -> FinderNetwork:
    """A network whose norms have seen something, so that they are no identity."""
    torch.manual_seed(seed)
    network = FinderNetwork(width)
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.normal_(part.bias)
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(4, 3, 64, 64) * 2 - 1)
    return network


def said_by_file(file: Path, picture: torch.Tensor) -> list[np.ndarray]:
    model = read_finder(file)
    model.setInput(picture.numpy())
    return [np.asarray(each) for each in model.forward(["cells_8", "cells_16", "cells_32"])]


@given(width=st.sampled_from([8, 16]), seed=st.integers(0, 99))
@settings(max_examples=6, deadline=None)
def test_the_network_says_what_the_file_says(tmp_path_factory: pytest.TempPathFactory, width: int, seed: int) -> None:
    file = tmp_path_factory.mktemp("file") / "finder.onnx"
    export_finder(trained_a_little(width, seed), file)
    pictures = torch.rand(8, 3, 64, 64) * 2 - 1
    network = FinderNetwork(width).train()
    begin_from(network, file, pictures)
    assert network.training
    with torch.no_grad():
        learning = network(pictures)  # the norms measure this batch: the one they were given
        network.eval()
        other = torch.rand(1, 3, 96, 64) * 2 - 1
        used = network(other)
        seen = network(pictures[:1])
    for here, there in zip(used, said_by_file(file, other), strict=True):
        np.testing.assert_allclose(here.numpy(), there, atol=2e-3, rtol=1e-3)
    for here, there in zip(learning, seen, strict=True):
        np.testing.assert_allclose(here[:1].numpy(), there.numpy(), atol=0.1)  # running figures moved a little since


def test_the_shipped_finder_comes_back_from_its_file(tmp_path: Path) -> None:
    file = shipped_finder()
    if file is None:
        pytest.skip("the finder that comes with facematch is not here")
    network = FinderNetwork(64)
    begin_from(network, file, torch.rand(4, 3, 96, 96) * 2 - 1)
    export_finder(network, tmp_path / "again.onnx")
    picture = torch.rand(1, 3, 128, 96) * 2 - 1
    for again, before in zip(said_by_file(tmp_path / "again.onnx", picture), said_by_file(file, picture), strict=True):
        np.testing.assert_allclose(again, before, atol=1e-3, rtol=1e-3)


def test_another_width_and_other_files_are_said(tmp_path: Path) -> None:
    file = tmp_path / "finder.onnx"
    export_finder(FinderNetwork(8), file)
    with pytest.raises(MismatchError, match=r"finder\.init_from: .*: its last layer has 8 channels, not 16"):
        begin_from(FinderNetwork(16), file, torch.zeros(1, 3, 64, 64))
    (tmp_path / "half.onnx").write_bytes(file.read_bytes()[:2000])
    for broken in ("half.onnx", "none.onnx"):
        with pytest.raises(FacematchError, match=broken):
            begin_from(FinderNetwork(8), tmp_path / broken, torch.zeros(1, 3, 64, 64))
