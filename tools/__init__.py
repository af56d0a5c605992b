"""Programs for a checkout of the repository. No package of Licet holds them."""
