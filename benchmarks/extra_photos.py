"""A list of labelled photos from a folder of several sources with an `index.csv`: what a network may learn from.

    python benchmarks/extra_photos.py data/train_extra stated.txt --known data/lfw/train data/lfw/more
    python benchmarks/extra_photos.py data/train_extra celebrities.txt --held-out celeba pubfig glint
    facematch validate --set identities.validation=celebrities.txt --set identities.images=data/train_extra \
      --set identities.domain=column

The index has columns path, source, identity, kind and terms. A line of the list is `path identity kind`, so that
`identities.domain: column` knows drawings; a photo of nobody known is a person of its own. People of whom the folders
of --known have photos are called as there. Left out are photos whose terms are not stated (--all keeps them) and those
of config/held-out.txt, which nothing is trained on; with --held-out those are the list, of the named sources, people
of one photo and of whom nobody knows the name left out.
"""

import argparse
import csv
from collections import Counter
from pathlib import Path

from facematch.core.files import write_bytes

HELD_OUT = Path(__file__).resolve().parents[1] / "config" / "held-out.txt"
_NOT_STATED = ("unstated", "scraped", "no licence", "synthetic")  # in the index's column of terms


def main() -> None:
    """Write the list and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path, help="a list for identities.train; identities.images: FOLDER")
    parser.add_argument("--all", action="store_true", help="photos without stated terms, too: for trials only")
    parser.add_argument("--known", type=Path, nargs="*", default=[], metavar="PEOPLE", help="folders of people")
    parser.add_argument("--held-out", nargs="+", metavar="SOURCE", help="to measure on: what nothing is trained on")
    options = parser.parse_args()
    known = {path.name.lower(): path.name for folder in options.known for path in folder.iterdir()}
    held_out = set(HELD_OUT.read_text(encoding="utf-8").split("\n"))
    with (options.folder / "index.csv").open(encoding="utf-8", newline="") as opened:
        every = list(csv.DictReader(opened))
    if options.held_out:
        there = [row for row in every if row["path"] in held_out and row["source"] in options.held_out]
        photos = Counter(row["identity"] for row in there)
        rows = [row for row in there if row["identity"] and photos[row["identity"]] > 1]
    else:
        rows = [row for row in every if row["path"] not in held_out and (options.all or _stated(row))]
    lines, counts = [], Counter[str]()
    for row in rows:
        lines.append(f"{row['path']}\t{known.get(row['identity'], row['identity']) or row['path']}\t{row['kind']}")
        counts[f"{row['source']} {row['kind']}"] += 1
    write_bytes(options.out, "\n".join([*lines, ""]).encode())
    print(f"{len(lines):,} photos in {options.out}: {', '.join(f'{name} {n}' for name, n in counts.most_common())}")


def _stated(row: dict[str, str]) -> bool:
    return not any(word in row["terms"] for word in _NOT_STATED)


if __name__ == "__main__":
    main()
