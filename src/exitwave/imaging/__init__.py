"""Images: a drawn microscope, lenses and camera make focal series of exit waves."""
