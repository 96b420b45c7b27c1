"""The JSON schemas: as committed, and taking what the readers take – the shipped files, short forms, odd numbers."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pydantic
import pytest
import yaml

from command_helpers import Run
from facematch.cli.settings import schema_text
from facematch.core.errors import FacematchError
from facematch.settings.file import load_section, load_settings, read_yaml
from facematch.settings.schema import FORMS, schema_of

CONFIG = Path(__file__).resolve().parents[2] / "config"
FILES = sorted(CONFIG.glob("*.yaml"))
VALIDATORS = {form: jsonschema_rs.validator_for(schema_of(form)) for form in FORMS}


def form_of(path: Path) -> str:
    return path.stem if path.stem in FORMS else "settings"


def mistakes(values: Any, form: str = "settings") -> list[str]:
    """What the schema says of a YAML file's values, as JSON has them."""
    return [each.message for each in VALIDATORS[form].iter_errors(json.loads(json.dumps(values)))]


def test_the_committed_files_are_what_the_command_prints() -> None:
    if tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 12):
        pytest.skip("an earlier pydantic writes the same schema in other words")
    for form in FORMS:
        kept = (CONFIG / f"{form}.schema.json").read_text(encoding="utf-8")
        assert kept == schema_text(form), f"run: facematch settings --schema --of {form} > config/{form}.schema.json"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_settings_file_names_its_schema_and_fits_it(path: Path) -> None:
    form = form_of(path)
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema={form}.schema.json"
    assert (path.parent / first.partition("=")[2]).is_file()  # an editor looks beside the file
    assert mistakes(read_yaml(path), form) == []


# Values that are read otherwise than they are kept: by a validator, or since YAML 1.1 and 1.2 differ.
SHORT = {
    "identities.train": "data/faces",
    "identities.domain": {"synthetic": "synthetic_*", "photo": ["a*", "b*"]},
    "faces.detect_size": 128,
    "refine": "flip",
    "refine ": ["flip", {"step": "query-expansion", "n": 3}, "k-reciprocal"],
    "refine  ": [{"step": "bridge", "people": "data/faces"}],
    "loss.teacher": "MODEL.onnx",
    "loss.teacher ": {"embedder": {"file": "MODEL.onnx"}, "also": [{"embedder": {"kind": "dlib"}, "share": 2}]},
    "loss.mining": {"1": "semi-hard", "20": "batch-hard"},
    "loss.margin": "1e-1",
    "loss": {"name": "ArcFaceLoss", "options": {"a": 1, "b": 0.5, "c": True, "d": "x"}},
    "training.epochs": "40",
    "training.sizes": {"1": 64, "20": "112"},
    "training.collapse_guard": "no",
    "training.collapse_guard ": 1,
    "training.gradient_norm": None,
    "training.choose_over": {"asked": 1, "photo>synthetic": 2.5},
    "name": 2026,
    "paths.checkpoint": "default",
    "server.headers": {"Authorization": "TOKEN"},
    "augment": [{"name": "GaussianBlur", "p": 0.5}],
    "finder": {"teachers": {"yunet": "a", "centerface": "b"}, "photos": "data"},
}


def nested(name: str, value: Any) -> dict[str, Any]:
    for key in reversed(name.strip().split(".")):
        value = {key: value}
    return dict(value)


@pytest.mark.parametrize("name", SHORT)
def test_what_the_reader_takes_the_schema_takes(name: str) -> None:
    values = nested(name, SHORT[name])
    load_section_of(values)
    assert mistakes(values) == []


WRONG = {
    "faces.sizze": 112,
    "faces.size": "large",
    "faces.size ": 4,
    "refine": {"step": "flip", "n": 3},
    "refine ": [{"step": "flip", "n": 2}],
    "loss.margin": "softt",
    "identities.train": {"a": 1},
    "training.collapse_guard": "maybe",
    "paths.query": 5,
    "name": "a b",
    "server": None,
}


@pytest.mark.parametrize("name", WRONG)
def test_what_the_reader_refuses_the_schema_refuses(name: str) -> None:
    values = nested(name, WRONG[name])
    with pytest.raises(FacematchError):
        load_section_of(values)
    assert mistakes(values)


def load_section_of(values: dict[str, Any]) -> None:
    load_settings(None, sections=values, ensembles=True)


def test_every_section_says_what_it_is_and_every_key_is_there() -> None:
    schema = schema_of("settings")
    properties = schema["properties"]
    assert set(properties) == set(FORMS["settings"].model_fields)
    assert properties["faces"]["$ref"].endswith("FaceSettings")
    assert schema["$defs"]["FaceSettings"]["description"]
    assert all("additionalProperties" in each for each in schema["$defs"].values() if each.get("type") == "object")


def test_the_command_prints_every_value_so_that_it_can_be_read_again(run: Run, tmp_path: Path) -> None:
    for file in FILES:
        form = form_of(file)
        done = run("settings", "--config", file, "--of", form)
        assert done.code == 0, done.err
        (tmp_path / "again.yaml").write_text(done.out, encoding="utf-8")
        kept = load_section(FORMS[form], file, (), "")
        assert load_section(FORMS[form], tmp_path / "again.yaml", (), "") == kept
        assert json.loads(run("settings", "--config", file, "--of", form, "--json").out) == yaml.safe_load(done.out)


def test_the_command_prints_the_schema_and_names_mistakes(run: Run) -> None:
    assert json.loads(run("settings", "--schema").out) == json.loads(schema_text("settings"))
    assert json.loads(run("settings", "--schema", "--of", "compare").out)["title"] == "facematch: compare"
    done = run("settings", "--of", "competion")
    assert (done.code, done.out) == (1, "")
    assert "--of competion is not known (did you mean 'competition'?)" in done.err
    done = run("settings", "--set", "faces.sizze=3")
    assert done.code == 1
    assert "did you mean 'size'?" in done.err
