"""Demonstration data: episodes, action chunks, rendered views and their generation.

Images go through `kinevla.observation`; `episodes` and `views` hold the file formats;
`chunks` turns episodes into training samples.
"""
