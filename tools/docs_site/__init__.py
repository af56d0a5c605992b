"""The site of the documentation: docs/ as pages with search, made by Sphinx (docs/adr/0023)."""
