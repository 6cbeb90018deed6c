//! Storage: the folders of a lake, commits, refusals.
