"""Rank two sides, and say what an index did."""

from dataclasses import replace

from facematch.core.console import info
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import Ranking, chosen_metric, distance_estimator
from facematch.ranking.recall import measured_recall
from facematch.refine.chain import Ranker


def compare_and_note(ranker: Ranker, query: Embeddings, gallery: Embeddings, k: int) -> Ranking:
    """Rank two sides; say on standard error why an index was chosen, and how much it found."""
    choice = ranker.choice(query, gallery, k)
    settled = replace(ranker, index=choice.kind) if ranker.index == "auto" else ranker
    ranking = settled.compare(query, gallery, k)
    if choice.reason:
        info(f"index {choice.kind}: {choice.reason}")
    if choice.kind == "exact":
        return ranking
    k, metric = ranking.indices.shape[1], chosen_metric(query, ranking.metric)
    recall = measured_recall(
        ranking.distances, lambda rows: distance_estimator(query.at(rows.tolist()), gallery, k, metric).distances
    )
    info(f"{'approximate index' if choice.approximate else 'index'} {choice.kind}: {recall}")
    return ranking
