"""What cells learn, and that the loss is least where they say just that."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.faces.finder import decoded
from facematch.networks.finder import CHANNELS, STRIDES
from facematch.tasks.finder.loss import cells, finder_loss, targets_of
from facematch.tasks.finder.scenes import Scene

SIDE = 128
CENTRES, STEPS = cells(SIDE)


def scene(boxes: list, unknown: list | None = None) -> Scene:
    rows = np.array(boxes, np.float32).reshape(-1, 4)
    middle, side = (rows[:, :2] + rows[:, 2:]) / 2, rows[:, 2:] - rows[:, :2]
    offsets = np.array([[-0.2, -0.1], [0.2, -0.1], [0, 0.1], [-0.15, 0.3], [0.15, 0.3]], np.float32)
    points = middle[:, None] + offsets * side[:, None]
    return Scene(
        np.zeros((SIDE, SIDE, 3), np.uint8),
        rows,
        points.astype(np.float32),
        np.array(unknown or [], np.float32).reshape(-1, 4),
    )


def perfect(one: Scene) -> list[torch.Tensor]:
    """The maps that say what `one` holds, at the cells that should."""
    targets = targets_of(one, CENTRES, STEPS)
    values = torch.zeros(len(CENTRES), CHANNELS)
    values[:, 0] = -12
    for cell in torch.nonzero(targets.face >= 0).flatten().tolist():
        box, points = one.boxes[targets.face[cell]], one.points[targets.face[cell]]
        centre, step = CENTRES[cell].numpy(), float(STEPS[cell])
        values[cell, 0] = 12
        values[cell, 1:3] = torch.from_numpy(np.log((centre - box[:2]) / step))
        values[cell, 3:5] = torch.from_numpy(np.log((box[2:] - centre) / step))
        values[cell, 5:] = torch.from_numpy(((points - centre) / step).ravel())
    counts = [(SIDE // stride) ** 2 for stride in STRIDES]
    return [
        part.T.reshape(1, CHANNELS, SIDE // stride, SIDE // stride)
        for part, stride in zip(values.split(counts), STRIDES, strict=True)
    ]


def test_cells_are_the_middles_of_their_squares() -> None:
    assert len(CENTRES) == 16 * 16 + 8 * 8 + 4 * 4
    assert CENTRES[0].tolist() == [4, 4]
    assert CENTRES[1].tolist() == [12, 4]
    assert CENTRES[256].tolist() == [8, 8]
    assert STEPS[-1] == 32


faces = st.tuples(st.floats(10, 110), st.floats(20, 100), st.floats(20, 100)).map(
    lambda at: [at[1] - at[0] / 2, at[2] - at[0] / 2, at[1] + at[0] / 2, at[2] + at[0] / 2]
)


@given(faces)
def test_every_face_is_learned_by_a_cell_in_its_middle(box: list[float]) -> None:
    targets = targets_of(scene([box]), CENTRES, STEPS)
    learns = torch.nonzero(targets.face == 0).flatten()
    assert len(learns)
    for cell in learns.tolist():
        x, y = CENTRES[cell].tolist()
        assert box[0] < x < box[2]
        assert box[1] < y < box[3]
    assert targets.counts[learns].all()


@given(faces)
@settings(max_examples=40)
def test_what_is_learned_is_what_is_decoded(box: list[float]) -> None:
    one = scene([box])
    found = decoded([each[0].numpy() for each in perfect(one)], SIDE, 0.5)
    assert len(found) == 1
    assert [found[0].x, found[0].y, found[0].x + found[0].width, found[0].y + found[0].height] == pytest.approx(
        box, abs=0.02
    )
    assert np.array(found[0].points) == pytest.approx(one.points[0], abs=0.02)


def test_saying_just_that_costs_nothing_and_all_else_more() -> None:
    one = scene([[20, 20, 70, 70], [90, 90, 104, 104]])
    maps = perfect(one)
    least, parts = finder_loss(maps, [one], CENTRES, STEPS)
    assert float(least) < 1e-3
    assert set(parts) == {"score", "box", "points"}
    rng = torch.Generator().manual_seed(1)
    for channel, part in ((0, "score"), (2, "box"), (8, "points")):
        moved = [each.clone() for each in maps]
        for each in moved:
            each[:, channel] += (10 if part == "score" else 1) * torch.randn(each[:, channel].shape, generator=rng)
        _, other = finder_loss(moved, [one], CENTRES, STEPS)
        assert other[part] > parts[part] + 1e-4


def test_the_smaller_of_two_faces_is_learned_where_both_lie() -> None:
    targets = targets_of(scene([[30, 30, 70, 70], [44, 44, 56, 56]]), CENTRES, STEPS)
    at = (CENTRES - 50).abs().amax(1).argmin()
    assert targets.face[at] == 1


def test_an_unknown_place_does_not_count() -> None:
    targets = targets_of(scene([], [[40, 40, 80, 80]]), CENTRES, STEPS)
    inside = ((CENTRES > 40) & (CENTRES < 80)).all(1)
    assert not targets.counts[inside].any()
    assert targets.counts[~inside].all()
    assert (targets.face == -1).all()


def test_a_scene_without_faces_teaches_scores_alone() -> None:
    maps = [torch.randn(2, CHANNELS, SIDE // stride, SIDE // stride, requires_grad=True) for stride in STRIDES]
    loss, parts = finder_loss(maps, [scene([]), scene([])], CENTRES, STEPS)
    loss.backward()
    assert parts["box"] == 0
    assert parts["points"] == 0
    assert all(each.grad[:, 0].abs().sum() > 0 and each.grad[:, 1:].abs().sum() == 0 for each in maps)
