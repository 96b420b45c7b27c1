"""What an exported file says about itself: read back without onnx, and held against the settings."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.embedders.onnx import OnnxEmbedder
from facematch.networks.onnx_metadata import KEY, OnnxMetadata, read_onnx_metadata
from facematch.pipeline.build import build_cropper, build_embedder, trained_people
from facematch.settings.file import load_settings

CROPS = build_cropper(load_settings(None).faces).fingerprint
TOLD = OnnxMetadata(
    size=24,
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
    normalise=False,
    metric="cosine",
    dimension=3,
    crops=CROPS,
    network=Fingerprint({"network.backbone": "resnet18", "network.weights_sha256": "ab"}),
    people=("Ada", "Zoë"),
    precision="int8",
)


def write_model(path: Path, **entries: str) -> Path:
    """Each channel's mean over the picture, N×3, with metadata."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 24, 24])
    out = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 3])
    axes = helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3])
    node = helper.make_node("ReduceMean", ["image", "axes"], ["embedding"], keepdims=0)
    model = helper.make_model(
        helper.make_graph([node], "mean", [image], [out], [axes]), opset_imports=[helper.make_opsetid("", 18)]
    )
    model.ir_version = 9
    for key, value in entries.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    return path


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    return write_model(tmp_path / "m.onnx", author="somebody", **{KEY: TOLD.as_json()})


def test_a_file_tells_what_was_written(exported: Path) -> None:
    assert read_onnx_metadata(exported) == TOLD


def test_the_text_is_json_that_anyone_can_read(exported: Path) -> None:
    (text,) = (each.value for each in onnx.load(exported).metadata_props if each.key == "facematch")
    values = json.loads(text)
    assert values["input"] | {"how": ""} == {
        "name": "image", "how": "", "size": 24, "layout": "nchw", "channels": "rgb",
        "mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375],
    }  # fmt: skip
    assert "(pixel - mean) / std" in values["input"]["how"]
    assert values["output"]["dimension"] == 3
    assert values["people"] == ["Ada", "Zoë"]
    assert values["crops"]["faces.detector"] == "haar"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(min_size=1), st.text(max_size=300), max_size=4))
def test_other_entries_do_not_matter(tmp_path: Path, others: dict[str, str]) -> None:
    path = write_model(tmp_path / "m.onnx", **{**others, KEY: TOLD.as_json()})
    assert read_onnx_metadata(path) == TOLD
    others.pop(KEY, None)
    assert read_onnx_metadata(write_model(path, **others)) is None


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_is_read_as_nothing_or_named(exported: Path, data: st.DataObject) -> None:
    whole = exported.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = exported.with_name("damaged.onnx")
    damaged.write_bytes(whole[:at] + data.draw(st.binary(max_size=3)))
    with suppress(FacematchError):
        assert read_onnx_metadata(damaged) in (None, TOLD)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "[" * 100_000,
        '{"format": "facematch onnx 99"}',
        TOLD.as_json().replace("size", "x"),
        TOLD.as_json().replace('"Ada"', "3"),
        TOLD.as_json().replace("cosine", "near"),
        TOLD.as_json().replace('"dimension": 3', '"dimension": [3]'),
    ],
    ids=lambda text: text[:20],
)
def test_another_version_is_named(tmp_path: Path, text: str) -> None:
    path = write_model(tmp_path / "m.onnx", **{KEY: text})
    with pytest.raises(FacematchError, match=r"^embedder\.file: .* is damaged, or of another kind: "):
        read_onnx_metadata(path)


def test_no_file_says_nothing(tmp_path: Path) -> None:
    assert read_onnx_metadata(tmp_path / "none.onnx") is None


def embedder_of(file: Path, *sets: str) -> OnnxEmbedder:
    made = build_embedder(load_settings(None, ["embedder.kind=onnx", f"embedder.file={file}", *sets]))
    assert isinstance(made, OnnxEmbedder)
    return made


def test_our_file_needs_no_settings(exported: Path) -> None:
    embedder = embedder_of(exported)
    assert (embedder.size, embedder.mean, embedder.std, embedder.normalise) == (24, TOLD.mean, TOLD.std, False)
    images = np.random.default_rng(0).integers(0, 256, size=(40, 24, 24, 3), dtype=np.uint8)  # more than a batch
    expected = [(image.reshape(-1, 3).mean(0) - TOLD.mean) / TOLD.std for image in images]
    np.testing.assert_allclose(embedder.embed(images), expected, rtol=1e-4)


def test_settings_that_say_what_the_file_says_are_no_contradiction(exported: Path) -> None:
    sets = ("embedder.size=24", "embedder.mean=[123.675, 116.28, 103.53]", "embedder.normalise=false")
    assert embedder_of(exported, *sets).fingerprint == embedder_of(exported).fingerprint
    assert embedder_of(exported, "embedder.size=112", "embedder.batch=7").batch == 7  # a default says nothing


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("embedder.size=32", r"embedder\.size is 32 in the settings, but the model .* says 24"),
        ("embedder.layout=nhwc", r"embedder\.layout is 'nhwc' .* says 'nchw'"),
        ("embedder.channels=bgr", r"embedder\.channels is 'bgr' .* says 'rgb'"),
        ("embedder.std=[1, 1, 1]", r"embedder\.std is \(1\.0, 1\.0, 1\.0\) .* says \(58\.395"),
        ("faces.margin=0.4", r"faces\.margin is 0\.4 in the settings and 0\.2 in the model"),
        ("faces.detector=none", r"faces\.detector is 'none' in the settings and 'haar' in the model"),
    ],
)
def test_a_contradiction_names_both_values(exported: Path, setting: str, message: str) -> None:
    with pytest.raises(FacematchError, match=message):
        embedder_of(exported, setting)


def test_people_of_the_training_are_known(exported: Path, tmp_path: Path) -> None:
    kind = "embedder.kind=onnx"
    assert trained_people(load_settings(None, [kind, f"embedder.file={exported}"])) == ("Ada", "Zoë")
    foreign = write_model(tmp_path / "foreign.onnx")
    assert trained_people(load_settings(None, [kind, f"embedder.file={foreign}"])) == ()
    assert trained_people(load_settings(None, [kind])) == ()


def test_the_fingerprint_needs_neither_onnx_nor_its_runtime_nor_torch(exported: Path) -> None:
    program = (
        "import sys\n"
        "from facematch.pipeline.build import build_embedder\n"
        "from facematch.settings.file import load_settings\n"
        "settings = load_settings(None, ['embedder.kind=onnx', 'embedder.file=' + sys.argv[1]])\n"
        "print(build_embedder(settings).fingerprint.digest)\n"
        "print([name for name in ('onnx', 'onnxruntime', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, exported], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == [embedder_of(exported).fingerprint.digest, "[]"]


def test_where_the_finder_is_missing_its_crops_are_the_cascades(
    tmp_path: Path, hide_finder: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    found = load_settings(None, ["faces.second_look=finder"])
    told = replace(TOLD, crops=build_cropper(found.faces).fingerprint)
    file = write_model(tmp_path / "m.onnx", **{KEY: told.as_json()})
    settings = load_settings(None, ["faces.second_look=finder", "embedder.kind=onnx", f"embedder.file={file}"])
    assert build_embedder(settings)
    with pytest.raises(FacematchError, match="were not made in the same way"):
        build_embedder(load_settings(None, ["embedder.kind=onnx", f"embedder.file={file}"]))
    hide_finder()
    assert build_embedder(settings)
    assert "the finder that comes with facematch is missing" in capsys.readouterr().err
