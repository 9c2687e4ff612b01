"""Readers turn the session files of coding agents into entries of a transcript. No Django inside."""
