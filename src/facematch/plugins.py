"""What a plug-in is written against: promised, as the names of `facematch` are. docs/plugins.md shows one of each.

`Embedder` and `Detector` are protocols, to be met and not inherited; the others are values that are taken and given.
"""

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.embedders import Embedder
from facematch.evaluation.open_set import OpenSet
from facematch.faces.detectors import Detector
from facematch.faces.values import Face
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import Ranking
from facematch.thresholds.values import Basis

__all__ = [
    "Basis",
    "Detector",
    "Embedder",
    "Embeddings",
    "Face",
    "FacematchError",
    "Fingerprint",
    "OpenSet",
    "Ranking",
]
