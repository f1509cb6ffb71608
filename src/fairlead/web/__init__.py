"""The dashboard's static files."""
