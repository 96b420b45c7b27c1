"""From a ranking to an answer: which gallery photos are accepted for each query, possibly none."""
