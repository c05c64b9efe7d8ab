"""Publications that whoever uses the results is asked to cite."""

PAPER = (
    "M. H. Leth Larsen, F. Dahl, L. P. Hansen, B. Barton, C. Kisielowski, S. Helveg, O. Winther, "
    "T. W. Hansen and J. Schiøtz, Reconstructing the exit wave in high-resolution transmission "
    "electron microscopy using machine learning, arXiv 2112.14308 (2021)"
)
DATABASE_PAPER = (
    "S. Haastrup et al., The Computational 2D Materials Database: high-throughput modeling and "
    "discovery of atomically thin crystals, 2D Materials 5 (2018) 042002"
)
