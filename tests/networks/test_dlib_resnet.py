"""dlib's network: every weight of its file in its place, and the sums that dlib makes."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlib_file import dlib_file
from facematch.core.errors import FacematchError
from facematch.networks.dlib_resnet import SIDE, DlibResNet, _Block, read_dlib_resnet

PACKAGE = find_spec("face_recognition_models")


def convolved(x: np.ndarray, own: dict[str, np.ndarray], stride: int, edge: int) -> np.ndarray:
    """A 3×3 convolution (C×H×W) and the affine layer behind it, in loops over its places."""
    x = np.pad(x, ((0, 0), (edge, edge), (edge, edge)))
    side = own["weight"].shape[-1]
    down, across = ((length - side) // stride + 1 for length in x.shape[1:])
    made = np.empty((len(own["bias"]), down, across))
    for row in range(down):
        for column in range(across):
            window = x[:, row * stride : row * stride + side, column * stride : column * stride + side]
            made[:, row, column] = np.tensordot(own["weight"], window, 3) + own["bias"]
    return made * own["scale"][:, None, None] + own["shift"][:, None, None]


def added(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """dlib's add_prev: what is not there is 0."""
    made = np.zeros([max(sizes) for sizes in zip(one.shape, other.shape, strict=True)])
    for each in (one, other):
        made[: each.shape[0], : each.shape[1], : each.shape[2]] += each
    return made


def plainly(picture: np.ndarray, held: list[dict[str, np.ndarray]], last: np.ndarray) -> np.ndarray:
    """The network's 128 numbers of a picture (S×S×3), by numpy alone."""
    x = (picture.transpose(2, 0, 1) - np.array([122.782, 117.001, 104.298])[:, None, None]) / 256
    first, *rest = held
    x = np.maximum(convolved(x, first, 2, 0), 0)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2]
    x = windows.max((3, 4))
    halving = {3, 7, 10, 13}  # the first block of each level but the first
    for number in range(0, len(rest), 2):
        halves = number // 2 in halving
        made = np.maximum(convolved(x, rest[number], 2 if halves else 1, 0 if halves else 1), 0)
        made = convolved(made, rest[number + 1], 1, 1)
        if halves:
            even = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
            x = even.reshape(len(x), even.shape[1] // 2, 2, even.shape[2] // 2, 2).mean((2, 4))
        x = np.maximum(added(made, x), 0)
    return x.mean((1, 2)) @ last


def test_a_file_becomes_the_network_that_dlib_computes(dlib_weights: Path) -> None:
    _, held, last = dlib_file()
    picture = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3)).astype(np.float32)
    with torch.inference_mode():
        found = read_dlib_resnet(dlib_weights)(torch.from_numpy(picture).permute(2, 0, 1)[None])[0].numpy()
    wanted = plainly(picture, held, last)
    assert np.abs(wanted).max() > 0.01
    assert found == pytest.approx(wanted, abs=1e-4 * np.abs(wanted).max())


def test_a_block_that_halves_fills_up_with_zeros() -> None:
    torch.manual_seed(0)
    block = _Block(3, 5, halves=True)
    with torch.inference_mode():
        features = torch.randn(1, 3, 8, 8)
        made = block.two(torch.relu(block.one(features)))  # 3×3, beside means of 4×4
        found = block(features)
    beside = torch.nn.functional.avg_pool2d(features, 2)
    assert found.shape == (1, 5, 4, 4)
    assert torch.equal(found[:, :3, :3, :3], torch.relu(made[:, :3] + beside[:, :, :3, :3]))
    assert torch.equal(found[:, :3, 3], torch.relu(beside[:, :, 3]))
    assert not found[:, 3:, 3].any()


def test_there_are_29_convolutions_and_5_6_million_weights() -> None:
    weights = list(DlibResNet().parameters())
    assert len([each for each in weights if each.ndim == 4]) == 29
    assert 5_500_000 < sum(each.numel() for each in weights) < 5_700_000


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 200_000), at=st.integers(0, 400), byte=st.integers(0, 255))
def test_damage_is_one_error(dlib_weights: Path, tmp_path: Path, cut: int, at: int, byte: int) -> None:
    data = bytearray(dlib_weights.read_bytes()[:-cut] if cut else dlib_weights.read_bytes())
    data[at] = byte
    (tmp_path / "bad.dat").write_bytes(data)
    if cut > 2 or data[:at] + data[at + 1 :] != dlib_weights.read_bytes()[:at] + dlib_weights.read_bytes()[at + 1 :]:
        with pytest.raises(FacematchError, match=r"bad\.dat is damaged, or of another kind"):
            read_dlib_resnet(tmp_path / "bad.dat")


def test_what_is_no_network_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.dat").write_bytes(b"\x89PNG" * 100)
    with pytest.raises(FacematchError, match=r"embedder\.file: .*bad\.dat is damaged, or of another kind"):
        read_dlib_resnet(tmp_path / "bad.dat")


@pytest.mark.skipif(find_spec("dlib") is None or PACKAGE is None, reason="dlib and its weights are not installed")
def test_its_vectors_are_dlibs_own() -> None:
    import dlib

    assert PACKAGE is not None
    assert PACKAGE.submodule_search_locations
    path = Path(PACKAGE.submodule_search_locations[0]) / "models" / "dlib_face_recognition_resnet_model_v1.dat"
    chips = np.random.default_rng(4).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    theirs = np.array(dlib.face_recognition_model_v1(str(path)).compute_face_descriptor(list(chips)))
    with torch.inference_mode():
        found = read_dlib_resnet(path)(torch.from_numpy(chips).permute(0, 3, 1, 2).float()).numpy()
    assert found == pytest.approx(theirs, abs=2e-6)
