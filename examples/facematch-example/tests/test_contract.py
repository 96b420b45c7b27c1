"""The contract tests of facematch, on this plug-in's embedder and detector."""

from facematch_example.detector import Middle
from facematch_example.embedder import MeanColour

from facematch.testing import check_detector, check_embedder


def test_the_embedder() -> None:
    check_embedder(MeanColour(side=3))


def test_the_detector() -> None:
    check_detector(Middle())
