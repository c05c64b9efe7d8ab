"""A network's wave, refined by the images: aberrations, wave and misfit of one focal series."""
