"""Demonstration data: episodes, action chunks, rendered views and their generation.

`images.to_model_size` is the only image preprocessing; `episodes` and `views` hold the file formats;
`chunks` turns episodes into training samples.
"""
