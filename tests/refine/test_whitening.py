"""Whitening against scikit-learn's PCA, its law, its file."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.ranking.embeddings import Embeddings
from facematch.refine.whitening import fit_whitening, load_whitening


def embeddings(count: int, dimensions: int = 6, seed: int = 0, made: str = "net") -> Embeddings:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, dimensions)) @ rng.normal(size=(dimensions, dimensions)) + 3
    return Embeddings(
        tuple(f"p{i}" for i in range(count)), vectors.astype(np.float32), "euclidean", Fingerprint({"network": made})
    )


@pytest.mark.parametrize(("photos", "components"), [(50, 6), (50, 3), (4, 3)])
def test_equals_scikit_learns_whitened_components(photos: int, components: int) -> None:
    fitted_on, side = embeddings(photos), embeddings(9, seed=1)
    ours = fit_whitening(fitted_on).apply(side, components).vectors
    # Variances over N − 1 on both sides; signs of directions are free.
    theirs = PCA(components, whiten=True, svd_solver="full").fit(fitted_on.vectors).transform(side.vectors)
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    assert ours @ ours.T == pytest.approx(theirs @ theirs.T, abs=2e-3)


def test_the_photos_it_was_fitted_on_have_even_spread() -> None:
    fitted_on = embeddings(2000)
    whitening = fit_whitening(fitted_on)
    turned = (fitted_on.vectors - whitening.mean) @ whitening.directions / np.sqrt(whitening.variances)
    assert np.cov(turned, rowvar=False) == pytest.approx(np.eye(6), abs=1e-2)
    assert (np.diff(whitening.variances) <= 0).all()


def test_no_power_and_all_directions_keep_all_angles_about_the_mean() -> None:
    side = embeddings(20)
    kept = fit_whitening(side).apply(side, power=0).vectors
    centred = side.vectors - side.vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    assert kept @ kept.T == pytest.approx(centred @ centred.T, abs=1e-4)


def test_few_photos_leave_directions_without_spread_out() -> None:
    whitening = fit_whitening(embeddings(4))
    assert whitening.useful == 3
    assert whitening.apply(embeddings(5, seed=2)).vectors.shape == (5, 3)
    assert np.isfinite(fit_whitening(embeddings(5, seed=3)).apply(embeddings(2)).vectors).all()
    same = Embeddings(("a", "b"), np.ones((2, 3), np.float32), "euclidean", Fingerprint())
    assert np.isfinite(fit_whitening(same).apply(same).vectors).all()


def test_whitened_and_plain_embeddings_never_meet() -> None:
    side = embeddings(20)
    whitening = fit_whitening(side)
    assert whitening.apply(side).fingerprint.difference(side.fingerprint) is not None
    assert whitening.apply(side, 3).fingerprint.difference(whitening.apply(side, 4).fingerprint) is not None
    with pytest.raises(FacematchError, match="network is 'other' in the embeddings and 'net' in the whitening"):
        whitening.apply(embeddings(3, made="other"))


def test_one_photo_is_too_few() -> None:
    with pytest.raises(FacematchError, match="training people; there are 1"):
        fit_whitening(embeddings(1))


def test_saved_and_loaded_is_equal(tmp_path: Path) -> None:
    whitening = fit_whitening(embeddings(30))
    whitening.save(tmp_path / "w.safetensors")
    again = load_whitening(tmp_path / "w.safetensors")
    assert again.digest == whitening.digest
    assert (again.photos, again.fingerprint) == (30, whitening.fingerprint)
    assert (again.apply(embeddings(5)).vectors == whitening.apply(embeddings(5)).vectors).all()


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(FacematchError, match="does not exist") as caught:
        load_whitening(path)
    assert "facematch tune" in caught.value.hint
    fit_whitening(embeddings(30)).save(path)
    data = path.read_bytes()
    path.write_bytes(data[:-7])
    with pytest.raises(FacematchError, match="cut short"):
        load_whitening(path)
    path.write_bytes(b"")
    with pytest.raises(FacematchError, match="not a whole"):
        load_whitening(path)
    embeddings(3).save(path)
    with pytest.raises(FacematchError, match="its format is 'facematch embeddings 1'"):
        load_whitening(path)
