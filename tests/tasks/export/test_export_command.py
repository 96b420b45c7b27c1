"""`facematch export`: the file is the network, says what it is, and is never half written."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from command_helpers import Run
from facematch.core.files import sha256_of_file
from facematch.identities.values import person_digest, trained_among
from facematch.networks.checkpoint import read_checkpoint_header
from facematch.networks.onnx_metadata import read_onnx_metadata
from facematch.ranking.embeddings import load_embeddings
from facematch.tasks.export import onnx_export
from facematch.tasks.export.cost import agreement

RUN = Path("checkpoints/small")
OUT = Path("small.onnx")
ONNX = ("--set", "embedder.kind=onnx", "--set", f"embedder.file={OUT}")


def test_the_file_embeds_as_the_network_without_a_setting(project: Path, run: Run) -> None:
    done = run("export", RUN / "best.safetensors", "--out", OUT, "--with-people")
    assert done.code == 0, done.err
    assert "it names the" in done.out
    assert re.search(r"float32 against torch: largest difference \d\.\de-0\d, least cosine 1\.000000", done.out)
    photos = "data/test_data/gallery"
    ours = run("embed", photos, "ours.safetensors", "--config", "small.yaml")
    theirs = run("embed", photos, "theirs.safetensors", "--config", "small.yaml", *ONNX)
    assert (ours.code, theirs.code) == (0, 0), theirs.err
    vectors = [load_embeddings(Path(f"{name}.safetensors")).vectors for name in ("ours", "theirs")]
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)
    told, header = read_onnx_metadata(OUT), read_checkpoint_header(RUN)
    assert told is not None
    assert (told.size, told.dimension, told.people, told.precision) == (32, 16, header.people, "float32")
    assert (dict(told.crops.settings) | dict(told.network.settings)) == dict(header.fingerprint.settings)


def test_nobody_is_named_unless_asked_for(project: Path, run: Run) -> None:
    done = run("export", RUN, "--out", OUT)
    assert done.code == 0, done.err
    people, told = read_checkpoint_header(RUN).people, read_onnx_metadata(OUT)
    assert told is not None
    assert f"it holds digests of the names of the {len(people)} people" in done.out
    assert set(told.people) == set(map(person_digest, people))
    assert trained_among([*people, "somebody else"], told.people) == set(people)
    assert not any(name.encode() in OUT.read_bytes() for name in people)


def test_a_smaller_file_is_measured_beside_the_others(project: Path, run: Run) -> None:
    OUT.write_text("mine")
    asked = ("export", "--config", "small.yaml", "--out", OUT, "--int8", "--calibrate", "data/faces")
    done = run(*asked)
    assert (done.code, OUT.read_text()) == (1, "mine")
    assert "small.onnx exists already" in done.err
    done = run(*asked, "--force")
    assert done.code == 0, done.err
    told = read_onnx_metadata(OUT)
    assert told is not None
    assert told.precision == "int8"
    for words in ("float16", "top-1 less float32", "top-10", "least cosine to float32", "crops a second"):
        assert words in done.out
    (megabytes,) = (line for line in done.out.splitlines() if "megabytes" in line)
    shown = [float(number) for number in re.findall(r"[\d.]+", megabytes)]
    assert shown == sorted(shown, reverse=True)
    assert shown[2] == pytest.approx(OUT.stat().st_size / 1e6, abs=0.06)
    assert len(list(Path().glob("*.onnx"))) == 1  # the others were only measured


def test_a_checkpoint_in_half_precision_is_one_file_that_ranks_alike(project: Path, run: Run) -> None:
    done = run("export", RUN, "--half", "--out", "half.safetensors")
    assert done.code == 0, done.err
    assert re.search(r"float16 as written: largest difference \d\.\de-0\d, least cosine (0\.9999|1\.0000)", done.out)
    assert sha256_of_file(Path("half.safetensors")) in done.out.replace("\n", "")
    ours, theirs = read_checkpoint_header(RUN), read_checkpoint_header(Path("half.safetensors"))
    assert (ours.people, ours.metric, ours.spec, ours.trained) == (
        theirs.people,
        theirs.metric,
        theirs.spec,
        theirs.trained,
    )
    assert Path("half.safetensors").stat().st_size < 0.6 * ours.path.stat().st_size
    done = run("validate", "--config", "small.yaml", "--set", "paths.checkpoint=half.safetensors")
    assert done.code == 0, done.err
    refused = run("export", RUN, "--int8", "--calibrate", "data/faces", "--out", "int8.safetensors")
    assert (refused.code, Path("int8.safetensors").exists()) == (1, False)
    assert "Write int8 as an .onnx file" in refused.err


def test_people_it_learned_are_not_measured_on(project: Path, run: Run) -> None:
    done = run("export", RUN, "--out", OUT, "--half", "--measure", "data/faces")
    assert done.code == 1
    assert "were in the training" in done.err
    assert not OUT.exists()


def test_an_exported_network_is_validated_on_the_people_its_run_was(project: Path, run: Run) -> None:
    assert run("export", RUN, "--out", OUT).code == 0
    ours, theirs = (run("validate", "--config", "small.yaml", "--json", *more) for more in ((), ONNX))
    assert (ours.code, theirs.code) == (0, 0), theirs.err
    asked = [list(json.loads(each.out).values())[-1]["queries"] for each in (ours, theirs)]
    assert asked[0] == asked[1]


def test_an_exported_network_is_marked_where_it_meets_people_it_learned(project: Path, run: Run) -> None:
    assert run("export", RUN, "--out", OUT).code == 0
    exported = {"name": "exported", "config": "small.yaml", "set": {"embedder.kind": "onnx", "embedder.file": str(OUT)}}
    network = {"name": "network", "config": "small.yaml"}
    asked = {"photos": {"people": "data/faces"}, "systems": [network, exported]}
    Path("compare.yaml").write_text(json.dumps(asked))
    done = run("compare", "--config", "compare.yaml", "--json")
    assert done.code == 0, done.err
    leaks = {each["name"]: each["leak"] for each in json.loads(done.out)["systems"]}
    assert leaks["exported"] == leaks["network"]
    assert "was trained on" in leaks["network"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((RUN, "--int8"), "Add --calibrate FOLDER"),
        ((RUN, "--int8", "--half"), "choose one"),
        ((RUN, "--int8", "--calibrate", "none"), "none cannot be searched for photos"),
        (("nowhere",), "checkpoint: nowhere does not exist"),
        ((RUN, "--set", "faces.margin=0.5"), "faces.margin is 0.5 in the settings and 0.2 in the checkpoint"),
    ],
)
def test_what_cannot_be_done_is_said_first(
    project: Path, run: Run, arguments: tuple[object, ...], message: str
) -> None:
    done = run("export", *arguments, "--out", OUT)
    assert done.code == 1
    assert message in done.err
    assert not OUT.exists()


def test_a_graph_that_is_another_network_is_not_written(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "export_network", lambda network, size: _constant(size, network.dimensions))
    done = run("export", RUN, "--out", OUT)
    assert done.code == 1
    assert "the exported network is another than torch's: largest difference" in done.err
    assert not OUT.exists()


def _constant(size: int, dimension: int) -> onnx.ModelProto:
    """A network that finds all pictures alike."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, size, size])
    out = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", dimension])
    weight = numpy_helper.from_array(np.zeros((3 * size * size, dimension), np.float32), "weight")
    bias = numpy_helper.from_array(np.full(dimension, dimension**-0.5, np.float32), "bias")
    nodes = [helper.make_node("Flatten", ["image"], ["flat"])]
    nodes.append(helper.make_node("Gemm", ["flat", "weight", "bias"], ["embedding"]))
    graph = helper.make_graph(nodes, "constant", [image], [out], [weight, bias])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    return model


def test_photos_without_a_face_cannot_calibrate(project: Path, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    Image.new("RGB", (64, 64), "grey").save(folder / "a.png")
    done = run("export", RUN, "--out", OUT, "--int8", "--calibrate", folder)
    assert done.code == 1
    assert "no face was found in 1 photos" in done.err


def test_agreement_is_the_plain_formula() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = (rng.normal(size=(5, 3)).astype(np.float32) for _ in range(2))
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(ours, theirs, strict=True)]
    found = agreement(ours, theirs)
    assert found.largest == pytest.approx(max(abs(a - b) for a, b in zip(ours.ravel(), theirs.ravel(), strict=True)))
    assert found.cosine == pytest.approx(min(cosines), abs=1e-6)
    zero = np.zeros((2, 3), np.float32)
    assert (agreement(zero, zero).cosine, agreement(zero, ours[:2]).cosine) == (1, 0)
    assert found.count == 5
