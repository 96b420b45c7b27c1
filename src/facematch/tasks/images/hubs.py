"""Groups of what is linked in pairs, each round a hub, its greatest member: chains do not make groups."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

L = TypeVar("L")


def groups_of_links(
    count: int,
    links: Mapping[tuple[int, int], L],
    check: Callable[[Sequence[int], int], Mapping[int, L]],
) -> list[tuple[int, dict[int, L]]]:
    """Return groups of the numbers 0 to `count` − 1 as (hub, its members with their links to it).

    `links` holds (smaller, greater) pairs. What hangs together by links is no group yet: the first of a chain
    need not be like its last. The greatest that is left is a hub: it takes its direct links, and of the others that
    hang together with it those that `check(others, hub)` links to it directly; the rest is grouped
    among itself. So every number is in one group at most, the greatest of each part of a chain is never a
    member, and groups have a member at least. They come with the greatest hub first.
    """
    groups = []
    for left in _components(count, links):
        while len(left) > 1:
            hub = left.pop()
            members = {each: links[each, hub] for each in left if (each, hub) in links}
            others = [each for each in left if each not in members]
            if others:
                members |= check(others, hub)
            left = [each for each in others if each not in members]
            if members:
                groups.append((hub, dict(sorted(members.items()))))
    return sorted(groups, key=lambda group: -group[0])


def _components(count: int, links: Mapping[tuple[int, int], L]) -> list[list[int]]:
    # The numbers that hang together, rising.
    if not links:
        return []
    ends = np.array(list(links), np.int64).reshape(-1, 2).T
    _, labels = connected_components(coo_array((np.ones(len(links)), ends), (count, count)), directed=False)
    parts: dict[int, list[int]] = defaultdict(list)
    for number, label in enumerate(labels.tolist()):
        parts[label].append(number)
    return list(parts.values())
