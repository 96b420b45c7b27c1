"""`facematch export`: a trained network as an ONNX file that describes its own input, and what smaller ones cost; or
as a checkpoint alone, without the run around it."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.core.console import info, progress, result, show_json, waiting, warn
from facematch.core.errors import FacematchError
from facematch.core.files import replacing, sha256_of_file
from facematch.core.text import evenly
from facematch.faces.values import Crop
from facematch.networks.checkpoint import CheckpointHeader, load_checkpoint, save_checkpoint
from facematch.networks.onnx_metadata import OnnxMetadata, Precision
from facematch.photos.photo import PhotoFile
from facematch.pipeline.build import crops_of, trained_header
from facematch.pipeline.default_checkpoint import run_settings, settings_in_use
from facematch.pipeline.evaluated import photos_of
from facematch.pipeline.people import ValidationPeople, validation_photos
from facematch.settings.root import Settings
from facematch.tasks.export.cost import Agreement, agreement, costs, costs_as_dict, exported_embedder, show_costs
from facematch.tasks.export.published import nameless

if TYPE_CHECKING:
    from facematch.networks.embedding import EmbeddingNetwork

Images = NDArray[np.uint8]
_TOLERANCE = 1e-4  # by which float32 may differ from torch, of the largest number or of 1
_LOW = 0.98  # least cosine below which a smaller file is warned of
_CALIBRATED, _CHECKED = 300, 64  # crops


def export_command(
    checkpoint: Path | None,
    out: Path,
    config: Path,
    overrides: Sequence[str],
    *,
    precision: Precision,
    calibrate: Path | None,
    measure: Path | None,
    force: bool,
    with_people: bool,
    as_json: bool = False,
) -> None:
    """Write a network as an ONNX file, checked against torch before it gets its name, or as a .safetensors checkpoint.

    `checkpoint` is a run folder or a file, with the run's settings; None: that of the configuration. `calibrate`
    are photos that int8 takes its ranges from; `with_people` names those it learned in the ONNX file, which else holds
    digests of their names; `measure` is a folder of people for the table of what half precision
    and int8 cost, by default the run's validation people where they can be had.
    """
    _check_request(out, precision, calibrate, force=force)
    settings = (
        settings_in_use(config, overrides) if checkpoint is None else run_settings(checkpoint, overrides, config=config)
    )
    header = trained_header(settings)
    if out.suffix == ".safetensors":
        _write_checkpoint(settings, header, out, precision, as_json=as_json)
        return
    from facematch.tasks.export.onnx_export import require_exporter

    require_exporter()
    people = _people(settings, header, measure, precision)
    ranges = None if calibrate is None else _crops(settings, photos_of(calibrate).files, _CALIBRATED, str(calibrate))
    images = _images_to_check(settings, ranges, people)
    network = load_checkpoint(header.path)
    wanted = _precisions(precision, measured=people is not None, calibrated=ranges is not None)
    with TemporaryDirectory() as folder:
        files = _write_all(Path(folder), wanted, network, _metadata(header, network, with_people), ranges)
        checked = {each: _checked(each, file, network, images) for each, file in files.items()}
        cost = [] if people is None else costs(settings, files, people, images)
        with replacing(out) as temporary:
            shutil.copyfile(files[precision], temporary)
    if as_json:
        against = {name: asdict(each) for name, each in checked.items()}
        written = _as_json(out, precision, header, with_people)
        show_json({**written, "against_torch": against, "costs": costs_as_dict(cost)})
        return
    for name, each in checked.items():
        result(f"{name} against torch: {each}")
    if cost:
        show_costs(cost)
    named = "names" if with_people else "holds digests of the names of"
    learned = f"it {named} the {len(header.people)} people it learned"
    result(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {precision}; {learned}")
    info(f"use it with: --set embedder.kind=onnx --set embedder.file={out}")


def _as_json(out: Path, precision: Precision, header: CheckpointHeader, named: bool) -> dict[str, Any]:
    written = {"file": str(out), "bytes": out.stat().st_size, "sha256": sha256_of_file(out), "precision": precision}
    return {**written, "people": len(header.people), "people_named": named}


def _write_checkpoint(
    settings: Settings, header: CheckpointHeader, out: Path, precision: Precision, *, as_json: bool
) -> None:
    from facematch.embedders.network import run_network

    network = load_checkpoint(header.path)
    save_checkpoint(
        out,
        network,
        header.fingerprint.only("faces."),
        origin=header.origin,
        people=header.people,
        metric=header.metric,
        trained=header.trained,
        half=precision == "float16",
    )
    images = _images_to_check(settings, None, None)
    found = agreement(run_network(load_checkpoint(out), images), run_network(network, images))
    if as_json:
        show_json({**_as_json(out, precision, header, True), "as_written": asdict(found)})
        return
    result(f"{precision} as written: {found}")
    result(f"{out}: {out.stat().st_size / 1e6:.1f} MB, SHA-256 {sha256_of_file(out)}")
    result(f"it names the {len(header.people)} people it learned")
    info(f"use it with: --set paths.checkpoint={out}")


def _check_request(out: Path, precision: Precision, calibrate: Path | None, *, force: bool) -> None:
    if out.exists() and not (force and out.is_file()):
        raise FacematchError(f"{out} exists already.", "Choose another --out, or replace the file with --force.")
    if precision == "int8" and out.suffix == ".safetensors":
        raise FacematchError(f"{out}: a checkpoint holds float32 or half precision.", "Write int8 as an .onnx file.")
    if precision == "int8" and calibrate is None:
        raise FacematchError(
            "--int8 needs to see which values photos give.",
            "Add --calibrate FOLDER: a few hundred photos like those it will meet, of other people than it is measured "
            "on.",
        )


def _precisions(chosen: Precision, *, measured: bool, calibrated: bool) -> list[Precision]:
    # What is written: float32 is what all are made of and compared with.
    there: dict[Precision, bool] = {"float32": True, "float16": measured, "int8": measured and calibrated}
    return [each for each, needed in there.items() if needed or each == chosen]


def _people(
    settings: Settings, header: CheckpointHeader, folder: Path | None, precision: Precision
) -> ValidationPeople | None:
    # Whom costs are measured on. Without a folder they are an offer, so their absence is no error.
    if folder is not None:
        chosen = settings.identities.model_copy(update={"validation": folder, "distractors": None})
        return validation_photos(settings.model_copy(update={"identities": chosen}), header.people)
    if precision == "float32":
        return None
    try:
        return validation_photos(settings, header.people)
    except FacematchError as error:
        warn(f"what {precision} costs is not measured: {error.message} Name people with --measure FOLDER.")
        return None


def _images_to_check(settings: Settings, ranges: Images | None, people: ValidationPeople | None) -> Images:
    if ranges is not None:
        return ranges[:_CHECKED]
    if people is not None:
        return _crops(settings, people.queries.files, _CHECKED, "the people measured on")
    small = np.random.default_rng(0).integers(0, 256, size=(_CHECKED // 4, 8, 8, 3), dtype=np.uint8)
    info("checked on made pictures; name photos with --calibrate or --measure to check on real crops")
    side = settings.faces.size
    return np.stack([cv2.resize(each, (side, side), interpolation=cv2.INTER_CUBIC) for each in small])


def _crops(settings: Settings, files: Sequence[PhotoFile], most: int, where: str) -> Images:
    # Faces of at most `most` photos, evenly spread over the files.
    chosen = evenly(files, most)
    with progress("cropping", len(chosen)) as step:
        images = [each.image for each in crops_of(settings, chosen, "skip", step) if isinstance(each, Crop)]
    if not images:
        raise FacematchError(f"{where}: no face was found in {len(chosen)} photos.", "Name other photos.")
    return np.stack(images)


def _write_all(
    folder: Path,
    wanted: Sequence[Precision],
    network: "EmbeddingNetwork",
    metadata: OnnxMetadata,
    ranges: Images | None,
) -> dict[Precision, Path]:
    import torch

    from facematch.tasks.export.onnx_export import export_network, in_half, in_int8, save_model

    files = {}
    with waiting("exporting …"):
        plain = export_network(network, metadata.size)
    for each in wanted:
        model = plain
        if each == "float16":
            model = in_half(plain, network.spec)
        elif each == "int8":
            assert ranges is not None  # asked for above
            parts = np.array_split(ranges, max(1, len(ranges) // 16))
            with waiting("calibrating int8 …"), torch.inference_mode():
                model = in_int8(plain, network.spec, (network.preprocess(torch.from_numpy(p)).numpy() for p in parts))
        files[each] = folder / f"{each}.onnx"
        save_model(model, replace(metadata, precision=each), files[each])
    return files


def _metadata(header: CheckpointHeader, network: "EmbeddingNetwork", with_people: bool) -> OnnxMetadata:
    def in_bytes(values: Sequence[float]) -> tuple[float, float, float]:
        red, green, blue = (round(value * 255, 6) for value in values)
        return red, green, blue

    size = header.fingerprint.settings["faces.size"]
    assert isinstance(size, int)
    return OnnxMetadata(
        size=size,
        mean=in_bytes(network.spec.mean),
        std=in_bytes(network.spec.std),
        normalise=network.spec.normalise,
        metric=header.metric,
        dimension=network.dimensions,
        crops=header.fingerprint.only("faces."),
        network=header.fingerprint.only("network."),
        people=header.people if with_people else nameless(header.people),
        precision="float32",
    )


def _checked(precision: Precision, file: Path, network: "EmbeddingNetwork", images: Images) -> Agreement:
    from facematch.embedders.network import run_network

    expected = np.concatenate([run_network(network, images[at : at + 16]) for at in range(0, len(images), 16)])
    try:
        vectors = exported_embedder(file, 16).embed(images)
    except FacematchError as error:
        raise FacematchError(
            f"{network.spec.backbone} cannot be exported in {precision}: {error.message}", "Export it without."
        ) from error
    if not np.isfinite(vectors).all():
        raise FacematchError(f"in {precision} this network gives NaN or infinity.", "Export it in float32.")
    found = agreement(vectors, expected)
    if precision == "float32" and found.largest > _TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise FacematchError(f"the exported network is another than torch's: {found}.", "Nothing was written.")
    if found.cosine < _LOW:
        warn(f"{precision} changes embeddings much; look at what it costs, with --measure FOLDER")
    return found
