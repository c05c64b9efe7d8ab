"""Exit waves: the electron wave through a specimen, by abTEM or in Fourier space."""
