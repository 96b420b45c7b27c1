"""Groups of what is linked in pairs, each round its greatest member: chains do not make groups."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

L = TypeVar("L")


def stars(
    count: int,
    links: Mapping[tuple[int, int], L],
    check: Callable[[Sequence[int], int], Mapping[int, L]],
) -> list[tuple[int, dict[int, L]]]:
    """Return groups of the numbers 0 to `count` − 1 as (greatest, its members with their links to it).

    `links` holds (smaller, greater) pairs. What hangs together by links is no group yet: the first of a chain
    need not be like its last. The greatest that is left takes its direct links, and of the others that hang
    together with it those that `check(others, greatest)` links to it directly; the rest is grouped
    among itself. So every number is in one group at most, the greatest of each part of a chain is never a
    member, and groups have a member at least. They come with the greatest first.
    """
    groups = []
    for part in _components(count, links):
        left = sorted(part)
        while len(left) > 1:
            greatest = left.pop()
            members = {each: links[each, greatest] for each in left if (each, greatest) in links}
            others = [each for each in left if each not in members]
            if others:
                members |= check(others, greatest)
            left = [each for each in others if each not in members]
            if members:
                groups.append((greatest, dict(sorted(members.items()))))
    return sorted(groups, key=lambda group: -group[0])


def _components(count: int, links: Mapping[tuple[int, int], L]) -> list[list[int]]:
    # Union–find, the paths halved as they are walked (Tarjan & van Leeuwen, JACM 1984).
    parents = list(range(count))

    def root(node: int) -> int:
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    for one, other in links:
        parents[root(one)] = root(other)
    found: dict[int, list[int]] = {}
    for node in range(count):
        found.setdefault(root(node), []).append(node)
    return [part for part in found.values() if len(part) > 1]
