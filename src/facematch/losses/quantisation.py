"""What it costs to take the sign: a penalty for values of a code that are far from −1 and +1."""

from torch import Tensor


def quantisation_penalty(values: Tensor) -> Tensor:
    """Return the mean of (1 − |v|)² over B×D `values` between −1 and 1, a scalar from 0 to 1.

    The squared distance of each value to its sign, averaged: the quantisation error of deep hashing (Li, Wang
    and Kang, Feature learning based deep supervised hashing with pairwise labels, IJCAI 2016, equation 5),
    divided by the number of values so that its weight does not depend on the code size. The gradient at 0, where
    the sign is a convention, is 0.
    """
    return (1 - values.float().abs()).square().mean()
