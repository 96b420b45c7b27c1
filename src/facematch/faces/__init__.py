"""From photos to crops: detectors, the cropper, and many photos at once."""
