"""The triplet loss and its mining."""

from facematch.losses.triplet import TripletLoss, triplet_loss

__all__ = ["TripletLoss", "triplet_loss"]
