"""The training people that refine steps compare with: found and embedded once a step needs them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

from facematch.core.console import info, progress
from facematch.core.errors import FacematchError
from facematch.embedders import Embedder
from facematch.embedders.embed import PhotoEmbedder
from facematch.faces.values import coverage_of
from facematch.identities.values import LabelledPhotos
from facematch.pipeline.build import photo_embedder
from facematch.pipeline.people import labelled_photos
from facematch.refine.known import KnownPeople
from facematch.settings.refine import Step
from facematch.settings.root import Settings


def known_people(settings: Settings, steps: Sequence[Step], embedder: Embedder) -> Callable[[], KnownPeople] | None:
    """Return what embeds the training people that a step needs, once and when it is called; None where none does.

    `embedder` flips and takes views as it does for query and gallery. What is returned raises FacematchError where
    there are no training people.
    """
    needing = next((step for step in steps if step.needs_known), None)
    if needing is None:
        return None
    return cache(lambda: embed_known(settings, photo_embedder(settings, embedder), _labelled(settings, needing)))


def embed_known(
    settings: Settings, stage: PhotoEmbedder, labelled: LabelledPhotos, what: str = "training people"
) -> KnownPeople:
    """Embed labelled photos; a face that is not found is treated as for a training. Raises FacematchError for none."""
    with progress(what, len(labelled.files)) as step:
        embedded = replace(stage, miss=settings.faces.miss_training).run(labelled.files, step)
    info(f"{what}: {coverage_of(embedded.records)}")
    person = {file.name: who for file, who in labelled.pairs}
    return KnownPeople(embedded.embeddings, tuple(person[name] for name in embedded.embeddings.names))


def _labelled(settings: Settings, step: Step) -> LabelledPhotos:
    wanted, people = settings.identities, getattr(step, "people", None)
    if people is None and wanted.dataset is not None:
        raise FacematchError(
            f"refine step {step.step} compares with the people of identities.train, but identities.dataset is in use.",
            f"Name a folder: {{step: {step.step}, people: FOLDER}}",
        )
    try:
        return labelled_photos(wanted, wanted.train if people is None else people)[0]
    except FacematchError as error:
        raise FacematchError(f"refine step {step.step} needs training people: {error.message}", error.hint) from error
