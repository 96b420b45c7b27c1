"""A competition whose gallery is drawn, painted and printed: the same photographs ask, the same names are right.

    python benchmarks/rendered_competition.py data/competition rendered [--renderings pencil-grey,oil] [--seed 1]
    facematch serve --truth rendered/ground_truth.json …; python request_send.py --set paths.query=rendered/query …

COMPETITION holds `query`, `gallery` and `ground_truth.json`. Each gallery photo is rendered by one of the renderings in
turn (all, unless some are named), with a seed of its own, and keeps its name with the ending .png. Queries are copied.
"""

import argparse
import json
import shutil
from pathlib import Path

from facematch.core.files import sha256_of, write_bytes, write_json
from facematch.photos.encoded import png_bytes
from facematch.photos.photo import PhotoLimits, Unreadable, find_photos, read_photo
from facematch.photos.renderings import RENDERING_NAMES, render, require_rendering


def main() -> None:
    """Write the competition."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("competition", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--renderings", default=",".join(RENDERING_NAMES))
    parser.add_argument("--strength", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    names = options.renderings.split(",")
    for name in names:
        require_rendering(name)
    called = {}
    for number, file in enumerate(find_photos(options.competition / "gallery").files):
        photo = read_photo(file, PhotoLimits())
        if isinstance(photo, Unreadable):
            raise SystemExit(f"{photo}")
        seed = (options.seed, int(sha256_of(file.name.encode())[:8], 16))
        drawn = render(photo.image, names[number % len(names)], options.strength, seed)
        called[file.name] = str(Path(file.name).with_suffix(".png"))
        write_bytes(options.out / "gallery" / called[file.name], png_bytes(drawn))
    shutil.copytree(options.competition / "query", options.out / "query", dirs_exist_ok=True)
    truth = json.loads((options.competition / "ground_truth.json").read_text(encoding="utf-8"))
    write_json(
        options.out / "ground_truth.json",
        {query: [called[name] for name in right] for query, right in truth.items()},
    )
    print(f"{len(called)} pictures in {options.out / 'gallery'}: {', '.join(names)}")


if __name__ == "__main__":
    main()
