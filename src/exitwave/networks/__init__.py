"""Networks: what they are, the data they are fed, how they are kept and used."""
