"""Near-duplicates: the same photo recompressed, resized, slightly cropped, mirrored, grey, lighter or darker.

From images to thumbnails, from thumbnails to descriptors, from descriptors to candidates, from candidates
to confirmed pairs; `contents` does so for files, and `match` for two sets of them.

Measured: the share of edited photos that is found in a gallery of 10,647 photos that holds the original
(2,687 LFW faces of 180 and 250 pixels, 204 studio portraits of 640, 494 photos of animals, places and clothes;
saved as JPEG of quality 90 after the edit):

    edit                                     faces   studio  others
    JPEG 95, 75, 50, 30; size 0.5, 2;
      grey; mirrored                         1       1       0.998 or more
    width × 0.8; sepia                       1       1       1
    darker and contrast −20 %                1       1       0.996
    brightness +20 %, contrast +20 %         0.995   0.980   0.988
    crop of 2 %, of 5 % at every side        0.999   1       0.970, 0.933
    crop of up to 5 %, each side another     0.999   1       0.970
      and mirrored, size 0.7, JPEG 60        0.999   1       0.976
    crop of 8 %, of 10 % at every side       0.99    0.99    0.87, 0.79
    10 % cut from the left, from the bottom  0.83,   0.49,   0.91,
                                             0.90    1.00    0.77
    size 0.25 (45 and 62 pixels for faces)   0.72    1       0.89
    blurred by 0.8 % of the width            0.998   1       0.35
    text across the middle                   0.37    0.06    0.11
    turned by 1° or more                     0       0       0
    two crops of one photo, up to 2 %, 5 %   0.95, 0.53 (373 faces)

Searched by quarter turns, and within borders that `without_border` cut, among 972 photos of all these kinds, 100 of
them changed: quarter turns 1, plain borders of 5 % 1, of 10 % 0.97 (black) and 0.99 (white).

False pairs: none known among the 52.4 million pairs of 10,234 LFW photos (found were 242 copies known by their file
names, and 5 others, all real ones by eye, 3 of them under two names), none among the 20,706 of the 204
studio portraits (102 people, neutral and smiling), none among 144,453 of other photos, and 1 among the 79,800
of 400 frames filmed in one studio (ORL), where only the eyes had moved: 4 others found there are one frame
cropped in two ways.
"""
