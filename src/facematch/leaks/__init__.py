"""What stands on both sides of a split: people by name, photos by bytes, pixels and content."""

from facematch.leaks.contents import Content, Extent, content_cache, read_contents, thumbnail_of
from facematch.leaks.find import KINDS, Findings, Leak, find_leaks
from facematch.leaks.sets import Absent, PhotoSet, configured_sets, named_sets

__all__ = [
    "KINDS",
    "Absent",
    "Content",
    "Extent",
    "Findings",
    "Leak",
    "PhotoSet",
    "configured_sets",
    "content_cache",
    "find_leaks",
    "named_sets",
    "read_contents",
    "thumbnail_of",
]
