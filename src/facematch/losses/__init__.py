"""The triplet loss and its mining: `TripletLoss` for a loop of one's own, `triplet_loss` as a function."""

from facematch.losses.module import TripletLoss
from facematch.losses.triplet import triplet_loss

__all__ = ["TripletLoss", "triplet_loss"]
