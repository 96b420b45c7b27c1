"""A mistake in the settings is named with its remedy; nothing is silently ignored."""

from pathlib import Path

import pytest

from facematch.core.errors import FacematchError
from facematch.pipeline.build import build_cropper
from facematch.settings.file import load_settings
from facematch.settings.root import Settings
from facematch.settings.training import LossSettings

OTHERS = ("competition", "compare")  # not settings of one system
CONFIGS = sorted(path for path in (Path(__file__).parents[2] / "config").glob("*.yaml") if path.stem not in OTHERS)


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_the_defaults_hold() -> None:
    assert load_settings(None) == Settings()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_configuration_is_valid(path: Path) -> None:
    assert load_settings(path, ensembles=True).name == path.stem
    assert load_settings(str(path), ensembles=True) == load_settings(path, ensembles=True)


def test_the_main_configuration_shows_every_key() -> None:
    import yaml

    shown = yaml.safe_load((CONFIGS[0].parent / "triplet.yaml").read_text(encoding="utf-8"))
    for section, field in Settings.model_fields.items():
        if section == "embedder":  # shown in onnx.yaml
            continue
        keys = getattr(field.default, "model_fields_set", None)
        assert section in shown
        if keys is not None:
            assert set(type(field.default).model_fields) == set(shown[section]), section


def test_an_unknown_key_is_named_with_the_nearest(tmp_path: Path) -> None:
    path = written(tmp_path, "faces:\n  cascde: x.xml\n")
    with pytest.raises(FacematchError, match=r"faces\.cascde is not a known setting \(did you mean 'cascade'\?\)"):
        load_settings(path)


def test_an_unknown_section_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(FacematchError, match=r"trainning is not a known setting \(did you mean 'training'\?\)"):
        load_settings(written(tmp_path, "trainning: {}\n"))


def test_an_unknown_key_two_levels_down_is_named(tmp_path: Path) -> None:
    with pytest.raises(FacematchError, match=r"learning_rate\.bakbone .*did you mean 'backbone'"):
        load_settings(written(tmp_path, "training: {learning_rate: {bakbone: 1}}\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training: {epochs: 0}", r"training\.epochs: Input should be greater than or equal to 1 \(found 0\)"),
        ("training: {epochs: many}", r"training\.epochs: .*valid integer.*\(found 'many'\)"),
        ("faces: {miss: ignore}", r"faces\.miss: .*'whole', 'centre', 'skip' or 'error'"),
        ("faces: {detector: yunet}", r"faces: faces\.detector: yunet needs faces\.yunet_file"),
        ("faces: {detector: centerface}", r"faces: faces\.detector: centerface needs faces\.centerface_file"),
        ("faces: {detector: centreface}", "did you mean 'centerface'"),
        ("faces: {second_look: yunet}", r"faces: faces\.second_look: yunet needs faces\.yunet_file"),
        (
            "faces: {second_look: haar}",
            r"faces\.second_look: haar gives no .*none, yunet, centerface, scrfd, retinaface, finder",
        ),
        ("faces: {detector: scrfd}", r"faces: faces\.detector: scrfd needs faces\.scrfd_file"),
        ("faces: {second_look: retinaface}", r"faces: faces\.second_look: retinaface needs faces\.retinaface_file"),
        ("faces: {template: facenett}", "did you mean 'facenet'"),
        ("faces: {max_roll: -1}", r"faces\.max_roll: .*greater than or equal to 0"),
        ("training: {choose_over: {drawn: 1}}", r"training\.choose_over"),
        ("faces: {centerface_score: 2}", r"faces\.centerface_score: .*less than or equal to 1"),
        ("name: ../elsewhere", r"name: String should match"),
        ("loss: {margin: soft, mining: semi-hard}", "soft has no margin"),
        ("loss: {mining: {3: semi-hard}}", "begins with epoch 1"),
        ("network: {tanh: true}", "not of length 1: set network.normalise: false"),
        ("network: {tanh: true, normalise: false, embedding: 20}", "multiple of 8; network.embedding is 20"),
        ("loss: {margin: auto}", "auto follows the code size of a network with network.tanh: true"),
        ("loss: {quantisation: 0.1}", "set network.tanh: true"),
        ("ranking: {metric: hamming}\nrefine: [flip, whiten]", "whiten works on vectors; .*hamming compares bits"),
        ("network: {backbone: vit_b_32}", "vit_b_32 takes 224×224 pixels: set faces.size: 224"),
        ("identities: {dataset: CUB}", r"identities\.dataset: .*'CUB_200_2011' or 'Stanford_Dogs'"),
        ("identities: {test_share: 0.2}", "belong to split_by: photo"),
        ("identities: {split_by: photo, validation: a}", "hold other people"),
        ("identities: {split_by: photo, test: a, test_share: 0.1}", "one of the three"),
        ("- a\n- b", "holds list; expected sections"),
        ("faces: {size: 64, size: 96}", "'size' is given twice"),
        ("faces: [", "is not a YAML file that can be read"),
    ],
)
def test_wrong_values_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FacematchError, match=message):
        load_settings(written(tmp_path, text))


def test_a_missing_file_is_named_with_its_full_path(tmp_path: Path) -> None:
    with pytest.raises(FacematchError, match=r"none\.yaml does not exist \(/"):
        load_settings(tmp_path / "none.yaml")


def test_an_empty_file_means_defaults(tmp_path: Path) -> None:
    assert load_settings(written(tmp_path, "# nothing yet\n")) == Settings()


def test_overrides_win_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "server: {group: a, url: 'http://a/'}\n")
    settings = load_settings(path, ["server.group=b: c", "training.learning_rate.head=1e-5", "paths.query=/x y"])
    assert settings.server.group == "b: c"
    assert settings.server.url == "http://a/"
    assert settings.training.learning_rate.head == 1e-5
    assert settings.paths.query == Path("/x y")


def test_a_group_may_be_a_number() -> None:
    assert load_settings(None, ["server.group=42"]).server.group == "42"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("server.url", "expected section.key=value"),
        (".url=x", "expected section.key=value"),
        ("server.ulr=x", r"server\.ulr is not a known setting \(did you mean 'url'\?\)"),
        ("name.deep=1", "name is a single value, not a section"),
        ("faces.size=[1", "is not a YAML value"),
    ],
)
def test_wrong_overrides_are_named(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(FacematchError, match=message):
        load_settings(written(tmp_path, "name: a\n"), [override])


def test_the_margin_follows_the_code_size(tmp_path: Path) -> None:
    path = written(tmp_path, "network: {tanh: true, normalise: false}\nloss: {margin: auto}\n")
    found = [load_settings(path, [f"network.embedding={bits}"]).margin for bits in (16, 32, 48, 64, 128)]
    assert found == [4, 8, 12, 16, 32]
    assert load_settings(path, ["loss.margin=5"]).margin == 5
    assert load_settings(None).margin == 0.2


def test_a_mining_schedule_says_what_holds_when() -> None:
    loss = LossSettings(mining={1: "batch-all", 5: "semi-hard", 9: "batch-hard"})
    assert [loss.mining_at(epoch) for epoch in (1, 4, 5, 8, 9, 99)] == [
        "batch-all",
        "batch-all",
        "semi-hard",
        "semi-hard",
        "batch-hard",
        "batch-hard",
    ]


def test_settings_of_another_loss_are_told_and_options_of_none_refused(tmp_path: Path) -> None:
    given = written(tmp_path, "loss: {name: Arc_Face, margin: 0.4, mining: {1: semi-hard}, label_smoothing: 0.1}")
    assert load_settings(given).loss.idle == ("label_smoothing", "margin")
    assert LossSettings().idle == LossSettings(margin=0.4, classifier_epochs=3).idle == ()
    assert LossSettings(name="Cross_Entropy").name == "cross-entropy"
    with pytest.raises(
        FacematchError, match=r"for losses of plug-ins or pytorch-metric-learning, and loss\.name is triplet"
    ):
        load_settings(None, ["loss.options={margin: 1}"])


def test_a_teacher_may_be_a_file_alone(tmp_path: Path) -> None:
    path = written(tmp_path, "loss: {teacher: null}")
    short, long = (load_settings(path, [f"loss.teacher{rest}=a.onnx"]).loss.teacher for rest in ("", ".embedder.file"))
    assert short == long
    assert short is not None
    assert (short.embedder.kind, short.embedder.file) == ("onnx", Path("a.onnx"))
    assert load_settings(path).loss.teacher is None
    with pytest.raises(FacematchError, match=r"set loss\.teacher\.embedder\.file to an ONNX file"):
        load_settings(path, ["loss.teacher.weight=2"])


def test_seen_people_belong_to_a_split_by_person() -> None:
    with pytest.raises(FacematchError, match="seen_share belongs to split_by: person"):
        load_settings(None, ["identities.split_by=photo", "identities.seen_share=0.1"])


@pytest.mark.parametrize(("given", "sizes"), [("200", (200,)), ("[100,200]", (100, 200))])
def test_detect_size_is_one_size_or_several(given: str, sizes: tuple[int, ...]) -> None:
    assert load_settings(None, [f"faces.detect_size={given}"]).faces.detect_size == sizes


@pytest.mark.parametrize("given", ["[]", "[200,100]", "[100,100]", "20", "[100,many]"])
def test_sizes_that_do_not_rise_are_refused(given: str) -> None:
    with pytest.raises(FacematchError, match=r"faces\.detect_size"):
        load_settings(None, [f"faces.detect_size={given}"])


def test_the_most_central_face_is_chosen_among_all() -> None:
    cropper = build_cropper(load_settings(None, ["faces.choose=central"]).faces)
    assert cropper.fingerprint.settings["faces.detect_size"] == 320
    assert build_cropper(load_settings(None).faces).fingerprint.settings["faces.detect_size"] == [128, 320]


DOUBLING = ", ".join(f"&a{level} [{', '.join([f'*a{level - 1}'] * 9 if level else ['x'] * 9)}]" for level in range(10))


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("? [a]\n: b", "line 1, column 3: a list or a mapping is not a key"),
        ("name: !!int abc", "line 1, column 7: abc is no int of 64 bits"),
        ("name: !!bool maybe", "maybe is no bool"),
        ("name: !!float x", "x is no float"),
        ("name: !!set {a}", "is no set"),
        ("name: !!map [a]", "is no map"),
        ("training: {epochs: " + "9" * 6000 + "}", "999… is no int of 64 bits"),
        ("training: {epochs: 0x" + "f" * 6000 + "}", "fff… is no int of 64 bits"),
        ("base: &a {size: 3}\nfaces: {<<: *a}", "line 2, column 9: '<<' cannot bring another mapping's keys here"),
        ("faces: &a [*a]", "more than 32 deep"),
        ("[" * 5000, "nesting depth"),
        (f"identities: {{train: [{DOUBLING}]}}", "more than 100,000 values"),
        ("a: *b", "undefined alias"),
        ("name: \x1b[2J", "control characters"),
    ],
    ids=lambda text: text[:20],
)
def test_yaml_that_stands_for_nothing_is_one_sentence(tmp_path: Path, text: str, finding: str) -> None:
    for wrong in (lambda: load_settings(written(tmp_path, text)), lambda: load_settings(None, [f"name={text}"])):
        with pytest.raises(FacematchError) as caught:
            wrong()
        assert finding in caught.value.message
        assert len(caught.value.message) < 600
        assert caught.value.message.isprintable()


def test_settings_may_begin_with_a_byte_order_mark_and_a_name_may_be_a_date(tmp_path: Path) -> None:
    assert load_settings(written(tmp_path, "\ufeffname: 2024-13-45\n")).name == "2024-13-45"


def test_the_nearest_known_value_is_named() -> None:
    with pytest.raises(FacematchError, match=r"metric: .*'hamming' \(found 'hammign'\) \(did you mean 'hamming'\?\)"):
        load_settings(None, ["ranking.metric=hammign"])
    with pytest.raises(FacematchError, match=r"kind: .*\(did you mean 'onnx'\?\)"):
        load_settings(None, ["embedder.kind=onx"])


def test_many_mistakes_are_told_on_one_screen() -> None:
    with pytest.raises(FacematchError, match=r"and 4,\d\d\d more mistakes") as caught:
        load_settings(None, [f"identities.train=[{','.join(['1'] * 5000)}]"])
    assert len(str(caught.value)) < 2000
