"""Checks of the report's JSON files."""

def check(project, model):
    return []
