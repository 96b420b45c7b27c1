"""Every reader of files that others write, with whole files for it: what `fuzz_readers` damages."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import record_seeds as records
import tensor_seeds as tensors
from reader_damage import (
    Mutation,
    archive_changed,
    bytes_changed,
    header_changed,
    json_changed,
    lines_changed,
    yaml_changed,
)

CONFIG = Path(__file__).resolve().parents[2] / "config"
BYTES = (bytes_changed,)
ARCHIVE = (bytes_changed, archive_changed)
TEXT = (bytes_changed, lines_changed, lines_changed)
JSON = (bytes_changed, json_changed, json_changed, json_changed)
YAML = (bytes_changed, yaml_changed, yaml_changed, lines_changed)
HEADER = (bytes_changed, header_changed, header_changed, header_changed)

Seeds = Callable[[Path], list[bytes]]


@dataclass(frozen=True)
class Reader:
    """A reader: the name of its file, how that is damaged, whole ones as bytes, and what reads one.

    `prepare` imports what is slow or takes memory; a slow reader is given a `share` of the inputs.
    """

    name: str
    file: str
    mutations: tuple[Mutation, ...]
    seeds: Seeds
    read: Callable[[Path], Any]
    prepare: Callable[[], object] = lambda: None
    share: float = 1.0


def _configs(*names: str) -> Seeds:
    return lambda folder: [(CONFIG / f"{name}.yaml").read_bytes() for name in names]


def _values(*values: Any) -> Seeds:
    return lambda folder: [json.dumps(value).encode() for value in values]


def _texts(*texts: str) -> Seeds:
    return lambda folder: [text.encode() for text in texts]


def _saved(save: Callable[[Path], object], name: str = "made") -> Seeds:
    def seeds(folder: Path) -> list[bytes]:
        save(folder / name)
        return [(folder / name).read_bytes()]

    return seeds


def _by(name: str, given: Callable[[Path], Any] = lambda path: path) -> Callable[[Path], Any]:
    # `module.function` of facematch, imported when it is called.
    module, _, function = f"facematch.{name}".rpartition(".")
    return lambda path: getattr(import_module(module), function)(given(path))


def _run(path: Path) -> Any:
    return import_module("facematch.pipeline.run_folder").RunFolder(path.parent)


_checkpoint = _saved(tensors.made_checkpoint)
_torch = tensors.torch_network
_landmarks = _by("tasks.protocols.revisited.load_ground_truth")

_ALL = (
    Reader("yaml", "c.yaml", YAML, _configs("triplet", "hashing", "onnx"), _by("settings.file.load_settings")),
    Reader("set", "value", TEXT + YAML[:2], _texts("server.url=http://a/", "faces={size: 64}"), records.override),
    Reader("form", "form.yaml", YAML, _configs("competition"), _by("settings.competition.load_form")),
    Reader("comparison", "compare.yaml", YAML, _configs("compare"), records.comparison),
    Reader(
        "embeddings", "e.safetensors", HEADER, tensors.embedding_files(".safetensors"),
        _by("ranking.embedding_files.read_embeddings"),
    ),
    Reader("npz", "e.npz", ARCHIVE, tensors.embedding_files(".npz"), _by("ranking.embedding_files.read_embeddings")),
    Reader("whitening", "w.safetensors", HEADER, _saved(tensors.save_whitening), tensors.apply_whitening),
    Reader(
        "umap", "umap.safetensors", HEADER, _saved(tensors.save_umap, "umap.safetensors"),
        _by("tasks.umap.model.load_model", lambda path: path.parent),
    ),
    Reader("header", "h.safetensors", HEADER, _checkpoint, _by("networks.checkpoint.read_checkpoint_header"), _torch),
    Reader(
        "checkpoint", "c.safetensors", HEADER, _checkpoint, _by("networks.checkpoint.load_checkpoint"), _torch, 0.3
    ),
    Reader("weights", "w.safetensors", HEADER, _checkpoint, tensors.start_from, _torch, 0.3),
    Reader("state dict", "w.pth", ARCHIVE, _saved(tensors.save_weights), tensors.start_from, _torch, 0.3),
    Reader(
        "onnx metadata", "m.onnx", (bytes_changed, tensors.onnx_told, tensors.onnx_told), tensors.models,
        _by("networks.onnx_metadata.read_onnx_metadata"), _torch,
    ),
    Reader("onnx", "r.onnx", BYTES, tensors.models, tensors.run_onnx, _torch),
    Reader("detector", "d.onnx", BYTES, tensors.detector_models, tensors.find_faces, _torch),
    Reader("tuned", "run/tuned/tuned.json", JSON, records.tuned, records.read_tuned),
    Reader("thresholds", "t.json", JSON, _values(*records.THRESHOLDS), records.threshold),
    Reader(
        "trained photos", "photos.json", JSON, _values({"photos": {"ab" * 32: "/a.jpg", "cd" * 32: "/b.jpg"}}),
        _by("pipeline.trained.trained_photos", lambda path: path.parent),
    ),
    Reader(
        "ground truth", "truth.json", JSON, _values({"q.jpg": ["a.jpg", "b.jpg"], "r.jpg": []}),
        _by("evaluation.score.read_ground_truth"),
    ),
    Reader(
        "outcomes", "o.json", JSON,
        _values({"queries": ["a"], "identities": ["b"], "closer": [[0, 2]], "others": [9]}), records.read_outcomes,
    ),
    Reader(
        "payload", "p.json", JSON, _values({"groupname": "a", "images": {"q.jpg": ["a.jpg", "b.jpg"]}}),
        records.payload,
    ),
    Reader("answer", "a.json", JSON, _values({"results": [0.1, 0.2, 0.3]}), records.answer),
    Reader(
        "manifest", "sample.json", JSON, _values({"kind": "facematch sample", "files": {"a": "ab", "b/c": "cd"}}),
        records.manifest,
    ),
    Reader("landmarks json", "gnd.json", JSON, _values(records.LANDMARKS), _landmarks),
    Reader("landmarks pickle", "gnd.pkl", BYTES, records.pickles, _landmarks),
    Reader(
        "pairs", "pairs.txt", TEXT,
        _texts("2 1\nA 1 2\nA 1 B 1\nC 3 4\nC 1 D 2\n", "a,b,same,fold\nx,y,1,0\nx,z,0,1\n"),
        _by("tasks.protocols.labelled_pairs.load_pairs"),
    ),
    Reader("attributes", "a.csv", TEXT, _texts("photo,age,light\na/1.jpg,30,day\nb,41,night\n"), records.attributes),
    Reader("list", "list.txt", TEXT, records.people, _by("identities.sources.load_identities")),
    Reader(
        "model's zip", "pack.zip", ARCHIVE, records.model_zips,
        records.extract_model,
    ),
    Reader(
        "digests", "digests.json", JSON, _values({"sface": {"sha256": "ab" * 32, "size": 7, "time": 1}}),
        _by("models.local.read_records"),
    ),
    Reader("zip", "photos.zip", ARCHIVE, records.zips, records.unzip),
    Reader("cache", "c.sqlite", BYTES, _saved(records.save_cache), records.ask_cache, share=0.6),
    Reader("cached rows", "row.json", JSON, records.rows, records.embed_again, share=0.6),
    Reader("journal", "journal.sqlite", BYTES, records.journals, records.journal, share=0.6),
    Reader(
        "run log", "log.jsonl", TEXT, _texts('{"step": 1, "loss": 0.5}\n{"epoch": 1}\n'),
        _by("pipeline.run_folder.read_log", _run),
    ),
    Reader(
        "run settings", "settings.yaml", YAML, _configs("triplet", "hashing"),
        _by("pipeline.run_folder.settings_of", _run),
    ),
    Reader(
        "run people", "identities.json", JSON, _values({"training": ["a"], "validation": ["b", "c"], "sha256": "ab"}),
        _by("pipeline.run_folder.validated_on", lambda path: path.parent),
    ),
    *(
        [Reader("clip", "c.json", JSON, _values({"embed_dim": 4, "vision_cfg": {"image_size": 32}}),
                _by("embedders.clip_model.clip_size", str))]
        if find_spec("open_clip") else []
    ),
)  # fmt: skip
READERS = {reader.name: reader for reader in _ALL}
