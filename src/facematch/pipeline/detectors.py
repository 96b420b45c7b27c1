"""Our detectors as `faces:` describes them. `core.kinds` names these functions; each is loaded where it is used."""

from typing import TYPE_CHECKING

from facematch.settings.embedding import FaceSettings

if TYPE_CHECKING:
    from facematch.faces.detectors import HaarDetector
    from facematch.faces.finder import FinderDetector
    from facematch.faces.landmarks import CenterFaceDetector, YunetDetector
    from facematch.faces.retinaface import RetinaFaceDetector
    from facematch.faces.scrfd import ScrfdDetector


def haar(faces: FaceSettings) -> "HaarDetector":
    """Return the cascade, with those that are tried behind it."""
    from facematch.faces.detectors import HaarDetector

    cascades, sizes = (faces.cascade, *faces.fallback_cascades), _sizes(faces)
    return HaarDetector(cascades, faces.scale_factor, faces.min_neighbors, faces.min_size, sizes, faces.overlap)


def yunet(faces: FaceSettings) -> "YunetDetector":
    """Return YuNet. Raises FacematchError where its file is missing or another model."""
    from facematch.faces.landmarks import YunetDetector

    assert faces.yunet_file is not None  # the settings are checked
    return YunetDetector(faces.yunet_file, faces.yunet_score, faces.detect_size[-1])


def centerface(faces: FaceSettings) -> "CenterFaceDetector":
    """Return CenterFace. Raises FacematchError where its file is missing or another model."""
    from facematch.faces.landmarks import CenterFaceDetector

    assert faces.centerface_file is not None
    return CenterFaceDetector(faces.centerface_file, faces.centerface_score, faces.detect_size[-1])


def scrfd(faces: FaceSettings) -> "ScrfdDetector":
    """Return SCRFD. Raises FacematchError where its file is missing or another model."""
    from facematch.faces.scrfd import ScrfdDetector

    assert faces.scrfd_file is not None
    return ScrfdDetector(faces.scrfd_file, faces.scrfd_score, faces.detect_size[-1])


def retinaface(faces: FaceSettings) -> "RetinaFaceDetector":
    """Return RetinaFace. Raises FacematchError where its file is missing or another model."""
    from facematch.faces.retinaface import RetinaFaceDetector

    assert faces.retinaface_file is not None
    return RetinaFaceDetector(faces.retinaface_file, faces.retinaface_score, faces.detect_size[-1])


def finder(faces: FaceSettings) -> "FinderDetector":
    """Return the finder, of a file. Raises FacematchError where that is missing or another model."""
    from facematch.faces.finder import FinderDetector

    assert faces.finder_file is not None  # the builder found it
    return FinderDetector(faces.finder_file, faces.finder_score, _sizes(faces))


def _sizes(faces: FaceSettings) -> tuple[int, ...]:
    return faces.detect_size if faces.choose == "largest" else faces.detect_size[-1:]  # small faces count, too
