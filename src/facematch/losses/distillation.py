"""What a network loses by embedding photos otherwise than a teacher does."""

import torch
from torch import Tensor
from torch.nn import functional


def cosine_distillation(student: Tensor, teacher: Tensor, present: Tensor) -> Tensor:
    """Return the mean of 1 − cos(student, teacher) over the photos that have a teacher's embedding: a scalar, 0–2.

    `student` and `teacher` are B×D, `present` B bool. Half the mean squared distance of unit vectors, so it is
    hint learning (Romero et al., FitNets, ICLR 2015, equation 3) on embeddings of length 1. 0 where no photo has
    a teacher's embedding; the rows of absent ones may hold anything finite.
    """
    cosines = functional.cosine_similarity(student.float(), teacher.float(), dim=1)  # B
    return ((1 - cosines) * present).sum() / present.sum().clamp(min=1)


def relational_distillation(student: Tensor, teacher: Tensor, present: Tensor) -> Tensor:
    """Return the mean of (cos(s_i, s_j) − cos(t_i, t_j))² over ordered pairs i ≠ j of photos: a scalar, 0–4.

    `student` is B×D, `teacher` B×E, `present` B bool; pairs of two photos with a teacher's embedding count.
    Relational knowledge distillation (Park et al., CVPR 2019, equation 4) with the cosine as the relation of a
    pair and the squared error as its loss. 0 where there is no pair.
    """
    differences = (_cosines(student) - _cosines(teacher)).square()  # B×B
    itself = torch.eye(len(present), dtype=torch.bool, device=present.device)
    pairs = (present[:, None] & present[None, :] & ~itself).to(differences.dtype)
    return (differences * pairs).sum() / pairs.sum().clamp(min=1)


def _cosines(embeddings: Tensor) -> Tensor:
    unit = functional.normalize(embeddings.float(), dim=1)
    return unit @ unit.T
